# How many own values and own whole records linked synthesis by mice leaves: the oracle of tests/test_disclosure.py.
#
#   Rscript tests/oracles/copies.R tests/oracles       (needs mice and jsonlite)
#
# copies.json   truth    of the completed boys, with the paper's options: by column the share of values that are the
#                        record's own; records, the share of records whose values are all their own, but for bmi
#               sample   the same of the first bootstrap sample of set.seed(123); replicate(1000, sample(748, 748, TRUE))
#               m        sets that the shares are means of

suppressPackageStartupMessages({ library(mice); library(jsonlite) })
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored
m <- 20

boys <- read.csv("mice_sim/data/boys_complete.csv")
for (name in c("gen", "phb")) boys[[name]] <- factor(boys[[name]], ordered = TRUE)
boys$reg <- factor(boys$reg, c("north", "east", "west", "south", "city"))

shares <- function(data) {
  method <- make.method(data)
  method[] <- "cart"
  predictors <- make.predictorMatrix(data)
  predictors[c("hgt", "wgt"), "bmi"] <- 0
  post <- make.post(data)
  post["bmi"] <- "imp[['bmi']][, i] <- imp[['wgt']][, i] / (imp[['hgt']][, i] / 100)^2"
  made <- mice(data, m = m, maxit = 1, method = method, predictorMatrix = predictors, post = post,
               where = make.where(data, "all"), minbucket = 3, cp = 1e-8, seed = fresh + 1, print = FALSE)
  found <- sapply(1:m, function(l) {
    own <- sapply(names(data), function(name) complete(made, l)[[name]] == data[[name]])
    c(colMeans(own), records = mean(apply(own[, colnames(own) != "bmi"], 1, all)))
  })
  as.list(rowMeans(found))
}

set.seed(fresh + 123)
rows <- sample(748, 748, TRUE)
found <- list(m = m, truth = shares(boys), sample = shares(boys[rows, ]))
write(toJSON(found, digits = 6, auto_unbox = TRUE, pretty = TRUE), file.path(directory, "copies.json"))
