# What mice::ampute does: the oracle of tests/test_populations.py.
#
#   Rscript tests/oracles/ampute.R tests/oracles       (needs mice and jsonlite)
#
# ampute.json   one entry a setting: its options; over many amputations of the same data, the mean share of rows
#               with each column missing, and of each column, in its standard deviations from its mean, the mean
#               and the mean square among the rows that miss each column (rows: the missing column); `_se` are
#               their standard errors
#
# The data are normal quantiles in shuffled orders that any language can make, mixed so that they correlate.

suppressPackageStartupMessages({ library(mice); library(jsonlite) })
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored
set.seed(fresh + 1)

n <- 997  # a prime: every multiple of its numbers runs through all of them
quantiles <- sapply(c(1, 211, 379, 613), function(a) qnorm(((seq_len(n) * a) %% n + .5) / n))
mix <- matrix(c(1, 0, 0, 0, .5, 1, 0, 0, .3, .4, 1, 0, 0, .2, .6, 1), 4)
data <- as.data.frame(quantiles %*% mix)
names(data) <- c("a", "b", "c", "d")
z <- scale(data)

among <- function(missing, values) t(apply(missing, 2, function(rows) colMeans(values[rows, , drop = FALSE])))

observe <- function(amputed) {
  missing <- is.na(amputed)
  cbind(share = colMeans(missing), mean = among(missing, z), square = among(missing, z^2))
}

summarise <- function(draws, ...) {
  options <- list(...)  # inside replicate(), ... would be its own
  seen <- replicate(draws, observe(do.call(ampute, c(list(data), options))$amp))
  parts <- function(x) list(share = x[, 1], mean = x[, 2:5], square = x[, 6:9])
  se <- parts(apply(seen, 1:2, sd) / sqrt(draws))
  c(parts(apply(seen, 1:2, mean)), setNames(se, paste0(names(se), "_se")))
}

share <- if (fresh) round(runif(1, .15, .5), 3) else .3
together <- rbind(c(0, 1, 1, 1), c(1, 0, 0, 1))
settings <- list()
for (mechanism in c("MCAR", "MAR", "MNAR")) for (type in c("RIGHT", "LEFT", "MID", "TAIL")) {
  if (mechanism == "MCAR" && type != "RIGHT") next
  settings[[paste(mechanism, type)]] <- c(
    list(options = list(mechanism = mechanism, types = type, proportion = share)),
    summarise(400, prop = share, mech = mechanism, type = type)
  )
}
settings[["two patterns"]] <- c(
  list(options = list(
    mechanism = "MAR", types = c("RIGHT", "TAIL"), proportion = .6, patterns = list(I("a"), c("b", "c")),
    frequencies = c(.7, .3), weights = list(list(b = 1, c = -2), list(d = 1))
  )),
  summarise(400, prop = .6, mech = "MAR", type = c("RIGHT", "TAIL"), patterns = together, freq = c(.7, .3),
            weights = rbind(c(0, 1, -2, 0), c(0, 0, 0, 1)))
)
write_json(settings, file.path(directory, "ampute.json"), auto_unbox = TRUE, digits = 6, pretty = TRUE,
           na = "null")
