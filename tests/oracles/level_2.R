# What mice draws for a column of clusters by 2lonly.norm, 2lonly.pmm and 2lonly.mean.
#
#   Rscript tests/oracles/level_2.R tests/oracles
#
# level_2.json: for each method the mean and the standard deviation over 400 sets of what is drawn for each of 20
# schools without texp, given sex and teachpop; for 2lonly.mean what four schools are filled with that have texp here
# and there.

suppressPackageStartupMessages({library(mice); library(jsonlite)})
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored

data <- popmis[, c("school", "texp", "sex", "teachpop")]
lost <- data
lost$texp[lost$school %% 5 == 0] <- NA
predictors <- matrix(0, 4, 4, dimnames = list(names(data), names(data)))
predictors["texp", ] <- c(-2, 0, 1, 1)

draw <- function(method) {
  imp <- mice(lost, m = 400, maxit = 1, method = c("", method, "", ""), predictorMatrix = predictors, seed = fresh + 1,
              printFlag = FALSE)
  drawn <- as.matrix(imp$imp$texp)[!duplicated(lost$school[is.na(lost$texp)]), ]
  list(mean = rowMeans(drawn), sd = apply(drawn, 1, sd))
}

partly <- data
partly$texp[partly$school <= 4 & seq_len(nrow(data)) %% 2 == 0] <- NA
partly$teachpop[partly$school <= 4 & seq_len(nrow(data)) %% 2 == 0] <- NA
filled <- function(name) {
  rows <- predictors * 0
  rows[name, "school"] <- -2
  method <- ifelse(names(data) == name, "2lonly.mean", "")
  imp <- mice(partly[c("school", name)], m = 1, maxit = 1, method = method[names(data) %in% c("school", name)],
              predictorMatrix = rows[c("school", name), c("school", name)], printFlag = FALSE)
  imp$imp[[name]][[1]]
}

write_json(list(norm = draw("2lonly.norm"), pmm = draw("2lonly.pmm"),
                mean = list(texp = filled("texp"), teachpop = filled("teachpop"))),
           file.path(directory, "level_2.json"), digits = NA, auto_unbox = TRUE)
