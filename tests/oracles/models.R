# What R says of contrasts, models, statistics and pooling: the oracle of tests/test_models.py and
# tests/test_pooling.py.
#
#   Rscript tests/oracles/models.R tests/oracles       (needs mice, psych, caret, nnet, splines and jsonlite)
#
# models.json   contrasts  contr.poly(K), K = 2..12, to the last bit
#               data       three random data sets
#               fits       lm, glm and polr: terms, estimates, covariances, deviance, residual df
#               matrices   model matrices of formulas with interactions
#               describe   psych::describe
#               confusion  caret::confusionMatrix
#               pooling    mice::pool.scalar and pool.scalar.syn
#               formulas   a small frame, and the model matrices of transformations, curves, dummies and odd names
#               curves     poly, ns and bs of new values, beyond the old ones too
#               more_fits  glm of several families, multinom, lm with weights, a computed response and missing values
#               fixed      log-likelihoods at fixed coefficients: all held, and with a free constant as mice's D3
#               r_squared  summary(lm)
#
# polr is run to a tighter tolerance than its default, and with a finer step in its numerical Hessian;
# `default` marks the fit with its defaults.

suppressPackageStartupMessages({ library(MASS); library(psych); library(caret); library(splines); library(jsonlite) })
source("mice_sim/data/boys.R")
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored
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
set.seed(fresh + 20210101)
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
# ---- formulas, other models, likelihoods: after all that draws above, so that its draws stay

set.seed(fresh + 20260101)
n <- 40
small <- data.frame(x = round(rnorm(n), 3), z = round(rexp(n) + .05, 3), y = round(rexp(n) + .1, 3),
  f = factor(sample(c("a", "b", "c"), n, TRUE)), g = factor(sample(c("u", "v"), n, TRUE)),
  o = ordered(sample(paste0("o", 1:4), n, TRUE), levels = paste0("o", 1:4)),
  n = rpois(n, 3), `my col` = round(runif(n), 3), check.names = FALSE)
small$lambda <- abs(small$x) + small$z
small$u <- factor(sample(c("p", "q", "r"), n, TRUE))

formulas <- c(
  "~ log(z) + I(z ^ 2)+I(x*z)", "~ I(-x / 2 - 1e-8*z+(x-z)*2)", "~ I((x+z)^2/2**z)", "~ I(-(x))+I(x-(-z))+I(+x)+I(2*-x)",
  "~ log2(z) + log10(z)+log1p(z)+sqrt(z)+exp(-x)+abs(x)+log(z, 3)+sqrt(log(z)+10)", "~ exp(x^-1^2) + I(-x^2)",
  "~ I(100000*x+1234.5678*z+123456789*x+.0001*x)", "~ log(lambda) + I(`my col` / 2):x + `my col`",
  "~ poly(x, 1)", "~ poly(z,3)", "~ poly(x, degree=2, raw=TRUE) + poly(z, 2)", "~ poly(log(z),2)*g",
  "~ ns(z,df=3)", "~ ns(z, 4):f", "~ ns(x, knots=c(0,-.5))", "~ ns(x, 2, Boundary.knots=c(-1, 1))", "~ ns(x)",
  "~ bs(z, df = 5)", "~ bs(x, degree=2, knots = 0)", "~ f:poly(x,2)",
  "~ f - 1", "~ 0 + f + g", "~ o - 1", "~ f:g", "~ x:f", "~ x + x:f", "~ f + f:g", "~ g + f:g", "~ g + x:f + f",
  "~ f*g - f", "~ f:o", "~ f*o", "~ x:z:f - 1", "~ 0 + x:f", "~ z + x:z", "~ z:x + x", "~ f:x + g:x", "~ I(x^2):f - 1",
  "~ f %in% g", "~ f/g", "~ f/x", "~ (f+g+x)^2", "~ (f+g+x)**2 - f:g", "~ x*f*g - x:f:g", "~ (x + z + f)/g", "~ g + o + g:o - 1",
  "~ C(f) + factor(g)", "y ~ .", "y ~ . - x - lambda", "y ~ (f + .)^2 - u", "log(y) ~ x - 0", "~ x - 1 + 1", "~ (x + f - 1)",
  "~ f:f + log(z):log(z)", "~ -x")
formulas <- lapply(formulas, function(formula) {
  found <- model.matrix(as.formula(formula), small)
  list(formula = formula, names = I(colnames(found)), values = unname(found)[, , drop = FALSE])
})
new <- c(-3, -1.5, -.4, 0, .1, .9, 2, 5)
curves <- lapply(c("poly(x, 3)", "ns(x, 3)", "ns(x, knots = c(-1, 0, .5))", "bs(x, 5)", "bs(x, 4, degree = 2)"),
  function(curve) {
    basis <- eval(parse(text = curve)[[1]], small)
    list(curve = curve, new = new, values = unname(suppressWarnings(predict(basis, new)))[, , drop = FALSE])
  })

holes <- small
holes$x[3:6] <- NA; holes$f[5:9] <- NA; holes$y[11] <- NA
w <- round(runif(n, .5, 2), 3)
fitted_as <- function(model, formula, weighted = FALSE, frame = small) {
  formula_ <- as.formula(formula)
  environment(formula_) <- environment()
  weights <- if (weighted) w else rep(1, n)
  tight <- glm.control(epsilon = 1e-15, maxit = 200)
  family <- switch(model, poisson = poisson, glm.quasipoisson = quasipoisson, glm.gamma = Gamma,
    glm.gamma.log = Gamma("log"), glm.inverse.gaussian = inverse.gaussian, glm.binomial = binomial,
    glm.probit = binomial("probit"), glm.cloglog = binomial("cloglog"))
  found <- tryCatch(suppressWarnings(if (!is.null(family)) glm(formula_, family, frame, weights, control = tight)
    else if (model == "multinomial") nnet::multinom(formula_, frame, trace = FALSE, Hess = TRUE, reltol = 1e-16, abstol = 1e-12, maxit = 2000)
    else lm(formula_, frame, weights = weights)), error = function(e) NULL)
  # Not every random table has a maximum.
  if (is.null(found) || isFALSE(found$converged) || isTRUE(found$convergence > 0)) return(NULL)
  estimate <- coef(found)
  if (is.matrix(estimate)) estimate <- c(t(estimate))
  list(model = model, formula = formula, holes = anyNA(frame), weights = if (weighted) w else NULL,
       terms = I(rownames(vcov(found))), estimate = unname(estimate), covariance = unname(vcov(found)),
       log_likelihood = as.numeric(logLik(found)), df_residual = nrow(model.frame(found)) - length(estimate))
}
more_fits <- list(
  fitted_as("poisson", "n ~ x + f"), fitted_as("poisson", "n ~ x * z + g", TRUE), fitted_as("glm.quasipoisson", "n ~ x + f"),
  fitted_as("glm.gamma", "y ~ z"), fitted_as("glm.gamma.log", "y ~ x + g", TRUE), fitted_as("glm.inverse.gaussian", "y ~ z"),
  fitted_as("glm.binomial", "g ~ x + z", TRUE), fitted_as("glm.probit", "g ~ x + z"), fitted_as("glm.cloglog", "g ~ x + z"),
  fitted_as("multinomial", "f ~ x + z"), fitted_as("multinomial", "o ~ x + g"), fitted_as("multinomial", "g ~ x"),
  fitted_as("wls", "y ~ x + f", TRUE), fitted_as("ols", "y ~ x + f"), fitted_as("linear", "log(y) ~ poly(x, 2) + f"),
  fitted_as("linear", "y ~ x + f", frame = holes), fitted_as("poisson", "n ~ x + f", frame = holes),
  fitted_as("multinomial", "f ~ x + z", frame = holes), fitted_as("linear", "I(y / 2) ~ x + f - 1"))
more_fits <- Filter(Negate(is.null), more_fits)

fixed <- lapply(list(list("linear", "y ~ x + f", c(.3, -.2, .5, .1)), list("logistic", "g ~ x + z", c(.3, -.5, .2)),
                     list("poisson", "n ~ x + f", c(1, .2, -.3, .1)),
                     list("linear", "y ~ z - 1", .7)), function(given) {
  formula_ <- as.formula(given[[2]])
  family <- switch(given[[1]], linear = gaussian, logistic = binomial, poisson = poisson)
  tight <- glm.control(epsilon = 1e-15, maxit = 200)
  # update() looks the family and the control up again, so they go in by value.
  found <- if (given[[1]] == "linear") lm(formula_, small)
    else do.call(glm, list(formula_, family, quote(small), control = tight))
  free <- mice:::fix.coef(found, setNames(given[[3]], names(coef(found))))
  offset <- c(model.matrix(found) %*% given[[3]])
  response <- model.response(model.frame(found))
  held <- if (given[[1]] == "linear") lm(response ~ offset(offset) - 1) else glm(response ~ offset(offset) - 1, family)
  list(model = given[[1]], formula = given[[2]], theta = I(given[[3]]), held = as.numeric(logLik(held)), free = as.numeric(logLik(free)))
})

r_squared <- lapply(c("y ~ x + f", "y ~ x - 1", "log(y) ~ ns(z, 3)"), function(formula) {
  found <- summary(lm(as.formula(formula), small))
  list(formula = formula, plain = found$r.squared, adjusted = found$adj.r.squared)
})

written <- c(written, list(small = lapply(small, function(x) if (is.factor(x)) as.character(x) else x),
  formulas = formulas, curves = curves, more_fits = more_fits, fixed = fixed, r_squared = r_squared))
writeLines(toJSON(written, digits = I(15), auto_unbox = TRUE), file.path(directory, "models.json"))
