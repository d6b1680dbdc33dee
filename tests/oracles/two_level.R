# What mice's methods for rows in clusters make of whole data sets: the oracle of tests/test_two_level.py.
#
#   nice Rscript tests/oracles/two_level.R tests/oracles [scenario …]     (needs mice, lme4, pan and jsonlite)
#
# two_level.json   data       `few`: 30 clusters of 2 to 12 rows, of three of which y is never seen; popmis is mice's
#                  scenarios  by name: data, method, target, codes of the predictor matrix, m and, over the m sets,
#                             mean, variance and kurtosis of statistics of the completed data
# With names of scenarios, only those are run anew. All of them take two minutes.

suppressPackageStartupMessages({ library(mice); library(jsonlite) })
arguments <- commandArgs(trailingOnly = TRUE)
output <- file.path(arguments[1], "two_level.json")
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored

# ---- data

set.seed(fresh + 20261126)
sizes <- rep(c(2, 4, 6, 9, 12, 12), 5)
clusters <- length(sizes)
g <- rep(seq_len(clusters), sizes)
n <- length(g)
w <- round(rnorm(clusters), 3)[g]
x <- round(.5 * rnorm(clusters)[g] + rnorm(n) + 5, 3)
y <- round(10 + 2 * w + (1 + .8 * rnorm(clusters)[g]) * (x - 5) + 1.5 * rnorm(clusters)[g] +
           sqrt(.5 / rgamma(clusters, 3, 3))[g] * rnorm(n), 3)
b <- as.integer(.5 * w + (.7 + .5 * rnorm(clusters)[g]) * (x - 5) + rnorm(clusters)[g] + rlogis(n) > 0)
few <- data.frame(g, w, x, y, b)
few$y[runif(n) < plogis(-1 + .5 * (x - 5)) | g %in% c(3, 11, 23)] <- NA
few$b[runif(n) < .3 | g %in% c(4, 12)] <- NA
data <- list(popmis = popmis[c("school", "sex", "texp", "popular")], few = few)

# ---- scenarios

scenario <- function(data, method, target, ..., m = 300)
  list(data = data, method = method, target = target, codes = list(...), m = m)
scenarios <- list(
  "2l.norm, popmis" = scenario("popmis", "2l.norm", "popular", school = -2, sex = 2, texp = 2),
  "2l.pan, popmis" = scenario("popmis", "2l.pan", "popular", school = -2, sex = 2, texp = 1),
  "2l.lmer, popmis" = scenario("popmis", "2l.lmer", "popular", school = -2, sex = 2, texp = 1),
  "2l.norm" = scenario("few", "2l.norm", "y", g = -2, x = 2, m = 1000),
  "2l.pan" = scenario("few", "2l.pan", "y", g = -2, x = 2, w = 1, m = 1000),
  "2l.pan, intercepts" = scenario("few", "2l.pan", "y", g = -2, x = 1, w = 1, m = 1000),
  "2l.pan, cluster means" = scenario("few", "2l.pan", "y", g = -2, x = 4, w = 1, m = 1000),
  # Of slopes, mice's 2l.lmer knows nothing where a cluster has one observed row.
  "2l.lmer, intercepts" = scenario("few", "2l.lmer", "y", g = -2, x = 1, w = 1, m = 300),
  "2l.bin" = scenario("few", "2l.bin", "b", g = -2, x = 1, w = 1, m = 300)
)

if (fresh) scenarios <- lapply(scenarios, function(s) { s$m <- min(s$m, 200); s })

# ---- running them

run <- function(s) {
  d <- data[[s$data]][c(names(s$codes), s$target)]
  if (s$method == "2l.bin") d[[s$target]] <- factor(d[[s$target]])
  method <- setNames(rep("", ncol(d)), names(d)); method[[s$target]] <- s$method
  predictors <- matrix(0, ncol(d), ncol(d), dimnames = rep(list(names(d)), 2))
  predictors[s$target, names(s$codes)] <- unlist(s$codes)
  result <- suppressWarnings(mice(d, m = s$m, maxit = 1, method = method, predictorMatrix = predictors, print = FALSE))
  lapply(seq_len(s$m), function(i) {
    completed <- mice::complete(result, i); completed[[s$target]] <- as.numeric(as.character(completed[[s$target]]))
    completed
  })
}

# Of the target: mean, SD, variance between clusters by analysis of variance and its share, how SDs in clusters vary,
# the SD of the means of clusters that were never seen; its regression on the products of predictors.
statistics <- function(d, s) {
  t <- d[[s$target]]; cluster <- d[[names(s$codes)[1]]]
  size <- tapply(t, cluster, length); mean_of <- tapply(t, cluster, mean)
  k <- length(size)
  within <- sum((t - mean_of[as.character(cluster)])^2) / (length(t) - k)
  between <- (sum(size * (mean_of - mean(t))^2) / (k - 1) - within) / ((length(t) - sum(size^2) / length(t)) / (k - 1))
  fit <- lm(reformulate(paste(names(s$codes)[-1], collapse = " * "), s$target), d)
  sds <- tapply(resid(fit), cluster, sd)
  seen <- tapply(!is.na(data[[s$data]][[s$target]]), cluster, any)
  found <- c(mean = mean(t), sd = sd(t), between = between, icc = between / (between + within), spread = sd(sds),
             coef(fit))
  if (!all(seen)) found <- c(found, unseen = sd(mean_of[!seen]))
  found
}

over_sets <- function(values) {     # statistics in rows, sets in columns
  centre <- rowMeans(values); variance <- apply(values, 1, var)
  list(names = rownames(values), mean = unname(centre), variance = unname(variance),
       kurtosis = unname(rowMeans((values - centre)^4) / rowMeans((values - centre)^2)^2))
}

stored <- if (length(arguments) > 1 && file.exists(output)) fromJSON(output, simplifyVector = FALSE)$scenarios
for (name in if (length(arguments) > 1) arguments[-1] else names(scenarios)) {
  s <- scenarios[[name]]
  # Each its own seed, so that it can be run alone.
  set.seed(fresh + sum(utf8ToInt(name)))
  started <- proc.time()[["user.self"]]
  stored[[name]] <- c(s, list(statistics = over_sets(sapply(run(s), statistics, s))))
  write_json(list(data = list(few = few), scenarios = stored[intersect(names(scenarios), names(stored))]), output,
             digits = 10, auto_unbox = TRUE, na = "null", dataframe = "columns")
  message(sprintf("%-28s %6.1f s", name, proc.time()[["user.self"]] - started))
}
