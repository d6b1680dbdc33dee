# What mice makes of whole data sets, chains and all: the oracle of tests/test_agreement.py.
#
#   nice Rscript tests/oracles/chains.R tests/oracles [scenario …]     (needs mice, rpart, ranger, glmnet, jsonlite)
#
# chains.json   data       the data sets, complete and incomplete
#               scenarios  by name: the call (mode, data, m, maxit, method of each column, options, own options of
#                          columns) and, over the m sets, mean, variance and kurtosis of
#                            moments  means, SDs and correlations of the columns
#                            models   coefficients of models; of their squared standard errors, mean and SD
# With names of scenarios, only those are run anew. All of them take 4 minutes.

suppressPackageStartupMessages({ library(mice); library(jsonlite) })
arguments <- commandArgs(trailingOnly = TRUE)
output <- file.path(arguments[1], "chains.json")
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored

# ---- data

set.seed(fresh + 20261122)
n <- 200
w <- round(rnorm(n, 10, 2), 3)
x <- round(.7 * w + rnorm(n, 0, 2), 3)
z <- round(rexp(n) + .2 * x, 3)
b <- factor(ifelse(.4 * (x - 7) - .5 * (z - 2) + rlogis(n) > 0, "yes", "no"))
score <- cbind(0, .5 * (w - 10) + (b == "yes"), .8 - .5 * (z - 2)) - log(-log(matrix(runif(3 * n), n)))
u <- factor(c("p", "q", "r")[max.col(score)])
o <- cut(.4 * (x - 7) + .8 * (u == "q") + rlogis(n), c(-Inf, -1, 0, 1, Inf), paste0("o", 1:4), ordered_result = TRUE)
complete <- data.frame(w, x, z, b, u, o)
mixed <- complete
for (name in c("x", "z", "b", "u", "o")) mixed[runif(n) < plogis(-1.5 + .3 * (w - 10)), name] <- NA
two <- complete
two[is.na(mixed$x), "x"] <- NA; two[is.na(mixed$b), "b"] <- NA
few <- two[1:80, ]

v <- round(rnorm(n), 3)
curve <- data.frame(y = round(v + .5 * v^2 + rnorm(n), 3), v = v, vv = v^2)
curve[runif(n) < plogis(-1 + .5 * curve$y), c("v", "vv")] <- NA

older <- subset(boys, age > 8, c("age", "hgt", "wgt", "bmi", "gen", "tv", "reg"))
scaled <- transform(nhanes, bmi = bmi / 10, chl = chl / 100)
data <- list(nhanes = nhanes, scaled = scaled, nhanes2 = nhanes2, airquality = airquality, complete = complete,
             mixed = mixed, two = two, few = few, curve = curve, older = older)
data <- lapply(data, function(d) { rownames(d) <- NULL; d })

# ---- scenarios

# R's polr and polyreg are slow, so the data are small and the chains short.
factors <- list(x = "norm", z = "pmm", b = "logreg", u = "polyreg", o = "polr")
only <- function(method) as.list(setNames(rep(method, 5), c("x", "z", "b", "u", "o")))
each <- function(d, method) as.list(setNames(rep(method, ncol(d)), names(d)))
diet <- list(linear = c("chl ~ bmi + age", "bmi ~ chl"))
impute <- function(data, method, m = 200, maxit = 3, ..., models = list())
  list(mode = "impute", data = data, m = m, maxit = maxit, method = method, models = models, ...)
of_nhanes <- function(each_by, ...) impute("nhanes", each(nhanes, each_by), models = diet, ...)
of_mixed <- function(changes, m = 100, maxit = 3, data = "mixed", ...)
  impute(data, modifyList(factors, changes), m, maxit, ...,
         models = list(linear = "x ~ w + z + b + u", logistic = "b ~ x + z"))
synthesise <- function(mode, method, m = 200, data = "complete", ...)
  list(mode = mode, data = data, m = m, maxit = 1, method = method,
       models = list(linear = "x ~ w + z + b + u", logistic = "b ~ x + z"), ...)

triangle <- matrix(0, 4, 4, dimnames = list(names(nhanes), names(nhanes)))
triangle["hyp", "age"] <- triangle["bmi", c("age", "hyp")] <- triangle["chl", c("age", "bmi")] <- 1
body <- matrix(1, 7, 7, dimnames = list(names(older), names(older))); diag(body) <- 0
body[c("hgt", "wgt"), "bmi"] <- 0

scenarios <- list(
  "norm" = of_nhanes("norm", maxit = 10), "norm.nob" = of_nhanes("norm.nob"),
  # R's norm.boot gives NaN where a bootstrap sample is collinear, so it gets more than nhanes's 25 rows.
  "norm.boot" = impute("airquality", each(airquality, "norm.boot"), models = list(linear = "Ozone ~ Wind + Temp")),
  "norm.predict" = of_nhanes("norm.predict"), "pmm" = of_nhanes("pmm", maxit = 10),
  # R's midastouch takes weights below 1.5e-8 for 1.5e-8, which on the scale of chl, in mg/dl, makes far donors alike.
  "midastouch" = impute("scaled", each(nhanes, "midastouch"), models = diet),
  "cart" = of_nhanes("cart"), "rf" = of_nhanes("rf"), "sample" = of_nhanes("sample", maxit = 1),
  "mean" = of_nhanes("mean", m = 2, maxit = 1),
  # R's ri stops where one of its indicators is constant, so it gets many rows with a missing value.
  "ri" = impute("two", list(x = "ri", b = "logreg"), 100, models = list(linear = "x ~ w + z + b + u")),
  "mnar.norm" = impute("nhanes", modifyList(each(nhanes, "norm"), list(chl = "mnar.norm")), models = diet,
                       own = list(chl = list(ums = "-15+2*bmi"))),
  "pmm of three by both means" = of_nhanes("pmm", options = list(donors = 3, matchtype = 0)),
  "pmm of one by both draws" = of_nhanes("pmm", options = list(donors = 1, matchtype = 2)),
  "midastouch of kappa 3" = of_nhanes("midastouch", options = list(midas.kappa = 3)),
  "predictors and visits" = of_nhanes("norm", predictors = triangle,
                                      visits = c("age", "hyp", "bmi", "chl")),
  "formula" = impute("airquality", each(airquality, "norm"), formulas = list(Ozone = "Wind * Temp"),
                     models = list(linear = "Ozone ~ Wind * Temp")),
  "ignored rows" = of_nhanes("norm", ignored = 1:8),
  "nhanes2" = impute("nhanes2", list(bmi = "pmm", hyp = "logreg", chl = "pmm"),
                     models = list(linear = "chl ~ bmi + age + hyp")),
  "airquality" = impute("airquality", each(airquality, "pmm"), 100,
                        models = list(linear = "Ozone ~ Wind + Temp + Solar.R")),
  "lasso.norm" = impute("airquality", each(airquality, "lasso.norm"), 60, 3,
                        models = list(linear = "Ozone ~ Wind + Temp + Solar.R")),
  "lasso.select.norm" = impute("airquality", each(airquality, "lasso.select.norm"), 60, 3,
                               models = list(linear = "Ozone ~ Wind + Temp + Solar.R")),
  "defaults" = of_mixed(list(x = "pmm")), "trees" = of_mixed(only("cart")), "forests" = of_mixed(only("rf")),
  "pmm of factors" = of_mixed(list(x = "pmm", b = "pmm", u = "pmm", o = "pmm"), 200),
  "polyreg for all" = of_mixed(list(b = "polyreg", o = "polyreg"), 60),
  "lda" = of_mixed(list(b = "lda", u = "lda", o = "lda"), 200),
  "logreg" = of_mixed(list(b = "logreg"), 200, data = "few"),
  "logreg.boot" = of_mixed(list(b = "logreg.boot"), 200, data = "few"),
  "mnar.logreg" = of_mixed(list(b = "mnar.logreg"), 200, data = "few", own = list(b = list(ums = "-3+0.3*x"))),
  "lasso.logreg" = of_mixed(list(b = "lasso.logreg"), 60, 3, data = "few"),
  "lasso.select.logreg" = of_mixed(list(b = "lasso.select.logreg"), 60, 3, data = "few"),
  "quadratic" = impute("curve", list(v = "quadratic", vv = "~I(v^2)"), options = list(quad.outcome = "y"),
                       predictors = matrix(c(0, 1, 0, 0, 0, 0, 0, 0, 0), 3, dimnames = rep(list(names(curve)), 2)),
                       models = list(linear = "y ~ v + vv")),
  "body" = impute("older", list(hgt = "pmm", wgt = "pmm", bmi = "~I(wgt / (hgt / 100)^2)", gen = "polr", tv = "pmm",
                                reg = "polyreg"), 40, predictors = body,
                  models = list(linear = c("hgt ~ age + tv", "bmi ~ age + gen"))),
  "linked, parametric" = synthesise("linked", c(list(w = "norm"), factors)),
  "linked, matched" = synthesise("linked", each(complete, "pmm")[c("w", "x", "z")] |> c(factors[3:5]), 60),
  "linked, trees" = synthesise("linked", each(complete, "cart"), options = list(minbucket = 3, cp = 1e-8)),
  "linked, one step" = modifyList(synthesise("linked", c(list(w = "norm"), factors), 60, "mixed"), list(maxit = 5)),
  "sequential, parametric" = synthesise("sequential", c(list(w = "sample"), factors)),
  "sequential, norm" = synthesise("sequential", modifyList(c(list(w = "norm"), factors), list(z = "norm.nob"))),
  "sequential, trees" = synthesise("sequential", c(list(w = "sample"), only("cart"))),
  "sequential, forests" = synthesise("sequential", c(list(w = "sample"), only("rf")), 100)
)

if (fresh) scenarios <- lapply(scenarios, function(s) { s$m <- max(s$m %/% 2, 30); s })

# ---- running them

run <- function(s) {
  d <- data[[s$data]]
  method <- setNames(rep("", ncol(d)), names(d)); method[names(s$method)] <- unlist(s$method)
  call <- c(list(m = s$m, maxit = s$maxit, printFlag = FALSE), s$options)
  if (any(method == "cart")) call$xval <- 0
  if (length(s$own)) call$blots <- modifyList(setNames(rep(list(list()), ncol(d)), names(d)), s$own)
  rows <- seq_len(nrow(d))
  if (s$mode == "sequential") {
    # Records to be synthesised are missing ones, below the real ones.
    rows <- rows + nrow(d); blank <- d; blank[] <- lapply(d, function(column) column[NA])
    d <- rbind(d, blank); call$predictorMatrix <- lower.tri(diag(ncol(d))) * 1
    dimnames(call$predictorMatrix) <- rep(list(names(d)), 2)
  } else {
    if (s$mode == "linked") call$where <- matrix(TRUE, nrow(d), ncol(d))
    if (s$mode == "impute") method[colSums(is.na(d)) == 0] <- ""
    if (length(s$predictors)) call$predictorMatrix <- s$predictors
    if (length(s$visits)) call$visitSequence <- s$visits
    if (length(s$ignored)) call$ignore <- rows %in% s$ignored
    if (length(s$formulas)) {
      call$formulas <- make.formulas(d)
      for (y in names(s$formulas)) call$formulas[[y]] <- as.formula(paste(y, "~", s$formulas[[y]]))
    }
  }
  result <- suppressWarnings(do.call(mice, c(list(d, method = method), call)))
  lapply(seq_len(s$m), function(i) mice::complete(result, i)[rows, ])
}

columns <- function(d) do.call(base::cbind, lapply(names(d), function(name) {
  y <- d[[name]]
  if (!is.factor(y) || is.ordered(y) || nlevels(y) == 2) return(matrix(as.numeric(y), dimnames = list(NULL, name)))
  sapply(levels(y)[-1], function(level) as.numeric(y == level)) |>
    (\(shares) { colnames(shares) <- paste0(name, levels(y)[-1]); shares })()
}))
moments <- function(d) {
  x <- columns(d); names <- colnames(x)
  r <- suppressWarnings(stats::cor(x)); r[is.na(r)] <- 0
  pairs <- which(lower.tri(r), arr.ind = TRUE)
  c(setNames(colMeans(x), paste("mean", names)), setNames(apply(x, 2, sd), paste("sd", names)),
    setNames(r[lower.tri(r)], paste("cor", names[pairs[, 2]], names[pairs[, 1]])))
}
over_sets <- function(values) {     # statistics in rows, sets in columns
  centre <- rowMeans(values); variance <- apply(values, 1, var)
  kurtosis <- ifelse(variance > 0, rowMeans((values - centre)^4) / rowMeans((values - centre)^2)^2, 0)
  list(names = rownames(values), mean = unname(centre), variance = unname(variance), kurtosis = unname(kurtosis))
}
analyse <- function(sets, kind, formula) {
  fit <- function(d) suppressWarnings(if (kind == "linear") lm(as.formula(formula), d) else
    glm(as.formula(formula), binomial, d, epsilon = 1e-12))
  fits <- lapply(sets, fit)
  u <- sapply(fits, function(f) unname(diag(vcov(f))))
  c(list(kind = kind, formula = formula), over_sets(sapply(fits, coef)),
    list(within = unname(rowMeans(u)), within_sd = unname(apply(u, 1, sd))))
}

packed <- lapply(data, function(d) lapply(d, function(column) list(
  values = if (is.factor(column)) as.character(column) else column,
  levels = if (is.factor(column)) as.list(levels(column)), ordered = is.ordered(column))))
save <- function() {
  known <- stored[intersect(names(scenarios), names(stored))]
  write_json(list(data = packed, scenarios = known), output, digits = 10, auto_unbox = TRUE, na = "null",
             null = "null")
}

stored <- if (length(arguments) > 1 && file.exists(output)) fromJSON(output, simplifyVector = FALSE)$scenarios
chosen <- if (length(arguments) > 1) arguments[-1] else names(scenarios)
for (name in chosen) {
  s <- scenarios[[name]]
  # Each its own seed, so that it can be run alone.
  set.seed(fresh + sum(utf8ToInt(name)))
  started <- proc.time()[["user.self"]]
  sets <- run(s)
  models <- unlist(lapply(names(s$models), function(kind) lapply(s$models[[kind]], function(f) analyse(sets, kind, f))),
                   recursive = FALSE)
  if (length(s$predictors)) s$predictors <- apply(s$predictors, 1, as.list)
  s$ignored <- as.list(s$ignored); s$visits <- as.list(s$visits)
  stored[[name]] <- c(s[names(s) != "models"], list(moments = over_sets(sapply(sets, moments)), models = models))
  save()
  message(sprintf("%-28s %6.1f s", name, proc.time()[["user.self"]] - started))
}
