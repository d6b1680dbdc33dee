# The likelihoods of sample selection models, written down and maximised: the oracle of tests/test_heckman.py.
#
#   Rscript tests/oracles/heckman.R tests/oracles       (needs jsonlite)
#
# heckman.json   for a continuous and a binary response: data (y is NA where not selected), the estimates and their
#                standard errors from the Hessian; parameters are beta, gamma, atanh(rho) and, if continuous, log(sigma)
#
# Toomet & Henningsen (2008), Journal of Statistical Software 27(7), equations 5 and 6 say the likelihood; that of a
# binary response has the bivariate normal distribution in the place of the density (Van de Ven & Van Praag 1981).

suppressPackageStartupMessages(library(jsonlite))
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored

# P(A < a, B < b) of standard normal numbers with correlation r, by Plackett's identity.
both <- function(a, b, r) pnorm(a) * pnorm(b) + mapply(function(a, b, r) integrate(function(t)
  exp(-(a^2 + b^2 - 2 * a * b * sin(t)) / (2 * cos(t)^2)) / (2 * pi), 0, asin(r), rel.tol = 1e-10)$value, a, b, r)

minus <- function(theta, d, binary) {
  there <- !is.na(d$y)
  mean <- theta[1] + theta[2] * d$x[there]
  index <- theta[3] + theta[4] * d$x + theta[5] * d$z
  rho <- tanh(theta[6])
  selected <- index[there]
  if (binary) {
    sign <- 2 * d$y[there] - 1
    seen <- log(both(sign * mean, selected, sign * rho))
  } else {
    error <- (d$y[there] - mean) / exp(theta[7])
    seen <- dnorm(error, log = TRUE) - theta[7] + pnorm((selected + rho * error) / sqrt(1 - rho^2), log.p = TRUE)
  }
  -sum(seen) - sum(pnorm(-index[!there], log.p = TRUE))
}

generate <- function(n, binary) {
  x <- round(rnorm(n), 3); z <- round(rnorm(n), 3); error <- rnorm(n)
  y <- round(.2 + .5 * x + .6 * error + .8 * rnorm(n), 3)
  y[.4 + .4 * x + z + error <= 0] <- NA
  list(x = x, z = z, y = if (binary) as.numeric(y > 0) else y)
}

set.seed(fresh + 19760105)
result <- lapply(c(continuous = FALSE, binary = TRUE), function(binary) {
  d <- generate(2500, binary)
  start <- c(0, 0, 0, 0, 0, 0, if (!binary) 0)
  fit <- optim(start, minus, d = d, binary = binary, method = "BFGS", hessian = TRUE,
               control = list(reltol = 1e-12, maxit = 500))
  list(data = d, estimate = signif(fit$par, 5), se = signif(sqrt(diag(solve(fit$hessian))), 4))
})
write_json(result, file.path(directory, "heckman.json"), digits = NA, auto_unbox = TRUE, na = "null")
