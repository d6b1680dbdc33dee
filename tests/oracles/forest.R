# What mice draws by random forests: the oracle of tests/test_forest.py.
#
#   Rscript tests/oracles/forest.R tests/oracles
#
# forest.json   a data set of 120 rows (two numeric columns, one of them rounded, an unordered and an ordered factor, a
#               numeric target `y` and a class target `class`), and for each setting and each of 12 recipients (some of
#               them rows of the data) the mean and the standard deviation over 600 forests of a forest's share of a
#               class or of its mean, each taken over 40 draws; `own`: share of draws that are the row's own value.

suppressMessages({library(mice); library(jsonlite)})
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored
set.seed(fresh + 20240229)
n <- 120
data <- data.frame(x1 = rnorm(n), x2 = round(rnorm(n), 1), f = factor(sample(letters[1:4], n, TRUE)),
                   g = ordered(sample(paste0("g", 1:5), n, TRUE)))
data$y <- data$x1 + 2 * (data$x2 > .3) * (data$f == "b") + .5 * as.integer(data$g) + rnorm(n)
data$class <- cut(data$y + rnorm(n), c(-Inf, 1, 2.5, Inf), labels = c("k1", "k2", "k3"))
data$y <- data$y - 20  # below 1: R's sample(d, 1) would draw from 1..d where a number d > 1 is the only donor

recipients <- seq(10, 120, by = 10)
forests <- if (fresh) 300 else 600
draws <- 40

summarise <- function(target, ntree = 10) {
  x <- model.matrix(~ x1 + x2 + f + g, data)[, -1]
  rows <- c(seq_len(n), rep(recipients, each = draws))
  ry <- seq_along(rows) <= n
  y <- data[[target]][rows]
  values <- if (is.factor(y)) as.integer(y) - 1 else y
  # of each forest and recipient: the mean of a number, or the shares of the classes
  scores <- if (is.factor(y)) lapply(0:2, function(k) function(v) v == k) else list(identity)
  made <- replicate(forests, {
    drawn <- mice.impute.rf(y, ry, x[rows, ], ntree = ntree)
    drawn <- if (is.factor(y)) as.integer(factor(drawn, levels(y))) - 1 else drawn
    drawn <- matrix(drawn, draws)
    own <- colMeans(drawn == rep(values[recipients], each = draws))
    rbind(own, do.call(rbind, lapply(scores, function(s) colMeans(s(drawn)))))
  })
  list(mean = apply(made, 1:2, mean), sd = apply(made, 1:2, sd))
}

out <- list(
  data = list(x1 = data$x1, x2 = data$x2, f = as.character(data$f), g = as.character(data$g), y = data$y,
              class = as.character(data$class)),
  recipients = recipients - 1, forests = forests, draws = draws,
  y = summarise("y"), y_ntree1 = summarise("y", ntree = 1), class = summarise("class"),
  class_ntree3 = summarise("class", ntree = 3))
write(toJSON(out, digits = 17, auto_unbox = TRUE), file.path(directory, "forest.json"))
