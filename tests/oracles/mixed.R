# What lme4 says of mixed models: the oracle of tests/test_mixed.py.
#
#   Rscript tests/oracles/mixed.R tests/oracles       (needs lme4, mice and jsonlite)
#
# mixed.json   data      generated tables and the complete cases of mice's popmis, column by column
#              linear    lmer by REML and ML: fixed effects, their covariance, Ψ by row of its lower triangle, σ², the
#                        deviance, cluster effects and their conditional variances, whether it is singular; for models
#                        that are not, the covariance of (Ψ, σ²) from second differences of the restricted likelihood
#              logistic  glmer with 1 and 9 nodes: fixed effects, their covariance, Ψ, −2 log likelihood, modes

suppressPackageStartupMessages({ library(lme4); library(mice); library(jsonlite) })
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored

set.seed(fresh + 20151007)
generate <- function(sizes, root, sigma = 1) {
  g <- rep(seq_along(sizes), sizes)
  w <- round(rnorm(length(sizes)), 3)[g]
  x <- round(rnorm(length(g)) + .3 * w, 3)
  f <- sample(c("a", "b", "c"), length(g), TRUE)
  b <- matrix(rnorm(2 * length(sizes)), ncol = 2) %*% root
  eta <- .5 + .6 * x - .4 * w + .3 * (f == "b") + b[g, 1] + b[g, 2] * x
  data.frame(y = round(eta + sigma * rnorm(length(g)), 4), binary = rbinom(length(g), 1, plogis(eta)), x, w, f, g)
}
data <- list(
  balanced = generate(rep(10, 40), rbind(c(.8, .2), c(0, .5))),
  unbalanced = generate(sample(1:25, 50, TRUE), rbind(c(1.2, -.3), c(0, .4)), .7),
  single = generate(c(rep(1, 30), rep(6, 20)), rbind(c(1, 0), c(0, .3))),
  none = generate(rep(8, 25), matrix(0, 2, 2)),
  popmis = na.omit(popmis[, c("popular", "sex", "texp", "school")]))
data$balanced$shifted <- round(2 + data$balanced$x, 3)
data$unbalanced$v <- round(rnorm(nrow(data$unbalanced)), 3)
data$unbalanced$y <- round(data$unbalanced$y + .6 * rnorm(50)[data$unbalanced$g] * data$unbalanced$v, 4)

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = .1, rhoend = 1e-11, maxfun = 1e5), calc.derivs = FALSE)
numbers <- function(x) unname(as.vector(x))
triangle <- function(psi) psi[lower.tri(psi, TRUE)][order(row(psi)[lower.tri(psi, TRUE)])]

# −2 log (restricted) likelihood as a function of Ψ's lower triangle, row by row, and σ², by cluster; twice differenced.
information <- function(fit, reml) {
  x <- getME(fit, "X"); y <- getME(fit, "y"); q <- length(fit@cnms[[1]])
  z <- do.call(cbind, lapply(fit@cnms[[1]], function(name)
    if (name == "(Intercept)") rep(1, length(y)) else model.frame(fit)[[name]]))
  rows <- split(seq_along(y), getME(fit, "flist")[[1]])
  deviance <- function(v) {
    psi <- matrix(0, q, q); at <- which(lower.tri(psi, TRUE), arr.ind = TRUE); at <- at[order(at[, 1]), , drop = FALSE]
    psi[at] <- v[-length(v)]; psi[at[, 2:1, drop = FALSE]] <- v[-length(v)]
    log_det <- 0; xx <- 0; xy <- 0; yy <- 0
    for (i in rows) {
      zi <- z[i, , drop = FALSE]; root <- chol(zi %*% psi %*% t(zi) + diag(v[length(v)], length(i)))
      white <- backsolve(root, cbind(x[i, , drop = FALSE], y[i]), transpose = TRUE); p <- ncol(x)
      log_det <- log_det + 2 * sum(log(diag(root))); cross <- crossprod(white)
      xx <- xx + cross[1:p, 1:p]; xy <- xy + cross[1:p, p + 1]; yy <- yy + cross[p + 1, p + 1]
    }
    log_det + reml * as.numeric(determinant(as.matrix(xx))$modulus) + yy - sum(xy * solve(xx, xy))
  }
  at <- c(triangle(as.matrix(VarCorr(fit)[[1]])), sigma(fit)^2); k <- length(at)
  sd <- sqrt(diag(as.matrix(VarCorr(fit)[[1]])))
  width <- c(triangle(outer(sd, sd)), sigma(fit)^2) * (1 - max(abs(cov2cor(VarCorr(fit)[[1]])[lower.tri(diag(q))]), 0))
  differenced <- function(h) {
    found <- matrix(0, k, k)
    for (i in 1:k) for (j in 1:i) {
      di <- replace(numeric(k), i, h[i]); dj <- replace(numeric(k), j, h[j])
      found[i, j] <- found[j, i] <- (deviance(at + di + dj) - deviance(at + di - dj) - deviance(at - di + dj) +
                                     deviance(at - di - dj)) / (4 * h[i] * h[j])
    }
    found
  }
  h <- .02 * width
  solve((4 * differenced(h / 2) - differenced(h)) / 3 / 2)     # Richardson's extrapolation
}

linear <- function(name, formula, reml = TRUE) {
  fit <- suppressMessages(lmer(as.formula(formula), data[[name]], REML = reml, control = tight))
  effects <- ranef(fit, condVar = TRUE)[[1]]
  singular <- isSingular(fit)
  list(data = name, formula = formula, reml = reml, terms = names(fixef(fit)), beta = numbers(fixef(fit)),
       covariance = as.matrix(vcov(fit)), psi = triangle(as.matrix(VarCorr(fit)[[1]])), sigma2 = sigma(fit)^2,
       deviance = if (reml) REMLcrit(fit) else as.numeric(-2 * logLik(fit)), singular = singular,
       effects = numbers(t(as.matrix(effects))), effects_variance = numbers(attr(effects, "postVar")),
       components = if (singular) NULL else information(fit, reml))
}
careful <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 2e-2, rhoend = 1e-10, maxfun = 1e5), tolPwrss = 1e-13)
logistic <- function(name, formula, nodes = 1) {
  fit <- suppressMessages(glmer(as.formula(formula), data[[name]], binomial, nAGQ = nodes, control = careful))
  list(data = name, formula = formula, nodes = nodes, terms = names(fixef(fit)), beta = numbers(fixef(fit)),
       covariance = as.matrix(vcov(fit)), psi = triangle(as.matrix(VarCorr(fit)[[1]])),
       deviance = as.numeric(-2 * logLik(fit)), singular = isSingular(fit),
       effects = numbers(t(as.matrix(ranef(fit, condVar = FALSE)[[1]]))))
}

found <- list(
  data = lapply(data, function(d) lapply(d, identity)),
  linear = list(
    linear("balanced", "y ~ x + w + f + (1 | g)"),
    linear("balanced", "y ~ x * w + (1 + x | g)"),
    linear("balanced", "y ~ x * w + (x | g)", FALSE),
    linear("balanced", "y ~ x + (0 + x | g)"),
    linear("balanced", "y ~ shifted + (1 + shifted | g)"),
    linear("unbalanced", "y ~ 1 + (1 | g)"),
    linear("unbalanced", "y ~ x + w + f + (1 + x | g)"),
    linear("unbalanced", "y ~ x + (1 | g)", FALSE),
    linear("unbalanced", "y ~ x + v + (1 + x + v | g)"),
    linear("single", "y ~ x + (1 | g)"),
    linear("single", "y ~ x + w + (1 + x | g)"),
    linear("none", "y ~ x + (1 | g)"),
    linear("none", "y ~ x + w + (1 + x | g)"),
    linear("popmis", "popular ~ 1 + (1 | school)"),
    linear("popmis", "popular ~ sex * texp + (1 + sex | school)")),
  logistic = list(
    logistic("balanced", "binary ~ x + w + (1 | g)"), logistic("balanced", "binary ~ x + w + (1 | g)", 9),
    logistic("balanced", "binary ~ x + w + (1 + x | g)"),
    logistic("unbalanced", "binary ~ x + f + (1 | g)"), logistic("unbalanced", "binary ~ x + f + (1 | g)", 9),
    logistic("unbalanced", "binary ~ x + (1 + x | g)"),
    logistic("single", "binary ~ 1 + (1 | g)"), logistic("single", "binary ~ x + (1 | g)", 9),
    logistic("none", "binary ~ x + (1 | g)")))
write_json(found, file.path(directory, "mixed.json"), digits = 10, auto_unbox = TRUE, null = "null")
