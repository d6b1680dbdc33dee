# What mice's methods for factors do: the oracle of tests/test_methods_categorical.py.
#
#   Rscript tests/oracles/methods_categorical.R tests/oracles       (needs mice, MASS, nnet, glmnet and jsonlite)
#
# methods_categorical.json   data       predictors and incomplete factors, 150 rows
#                            augmented  pseudo-rows and their weights
#                            fits       what the models say of the rows with a missing y, in the limit of convergence
#                            draws      shares of the levels among many draws of mice's own functions: `shares`
#                                       (rows × levels, over all draws), `n` draws, and the standard deviation over
#                                       draws of each level's share among the rows, `spread`
#                            lasso      glmnet's path and its cross-validation, folds given

suppressPackageStartupMessages({ library(mice); library(MASS); library(nnet); library(glmnet); library(jsonlite) })
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored
set.seed(fresh + 20261121)

n <- 150
x <- round(rnorm(n, 10, 2), 3); z <- round(rexp(n), 3)
f <- factor(sample(c("a", "b", "c"), n, TRUE, c(.6, .3, .1)))
signal <- .5 * (x - 10) - .6 * z + .8 * (f == "b")
b <- factor(ifelse(signal + rlogis(n) > 0, "yes", "no"))
u <- factor(c("p", "q", "r", "s")[1 + (signal + rlogis(n) > -.5) + (rlogis(n) + z > .5) * (runif(n) < .8) + (runif(n) < .15)])
o <- cut(signal + rlogis(n), c(-Inf, -1, 0, 1, Inf), labels = paste0("o", 1:4), ordered_result = TRUE)
predictors <- cbind(x, z, fb = as.numeric(f == "b"), fc = as.numeric(f == "c"))
missing <- lapply(1:3, function(i) runif(n) < plogis(-1.2 + .3 * (x - 10)))
b[missing[[1]]] <- NA; u[missing[[2]]] <- NA; o[missing[[3]]] <- NA
targets <- list(b = b, u = u, o = o)

augmented <- lapply(targets, function(y) {
  found <- mice:::augment(y, !is.na(y), predictors, is.na(y))
  added <- -seq_len(n)
  list(x = unname(found$x[added, ]), y = as.character(found$y[added]), w = found$w[added])
})

# The models that the methods fit, but run to convergence: where they are unique, so are these.
rows_of <- function(y) {
  found <- mice:::augment(y, !is.na(y), predictors, is.na(y))
  list(x = found$x[found$ry, ], y = factor(as.character(found$y[found$ry]), levels(y), ordered = is.ordered(y)),
       w = found$w[found$ry], new = predictors[is.na(y), ])
}
fit_logreg <- function(y) {
  r <- rows_of(y)
  fit <- suppressWarnings(glm.fit(cbind(1, r$x), as.integer(r$y) - 1, r$w, family = binomial(),
                                  control = list(epsilon = 1e-15, maxit = 100)))
  v <- summary.glm(fit, dispersion = 1)$cov.unscaled; new <- cbind(1, r$new)
  list(eta = drop(new %*% coef(fit)), variance = rowSums((new %*% v) * new))
}
fit_polyreg <- function(y) {
  r <- rows_of(y)
  # nnet converges slowly where the predictors' scales differ.
  centred <- scale(r$x); new <- scale(r$new, attr(centred, "scaled:center"), attr(centred, "scaled:scale"))
  fit <- multinom(y ~ ., data.frame(y = r$y, centred), weights = r$w, trace = FALSE, maxit = 1e5,
                  reltol = 1e-16, abstol = 1e-16)
  list(probability = unname(predict(fit, data.frame(new), type = "probs")))
}
fit_polr <- function(y) {
  r <- rows_of(y)
  fit <- polr(y ~ ., data.frame(y = r$y, r$x), weights = r$w,
              control = list(reltol = 1e-16, maxit = 1e4))
  list(probability = unname(predict(fit, data.frame(r$new), type = "probs")))
}
fit_lda <- function(y) {
  fit <- lda(predictors, y, subset = !is.na(y))
  list(probability = unname(predict(fit, predictors[is.na(y), ])$posterior))
}
fits <- list(logreg = fit_logreg(b), polyreg = fit_polyreg(u), polyreg_ordered = fit_polyreg(o), polr = fit_polr(o),
             lda = fit_lda(u))

ums <- "-1+.3*x-.5*fb"
draws_of <- function(method, y, times, ...) {
  if (fresh) times <- times %/% 2
  draw <- get(paste0("mice.impute.", method))
  chosen <- head(which(is.na(y)), 8)
  once <- function(i) match(as.character(draw(y, !is.na(y), predictors, ...)), levels(y))
  all <- suppressWarnings(vapply(seq_len(times), once, integer(sum(is.na(y)))))
  shares <- t(apply(all[seq_along(chosen), ], 1, tabulate, nlevels(y))) / times
  of_level <- apply(all, 2, function(drawn) tabulate(drawn, nlevels(y)) / length(drawn))
  list(n = times, shares = shares, mean = rowMeans(of_level), spread = apply(of_level, 1, sd))
}
draws <- list(
  logreg = draws_of("logreg", b, 4000), logreg.boot = draws_of("logreg.boot", b, 4000),
  mnar.logreg = draws_of("mnar.logreg", b, 4000, ums = ums),
  polyreg = draws_of("polyreg", u, 2000), polr = draws_of("polr", o, 2000), lda = draws_of("lda", u, 4000),
  lasso.logreg = draws_of("lasso.logreg", b, 400), lasso.select.logreg = draws_of("lasso.select.logreg", b, 400))

# The lasso on more predictors than matter.
wide <- cbind(predictors, round(matrix(rnorm(n * 8), n), 3))
seen <- !is.na(b)
folds <- sample(rep(1:10, length.out = sum(seen)))
path <- glmnet(wide[seen, ], b[seen], family = "binomial", thresh = 1e-14)
# Left to itself, cv.glmnet interpolates between penalties that differ from fold to fold.
validated <- cv.glmnet(wide[seen, ], b[seen], family = "binomial", foldid = folds, thresh = 1e-14, lambda = path$lambda)
chosen <- round(seq(1, length(path$lambda), length.out = 6))
lasso <- list(x = unname(wide), folds = folds, lambda = path$lambda, at = chosen,
              coefficients = unname(as.matrix(coef(path)[, chosen])), deviance = validated$cvm,
              lambda_min = validated$lambda.min)

written <- list(
  data = list(x = x, z = z, f = as.character(f), b = as.character(b), u = as.character(u), o = as.character(o)),
  augmented = augmented, fits = fits, ums = ums, draws = draws, lasso = lasso)
writeLines(toJSON(written, digits = I(15), auto_unbox = TRUE, na = "null"),
           file.path(directory, "methods_categorical.json"))
