# What R says of pooled models and tests of several parameters: the oracle of tests/test_fits.py.
#
#   Rscript tests/oracles/pooling.R tests/oracles       (needs mice, mitml and jsonlite)
#
# pooling.json   data      nhanes2 and a generated table, imputed by mice: the completed sets, column by column
#                fits      pool and summary of models on the first m sets, under both of mice's rules
#                tests     D1, D2 and D3 of two nested models; D1 also without complete-data degrees of freedom
#                r2        pool.r.squared, plain and adjusted
#                scalars   pool.scalar of random numbers
#                z         Fisher's z of correlations, pooled by pool.scalar

suppressPackageStartupMessages({ library(mice); library(jsonlite) })
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored

set.seed(fresh + 20040229)
generated <- local({
  n <- 120
  x <- round(rnorm(n), 3); z <- round(.5 * x + rexp(n), 3)
  f <- factor(sample(c("a", "b", "c"), n, TRUE))
  signal <- .6 * x - .3 * z + .5 * (f == "b")
  b <- factor(ifelse(signal + rlogis(n) > 0, "yes", "no"))
  frame <- data.frame(y = round(signal + rnorm(n), 3), x, z, f, b, n = rpois(n, exp(.5 * signal + 1)))
  for (name in c("y", "x", "f", "b")) frame[[name]][runif(n) < .25] <- NA
  frame
})
imputed <- list(
  nhanes2 = complete(mice(nhanes2, m = 20, maxit = 10, print = FALSE), "all"),
  generated = complete(mice(generated, m = 8, maxit = 5, print = FALSE), "all"))

columns <- function(sets) lapply(setNames(names(sets[[1]]), names(sets[[1]])), function(name) {
  factor_ <- is.factor(sets[[1]][[name]])
  list(levels = if (factor_) levels(sets[[1]][[name]]) else NULL,
       values = unname(lapply(sets, function(set) if (factor_) as.integer(set[[name]]) - 1 else set[[name]])))
})

fit <- function(case, formula) as.mira(lapply(imputed[[case$data]][seq_len(case$m)], function(set) switch(case$model,
  linear = eval(substitute(lm(F, data = set), list(F = as.formula(formula)))),
  logistic = eval(substitute(glm(F, binomial, data = set, epsilon = 1e-14), list(F = as.formula(formula)))),
  poisson = eval(substitute(glm(F, poisson, data = set, epsilon = 1e-14), list(F = as.formula(formula)))))))

pooled <- function(fits, rule) {
  found <- if (rule == "rubin1987") pool(fits) else pool.syn(fits)
  tidy <- summary(found, conf.int = TRUE)
  list(terms = as.character(tidy$term), estimate = tidy$estimate, std_error = tidy$std.error, df = tidy$df,
       statistic = tidy$statistic, p_value = tidy$p.value, ci_lower = tidy[["2.5 %"]], ci_upper = tidy[["97.5 %"]],
       within = found$pooled$ubar, between = found$pooled$b, total = found$pooled$t, riv = found$pooled$riv,
       lambda = found$pooled$lambda, fmi = found$pooled$fmi)
}

cases <- list(
  list(data = "nhanes2", m = 20, model = "linear", formula = "chl ~ bmi + age + hyp", null = "chl ~ bmi"),
  list(data = "nhanes2", m = 5, model = "linear", formula = "chl ~ bmi + age + hyp", null = "chl ~ 1"),
  list(data = "nhanes2", m = 7, model = "linear", formula = "chl ~ bmi + age + hyp", null = "chl ~ bmi + age"),
  list(data = "nhanes2", m = 3, model = "linear", formula = "chl ~ bmi + age", null = "chl ~ age"),
  list(data = "nhanes2", m = 3, model = "linear", formula = "chl ~ bmi + age", null = "chl ~ bmi"),
  list(data = "generated", m = 8, model = "linear", formula = "y ~ x + z + f + b", null = "y ~ x + b"),
  list(data = "generated", m = 8, model = "linear", formula = "y ~ x * f", null = "y ~ x + f"),
  list(data = "generated", m = 5, model = "logistic", formula = "b ~ x + z + f", null = "b ~ x"),
  list(data = "generated", m = 8, model = "logistic", formula = "b ~ x + z", null = "b ~ 1"),
  list(data = "generated", m = 8, model = "poisson", formula = "n ~ x + f + z", null = "n ~ f"))

tests <- function(case) {
  large <- fit(case, case$formula); small <- fit(case, case$null)
  li <- mitml::testModels(as.mitml.result(large), as.mitml.result(small), method = "D1")$test
  row <- function(test) setNames(as.list(as.numeric(test)), c("statistic", "df1", "df2", "p_value", "riv"))
  list(D1 = row(D1(large, small)$result), D1_large_sample = row(li), D2_wald = row(D2(large, small)$result),
       D2_likelihood = row(D2(large, small, use = "likelihood")$result), D3 = row(D3(large, small)$result))
}

r_squared <- function(case) {
  row <- function(found) setNames(as.list(as.numeric(found)), c("estimate", "ci_lower", "ci_upper", "fmi"))
  found <- fit(case, case$formula)
  list(plain = row(pool.r.squared(found)), adjusted = row(pool.r.squared(found, adjusted = TRUE)))
}

fits <- lapply(cases, function(case) {
  found <- fit(case, case$formula)
  c(case, list(df_complete = df.residual(found$analyses[[1]]), rubin1987 = pooled(found, "rubin1987"),
               reiter2003 = pooled(found, "reiter2003"), tests = tests(case),
               r2 = if (case$model == "linear") r_squared(case)))
})

scalars <- lapply(1:12, function(i) {
  m <- c(2, 3, 5, 20)[1 + i %% 4]; n <- c(10, 100, Inf)[1 + i %% 3]; k <- 1 + i %% 2
  q <- round(rnorm(m), 6); u <- round(runif(m, .5, 2), 6)
  one <- function(rule) pool.scalar(q, u, n, k, rule)[c("qbar", "ubar", "b", "t", "df", "r", "fmi")]
  list(q = q, u = u, df_complete = if (is.infinite(n)) NULL else n - k, rubin1987 = one("rubin1987"),
       reiter2003 = one("reiter2003")[c("qbar", "ubar", "b", "t", "df")])
})

correlated <- function(sets, a, b) {
  r <- sapply(sets, function(set) cor(set[[a]], set[[b]])); n <- nrow(sets[[1]])
  found <- pool.scalar(atanh(r), rep(1 / (n - 3), length(r)))
  half <- qt(.975, found$df) * sqrt(found$t)
  list(a = a, b = b, estimate = tanh(found$qbar), ci_lower = tanh(found$qbar - half), ci_upper = tanh(found$qbar + half),
       std_error = sqrt(found$t), df = found$df, fmi = found$fmi)
}
z <- list(correlated(imputed$generated, "y", "x"), correlated(imputed$generated, "y", "z"),
          correlated(imputed$generated, "x", "n"))

write(toJSON(list(data = lapply(imputed, columns), fits = fits, scalars = scalars, z = z), auto_unbox = TRUE,
             digits = NA, null = "null", na = "null"), file.path(directory, "pooling.json"))
