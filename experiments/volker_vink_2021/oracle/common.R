# What study.R and benchmark.R share: synthesis, analyses and pooling.

library(MASS)
source("mice_sim/data/boys.R")
m <- 5

# Under mice-3.13 a second statement in `post` writes the synthetic bmi back into the working data,
# as mice did before 3.15.
make_post <- function(rule) {
  post <- make.post(truth)
  post["bmi"] <- "imp[[j]][, i] <- imp[['wgt']][, i] / (imp[['hgt']][, i] / 100)^2"
  if (rule == "mice-3.13") post["bmi"] <- paste0(post["bmi"], "; data[where[, j], j] <- imp[[j]][, i]")
  post
}

synthesise <- function(data, post, ...)
  mice(data, m = m, maxit = 1, method = "cart", minbucket = 3, cp = 1e-8,
       predictorMatrix = predictors, post = post,
       where = matrix(TRUE, nrow(data), ncol(data)), printFlag = FALSE, ...)

bootstrap_sample <- function(r) {
  data <- truth[samples[, r], ]
  rownames(data) <- NULL
  data
}

named <- function(analysis, terms, statistic, values)
  setNames(values, paste(analysis, terms, statistic, sep = "|"))

pooled <- function(analysis, pool_summary) {
  terms <- as.character(pool_summary$term)
  c(named(analysis, terms, "estimate", pool_summary$estimate),
    named(analysis, terms, "std_error", pool_summary$std.error),
    named(analysis, terms, "df", pool_summary$df))
}

numeric_columns <- c("age", "hgt", "wgt", "bmi", "hc", "tv")
pairs <- combn(numeric_columns, 2)

correlations <- function(sets) {
  z <- sapply(sets, function(data) {
    r <- cor(data[numeric_columns])
    atanh(r[t(pairs)])
  })
  named("correlations", paste(pairs[1, ], pairs[2, ], sep = ":"), "estimate", tanh(rowMeans(z)))
}

confusion <- function(fit) {
  truth <- fit$y
  drawn <- rbinom(length(truth), 1, fitted(fit))
  sensitivity <- mean(drawn[truth == 0] == 0)
  specificity <- mean(drawn[truth == 1] == 1)
  n01 <- sum(drawn == 0 & truth == 1); n10 <- sum(drawn == 1 & truth == 0)
  accuracy <- mean(drawn == truth)
  expected <- mean(truth) * mean(drawn) + mean(1 - truth) * mean(1 - drawn)
  mcnemar <- if (n01 == n10) 1 else pchisq((abs(n01 - n10) - 1)^2 / (n01 + n10), 1, lower.tail = FALSE)
  c(accuracy = accuracy, kappa = (accuracy - expected) / (1 - expected), mcnemarpvalue = mcnemar,
    sensitivity = sensitivity, specificity = specificity)
}

analyse <- function(syn) {
  sets <- complete(syn, "all")
  linear <- summary(pool.syn(lapply(sets, function(d) lm(hgt ~ age + phb, data = d))))
  ordinal <- summary(pool.syn(lapply(sets, function(d) polr(gen ~ age + hc + reg, data = d, Hess = TRUE))))
  discrimination <- lapply(sets, function(d) {
    stacked <- rbind(d, truth)
    stacked$indicator <- rep(0:1, each = nrow(truth))
    glm(indicator ~ wgt + hgt + age + hc + gen + phb + tv + reg + bmi, family = binomial, data = stacked)
  })
  means <- rowMeans(sapply(sets, function(d) sapply(d, function(x) mean(as.numeric(x)))))
  statistics <- rowMeans(sapply(discrimination, confusion))
  c(named("descriptives", names(means), "mean", means),
    correlations(sets), pooled("linear", linear), pooled("ordinal", ordinal),
    pooled("discrimination", summary(pool(discrimination))),
    named("confusion", "all", names(statistics), statistics))
}
