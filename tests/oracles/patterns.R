# What mice says of missing data patterns, of chains, and of amputation by odds: the oracle of tests/test_patterns.py,
# tests/test_diagnostics.py and tests/test_ampute.py.
#
#   Rscript tests/oracles/patterns.R tests/oracles       (needs mice and jsonlite)
#
# patterns.json
#   data          name: 0/1 rows, 1 where a value is missing; any values do
#   patterns      name: columns in md.pattern's order, and its matrix with the row names (counts) in front
#   pairs         name: md.pairs;  flux  name: flux
#   chains        cases of chain statistics: (iterations, chains) of each variable, and mice's convergence() of them
#   odds          settings of ampute(cont = FALSE): the share of rows that miss column a in each fifth of column b,
#                 over many amputations, with standard errors
#   scores        the weighted sum scores of all rows, a single pattern, with and without standardising

suppressPackageStartupMessages({ library(mice); library(jsonlite) })
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored
set.seed(fresh + 1)

# ---- patterns

holes <- function(rows, shares) {  # holes that hang together: a row's luck is shared by its columns
  luck <- rnorm(rows)
  as.data.frame(sapply(shares, function(p) ifelse(pnorm((luck + rnorm(rows)) / sqrt(2)) < p, NA, 1)))
}
sets <- list(
  nhanes2 = nhanes2, boys = boys,
  generated = setNames(holes(200, c(.3, .1, 0, .3, .05, .6)), paste0("v", 1:6)),
  complete = data.frame(a = 1:3, b = 1:3),
  empty = data.frame(a = c(NA, NA), b = c(NA, NA)),
  empty_column = data.frame(a = 1:4, b = c(NA, 1, 2, 3), c = NA),
  ties = data.frame(a = c(1, NA, 2, NA), b = c(NA, 1, 2, NA), c = c(NA, NA, 1, 2))
)
if (fresh) for (i in 1:20)
  sets[[paste("generated", i)]] <- setNames(holes(sample(20:300, 1), runif(5, 0, .6)), paste0("v", 1:5))
plain <- function(x) unname(apply(x, 2, as.numeric))
# R prints a mouse for complete data.
invisible(capture.output(md <- lapply(sets, md.pattern, plot = FALSE)))
patterns <- lapply(md, function(p) {
  counts <- suppressWarnings(as.numeric(rownames(p)))
  list(columns = head(colnames(p), -1), rows = head(counts, -1), matrix = plain(p))
})

# ---- chains

imp <- mice(nhanes, m = 4, maxit = 9, print = FALSE)
longer <- mice(nhanes, m = 3, maxit = 12, print = FALSE)
single <- mice(nhanes, m = 2, maxit = 3, print = FALSE)
made <- imp
made$chainMean["bmi", , ] <- cumsum(rnorm(36))           # chains that drift apart
made$chainMean["chl", , ] <- round(rnorm(36), 1)         # ties
made$chainMean["hyp", , ] <- 1; made$chainMean["hyp", 5, 2] <- 2
made$chainMean["age", , ] <- rnorm(36); made$chainMean["age", 3, ] <- 1
full <- function(x) apply(x, 1:2, function(v) if (is.na(v)) NA_character_ else sprintf("%.17g", v))
chain_case <- function(imp, parameter) {
  statistic <- if (parameter == "mean") imp$chainMean else sqrt(imp$chainVar)
  names <- dimnames(statistic)[[1]]
  out <- convergence(imp, parameter = parameter)
  list(parameter = parameter, names = names, chains = lapply(names, function(v) full(statistic[v, , ])),
       ac = lapply(names, function(v) out$ac[out$vrb == v]), psrf = lapply(names, function(v) out$psrf[out$vrb == v]))
}
chains <- list(chain_case(imp, "mean"), chain_case(imp, "sd"), chain_case(longer, "mean"), chain_case(made, "mean"),
               chain_case(single, "mean"))

# ---- amputation

n <- 997  # as in ampute.R
quantiles <- sapply(c(1, 211, 379, 613), function(a) qnorm(((seq_len(n) * a) %% n + .5) / n))
mix <- matrix(c(1, 0, 0, 0, .5, 1, 0, 0, .3, .4, 1, 0, 0, .2, .6, 1), 4)
data <- as.data.frame(quantiles %*% mix)
names(data) <- c("a", "b", "c", "d")
fifth <- ceiling(5 * rank(data$b) / n)
by_odds <- function(prop, odds, ...) {
  options <- list(data = data, prop = prop, cont = FALSE, odds = odds, ...)  # inside replicate(), ... would be its own
  seen <- replicate(400, {
    amputed <- do.call(ampute, options)$amp
    c(tapply(is.na(amputed$a), fifth, mean), mean(!complete.cases(amputed)), mean(is.na(amputed)))
  })
  list(mean = rowMeans(seen), se = apply(seen, 1, sd) / sqrt(400))
}
one <- c(0, 1, 1, 1)
share <- if (fresh) round(runif(1, .2, .5), 3) else .4
settings <- list(
  default = c(list(prop = share, odds = 1:4), by_odds(share, matrix(1:4, 1), patterns = one, weights = c(0, 1, 0, 0))),
  middle = c(list(prop = .3, odds = c(1, 4, 1)),
             by_odds(.3, matrix(c(1, 4, 1), 1), patterns = one, weights = c(0, 2, 0, 1), mech = "MAR")),
  cells = c(list(prop = .1, odds = c(1, 3)),
            by_odds(.1, matrix(c(1, 3), 1), patterns = c(0, 0, 1, 1), weights = c(0, 0, 1, 0), bycases = FALSE))
)
weights <- c(0, 1, -2, .5)
wide <- data; wide$c <- 10 * wide$c
score <- function(std) as.numeric(ampute(wide, patterns = one, weights = weights, std = std)$scores[[1]])

write_json(
  list(
    data = lapply(sets, function(x) list(columns = names(x), missing = plain(is.na(x)))),
    patterns = patterns,
    pairs = lapply(sets, function(x) lapply(md.pairs(x), plain)),
    flux = lapply(sets, function(x) as.list(flux(x))),
    chains = chains, odds = settings,
    scores = list(weights = weights, standardised = score(TRUE), raw = score(FALSE))
  ),
  file.path(directory, "patterns.json"), auto_unbox = FALSE, digits = NA, na = "null"
)
