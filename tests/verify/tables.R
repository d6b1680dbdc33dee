# Correlations and chosen predictors of random tables, for `make verify`.
#
#   MICE_SIM_SEED=… Rscript tests/verify/tables.R FOLDER       (needs mice and jsonlite)
#
# tables.json   cases: a table with holes, the options of quickpred and what it chooses; the table without holes and
#               the correlations of its pairs, column by column

suppressPackageStartupMessages({ library(mice); library(jsonlite) })
directory <- commandArgs(trailingOnly = TRUE)[1]
set.seed(as.integer(Sys.getenv("MICE_SIM_SEED", "0")) + 1)

one <- function(i) {
  n <- sample(30:300, 1); p <- sample(3:9, 1)
  complete <- as.data.frame(round(matrix(rnorm(n * p), n) %*% matrix(rnorm(p * p), p), 4))
  data <- complete
  for (name in names(data)) data[runif(n) < runif(1, 0, .5), name] <- NA
  options <- list(mincor = round(runif(1, .05, .5), 3), minpuc = round(runif(1, 0, .6), 3),
                  method = c("pearson", "kendall", "spearman")[1 + i %% 3])
  r <- cor(complete)
  c(list(data = as.list(data), complete = as.list(complete), correlations = r[lower.tri(r)],
         predictors = unname(do.call(quickpred, c(list(data), options)))), options)
}
write_json(list(cases = lapply(1:30, one)), file.path(directory, "tables.json"), digits = NA, auto_unbox = TRUE,
           na = "null")
