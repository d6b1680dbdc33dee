# What mice's methods for continuous columns draw: the oracle of tests/test_methods_continuous.py.
#
#   Rscript tests/oracles/methods_continuous.R tests/oracles       (needs mice, glmnet and jsonlite; a few minutes)
#
# methods_continuous.json
#   data      y, the predictors and which rows are fitted; the other rows are drawn
#   selected  the same where large y are missing, for ri
#   exact     least squares of lm: coefficients, SSR, V = (X'X)^-1, predictions of the drawn rows, those with natural
#             splines, and pmm's five nearest donors (numbered from 1) at matchtype 0
#   methods   by method and options: over many draws, the mean, standard deviation and kurtosis of each drawn row, and
#             of three summaries of a draw (mean, sd, slope on the first predictor); for methods that copy a donor,
#             how often each donor (column) went to the first three drawn rows

suppressPackageStartupMessages({ library(mice); library(jsonlite); library(splines) })
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored
set.seed(fresh + 1)
# What mice keeps of its events; a method that is called by itself looks for them here.
state <- list(it = 0, im = 0, dep = "", meth = "", log = FALSE)
loggedEvents <- data.frame(it = 0, im = 0, dep = "", meth = "", out = "")

# Normal quantiles in orders of their own; of a prime, every multiple of its numbers runs through all of them.
scores <- function(n, multiples) sapply(multiples, function(a) if (fresh) rnorm(n) else qnorm(((seq_len(n) * a) %% n + .5) / n))
n <- 61
quantiles <- scores(n, c(1, 7, 17, 29))
x <- round(cbind(a = quantiles[, 1] + 10, b = 3 * quantiles[, 2] + quantiles[, 1], c = quantiles[, 4]^2), 3)
y <- round(2 + .8 * x[, "a"] - .5 * x[, "b"] + quantiles[, 3], 3)
fitted <- seq_len(n) %% 3 != 0
curved <- round(1 + .7 * y + .4 * (y - 9)^2 + .5 * quantiles[, 4], 3)  # an outcome that is quadratic in y
many <- round(cbind(x, scores(n, 30 + 1:9)), 3)
colnames(many) <- c(colnames(x), paste0("z", 1:9))

# Large values are missing: more records, as the random indicator method needs them.
large <- 211
quantiles <- scores(large, c(1, 7, 17, 61))
selected_x <- round(cbind(a = quantiles[, 1] + 10, b = 3 * quantiles[, 2] + quantiles[, 1]), 3)
selected_y <- round(2 + .8 * selected_x[, "a"] - .5 * selected_x[, "b"] + quantiles[, 3], 3)
selected <- pnorm(quantiles[, 4]) < plogis(1 - .4 * (selected_y - 10))

kurtosis <- function(v) { v <- v - mean(v); if (all(v == 0)) 1 else mean(v^4) / mean(v^2)^2 }
summarise <- function(draws, method, ..., target = y, predictors = x, rows = fitted, copies = FALSE) {
  draw <- getFromNamespace(paste0("mice.impute.", method), "mice")
  arguments <- list(target, rows, predictors, ...)  # inside replicate(), ... would be its own
  drawn <- suppressWarnings(replicate(draws, as.vector(do.call(draw, arguments))))
  first <- predictors[!rows, 1]
  each <- apply(drawn, 2, function(d) c(mean = mean(d), sd = sd(d), slope = cov(d, first) / var(first)))
  result <- list(draws = draws, mean = rowMeans(drawn), sd = apply(drawn, 1, sd),
                 kurtosis = apply(drawn, 1, kurtosis), summary_mean = as.list(rowMeans(each)),
                 summary_sd = as.list(apply(each, 1, sd)), summary_kurtosis = as.list(apply(each, 1, kurtosis)))
  if (copies) result$donors <- t(sapply(1:3, function(i) sapply(target[rows], function(v) sum(drawn[i, ] == v))))
  result
}

exact <- function() {
  fit <- lm(y[fitted] ~ x[fitted, ])
  d <- data.frame(y = y, x)
  spline <- lm(y ~ ns(a, 4) + ns(b, 4) + ns(c, 4), d[fitted, ])
  hat <- cbind(1, x) %*% coef(fit)
  nearest <- t(sapply(which(!fitted), function(i) order(abs(hat[fitted] - hat[i]))[1:5]))
  list(coefficients = unname(coef(fit)), ssr = sum(resid(fit)^2),
       v = unname(chol2inv(qr.R(qr(cbind(1, x[fitted, ]))))), predictions = as.vector(hat[!fitted]),
       spline_predictions = unname(predict(spline, d[!fitted, ])), nearest = nearest)
}

methods <- list(
  "norm" = summarise(2000, "norm"),
  "norm.nob" = summarise(2000, "norm.nob"),
  "norm.boot" = summarise(2000, "norm.boot"),
  "norm.predict" = summarise(2, "norm.predict"),
  "pmm" = summarise(2000, "pmm", copies = TRUE),
  "pmm matchtype=0" = summarise(2000, "pmm", matchtype = 0, copies = TRUE),
  "pmm matchtype=2" = summarise(2000, "pmm", matchtype = 2, copies = TRUE),
  "pmm donors=3" = summarise(2000, "pmm", donors = 3, copies = TRUE),
  "midastouch" = summarise(2000, "midastouch", copies = TRUE),
  "midastouch midas_kappa=3" = summarise(2000, "midastouch", midas.kappa = 3, copies = TRUE),
  "midastouch outout=False" = summarise(2000, "midastouch", outout = FALSE, copies = TRUE),
  "quadratic" = summarise(2000, "quadratic", quad.outcome = "curved", predictors = cbind(curved)),
  "quadratic more" = summarise(2000, "quadratic", quad.outcome = "curved", predictors = cbind(curved, b = x[, "b"])),
  "ri" = summarise(400, "ri", target = selected_y, predictors = selected_x, rows = selected),
  "mnar.norm" = summarise(2000, "mnar.norm", ums = "-3+.5*a-1*b"),
  "lasso.norm" = summarise(400, "lasso.norm", predictors = many),
  "lasso.select.norm" = summarise(400, "lasso.select.norm", predictors = many)
)
data <- c(list(y = y, fitted = fitted, curved = curved), as.list(as.data.frame(many)))
selected_data <- c(list(y = selected_y, fitted = selected), as.list(as.data.frame(selected_x)))
write_json(list(data = data, selected = selected_data, exact = exact(), methods = methods),
           file.path(directory, "methods_continuous.json"), auto_unbox = TRUE, digits = NA)
