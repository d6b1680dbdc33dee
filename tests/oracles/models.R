# What R says of contrasts, models, statistics and pooling: the oracle of tests/test_models.py and
# tests/test_pooling.py.
#
#   Rscript tests/oracles/models.R tests/oracles       (needs mice, psych, caret and jsonlite)
#
# models.json   contrasts  contr.poly(K), K = 2..12, to the last bit
#               data       three random data sets
#               fits       lm, glm and polr: terms, estimates, covariances, deviance, residual df
#               matrices   model matrices of formulas with interactions
#               describe   psych::describe
#               confusion  caret::confusionMatrix
#               pooling    mice::pool.scalar and pool.scalar.syn
#
# polr is run to a tighter tolerance than its default, and with a finer step in its numerical Hessian;
# `default` marks the fit with its defaults.

suppressPackageStartupMessages({ library(MASS); library(psych); library(caret); library(jsonlite) })
source("mice_sim/data/boys.R")
directory <- commandArgs(trailingOnly = TRUE)[1]
exact <- function(x) sprintf("%.17g", x)

contrasts <- lapply(setNames(2:12, 2:12), function(k) apply(contr.poly(k), 2, exact))


random_data <- function(n) {
  x <- round(rnorm(n), 3); z <- round(rexp(n), 3)
  f <- factor(sample(c("a", "b", "c"), n, TRUE))
  g <- ordered(sample(paste0("g", 1:4), n, TRUE), levels = paste0("g", 1:4))
  signal <- .8 * x - .5 * z + (f == "b") + .4 * as.integer(g)
  y <- round(signal + rnorm(n), 3)
  b <- factor(ifelse(signal + rlogis(n) > 1, "yes", "no"))
  o <- cut(signal + rlogis(n), c(-Inf, 0, 1, 2, Inf), labels = paste0("o", 1:4), ordered_result = TRUE)
  data.frame(x, z, f, g, y, b, o)
}
set.seed(20210101)
data <- lapply(c(80, 150, 300), random_data)

fit <- function(where, model, formula, tight = TRUE) {
  frame <- if (where == "boys") truth else data[[as.integer(where)]]
  formula_ <- as.formula(formula)
  parameters <- ncol(model.matrix(formula_, frame)) - 1 + nlevels(frame[[all.vars(formula_)[1]]]) - 1
  control <- if (tight) list(reltol = 1e-15, maxit = 1000, ndeps = rep(1e-5, parameters)) else list()
  found <- switch(model,
    linear = lm(formula_, frame),
    logistic = glm(formula_, binomial, frame, epsilon = 1e-14),
    ordinal = polr(formula_, frame, Hess = TRUE, control = control))
  estimate <- if (model == "ordinal") c(coef(found), found$zeta) else coef(found)
  list(data = where, model = model, formula = formula, default = !tight, terms = I(names(estimate)),
       estimate = unname(estimate), covariance = unname(vcov(found)), deviance = deviance(found),
       df_residual = df.residual(found))
}
formulas <- c(linear = "y ~ x + z + f + g", linear = "y ~ x * f", logistic = "b ~ x + z + f",
              logistic = "b ~ x * z + g", ordinal = "o ~ x + z + f", ordinal = "o ~ x + g")
fits <- unlist(lapply(1:3, function(i)
  mapply(fit, as.character(i), names(formulas), formulas, SIMPLIFY = FALSE, USE.NAMES = FALSE)), recursive = FALSE)
fits <- c(fits, list(
  fit("boys", "linear", "hgt ~ age + phb"),
  fit("boys", "ordinal", "gen ~ age + hc + reg"),
  fit("boys", "ordinal", "gen ~ age + hc + reg", tight = FALSE)))

matrices <- lapply(c("~ x * f", "~ f * g", "~ x:z + x + g", "~ f * x * z", "~ x - 1"), function(formula) {
  found <- model.matrix(as.formula(formula), data[[1]][1:30, ])
  list(formula = formula, names = I(colnames(found)), values = unname(found)[, , drop = FALSE])
})

described <- function(frame) {
  found <- psych::describe(frame, type = 3)
  list(n = found$n, mean = found$mean, sd = found$sd, median = found$median, min = found$min, max = found$max,
       skew = found$skew, kurtosis = found$kurtosis)
}

classified <- function(n, prevalence, agreement) {
  actual <- rbinom(n, 1, prevalence)
  predicted <- ifelse(runif(n) < agreement, actual, 1 - actual)
  found <- confusionMatrix(factor(predicted, 0:1), factor(actual, 0:1), positive = "0")
  list(actual = actual, predicted = predicted,
       statistics = as.list(setNames(c(found$overall[c("Accuracy", "Kappa", "McnemarPValue")],
         found$byClass[c("Balanced Accuracy", "Sensitivity", "Specificity", "Prevalence")]),
         c("accuracy", "kappa", "mcnemarpvalue", "balanced_accuracy", "sensitivity", "specificity", "prevalence"))))
}

pooled <- function(m, dfcom) {
  q <- round(rnorm(m, 1, .3), 4); u <- round(rexp(m, 20) + .01, 4)
  # n = dfcom + k and k = 1; the degrees of freedom are all that they serve for.
  one <- function(rule) pool.scalar(q, u, n = dfcom + 1, k = 1, rule = rule)[c("t", "df")]
  list(q = q, u = u, df_complete = if (is.finite(dfcom)) dfcom else "inf",
       rubin1987 = one("rubin1987"), reiter2003 = one("reiter2003"))
}

written <- list(
  contrasts = contrasts,
  data = lapply(data, function(frame) lapply(frame, function(x) if (is.factor(x)) as.character(x) else x)),
  fits = fits,
  matrices = matrices,
  describe = c(list(boys = described(truth)), lapply(setNames(data, 1:3), described)),
  confusion = list(classified(60, .5, .7), classified(200, .2, .5), classified(31, .5, .5)),
  pooling = Map(pooled, c(3, 5, 5, 10, 20), c(97, 741, Inf, 20, Inf)))
writeLines(toJSON(written, digits = I(15), auto_unbox = TRUE), file.path(directory, "models.json"))
