# What jomo's joint models say of its own data: the oracle of tests/test_joint.py.
#
#   nice Rscript tests/oracles/joint.R tests/oracles       (needs jomo and jsonlite; 5 minutes)
#
# joint.json   by case: data     columns with NA, levels of factors, the cluster of each row
#                       x        names of the predictors that are kept; level_2 the columns of the clusters
#                       names    the latent columns (level 1, then level 2), as jomo calls them: f.k is level k of f
#                       beta, omega_1, beta_2, omega_2
#                                posterior mean, SD and Monte Carlo standard error (by batches) of every element

suppressPackageStartupMessages({ library(jomo); library(jsonlite) })
output <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored
BURN <- 1000; KEEP <- if (fresh) 10000 else 30000; BATCHES <- 50

of_draws <- function(draws) {
  shape <- dim(draws)[1:2]
  flat <- matrix(draws, prod(shape))
  batches <- t(apply(flat, 1, function(row) colMeans(matrix(row, ncol = BATCHES))))
  list(mean = matrix(rowMeans(flat), shape[1]), sd = matrix(apply(flat, 1, sd), shape[1]),
       mcse = matrix(apply(batches, 1, sd) / sqrt(BATCHES), shape[1]))
}
kept <- function(draws) draws[, , BURN + seq_len(KEEP), drop = FALSE]
as_columns <- function(frame) lapply(as.list(frame), function(column)
  if (is.factor(column)) list(values = as.integer(column) - 1, levels = levels(column)) else list(values = column))

run <- function(Y, X, Y2 = NULL, clus = NULL) {
  sink(tempfile())
  if (is.null(clus)) {
    found <- jomo1.MCMCchain(Y, X = X, nburn = BURN + KEEP, output = 0)
  } else if (is.null(Y2)) {
    found <- jomo1ran.MCMCchain(Y, X = X, clus = clus, nburn = BURN + KEEP, output = 0)
  } else {
    parts <- function(frame) {
      factors <- vapply(frame, is.factor, NA)
      some <- function(columns) if (any(columns)) frame[columns]
      list(some(!factors), some(factors), if (any(factors)) vapply(frame[factors], nlevels, 1L))
    }
    one <- parts(Y); two <- parts(Y2)
    found <- jomo2com.MCMCchain(Y.con = one[[1]], Y.cat = one[[2]], Y.numcat = one[[3]], Y2.con = two[[1]],
                                Y2.cat = two[[2]], Y2.numcat = two[[3]], X = X, X2 = X[, "cons", drop = FALSE],
                                clus = clus, nburn = BURN + KEEP, output = 0)
  }
  sink()
  result <- list(data = as_columns(if (is.null(Y2)) Y else cbind(Y, Y2)), x = as_columns(X), level_2 = as.list(names(Y2)),
                 cluster = if (!is.null(clus)) as.integer(factor(clus)) - 1, names = dimnames(found$collectbeta)[[2]],
                 names_2 = dimnames(found$collect.l2.beta)[[2]],
                 beta = of_draws(kept(found$collectbeta)), omega_1 = of_draws(kept(found$collectomega)))
  if (!is.null(clus)) result$omega_2 <- of_draws(kept(found$collectcovu))
  if (!is.null(Y2)) result$beta_2 <- of_draws(kept(found$collect.l2.beta))
  result
}

cons <- function(frame) data.frame(cons = rep(1, nrow(frame)))
set.seed(fresh + 20090301)
if (fresh) for (name in c("sldata", "cldata", "JSPmiss", "tldata"))  # samples of their rows
  assign(name, local({ d <- get(name); d[sort(sample(nrow(d), replace = TRUE)), ] }))
single <- transform(sldata, sex = factor(sex), social = factor(social))
pupils <- transform(JSPmiss, ravens = ravens / 5, english = english / 20)
cities <- subset(tldata, as.integer(city) <= 60 & ave(id, city, FUN = seq_along) <= 12)
cases <- list(
  single = run(sldata[c("measure", "age")], cons(sldata)),
  single_mixed = run(single[c("measure", "age", "sex", "social")], cons(single)),
  clusters = run(cldata[c("measure", "age")], cbind(cons(cldata), cldata["sex"]), clus = cldata$city),
  clusters_mixed = run(cldata[c("measure", "age", "social")], cbind(cons(cldata), cldata["sex"]), clus = cldata$city),
  pupils = run(pupils[c("english", "ravens")], cbind(cons(pupils), pupils["sex"]), clus = pupils$school),
  cities = run(cities[c("measure.a", "measure.b")], cons(cities), cities["measure.a2"], cities$city),
  cities_mixed = run(cities[c("measure.a", "previous.events")], cons(cities), cities[c("measure.a2", "big.city")],
                     cities$city))
writeLines(toJSON(cases, digits = 8, auto_unbox = TRUE, na = "null", null = "null"), file.path(output, "joint.json"))
