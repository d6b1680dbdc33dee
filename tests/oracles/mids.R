# R's long format of multiply imputed data, both ways.
#   Rscript mids.R FOLDER            writes mids_long.csv, three imputed sets as complete() has them, and mids.json
#   Rscript mids.R read FILE OUT     reads a long file of ours by as.mids and writes what R makes of it as JSON
suppressPackageStartupMessages({library(mice); library(jsonlite)})

describe <- function(imp) {
  fits <- summary(pool(with(imp, lm(y ~ x + g))))
  list(m = imp$m, nmis = as.list(imp$nmis), where = as.list(colSums(imp$where)),
       means = lapply(1:imp$m, function(i) mean(complete(imp, i)$y)),
       term = as.character(fits$term), estimate = fits$estimate, std_error = fits$std.error, df = fits$df)
}
save <- function(what, file) writeLines(toJSON(what, digits = NA, auto_unbox = TRUE, pretty = TRUE), file)

arguments <- commandArgs(TRUE)
if (arguments[1] == "read") {
  long <- read.csv(arguments[2], stringsAsFactors = TRUE, na.strings = "", check.names = FALSE)
  long$o <- factor(long$o, levels = c("low", "mid", "high"), ordered = TRUE)
  imp <- as.mids(long)
  told <- describe(imp)
  told$back <- complete(imp, "long", include = TRUE)[, names(long)]
  save(told, arguments[3])
} else {
  set.seed(7)
  n <- 40
  data <- data.frame(x = rnorm(n), g = factor(sample(c("a", "b", "c"), n, TRUE)),
                     o = factor(sample(c("low", "mid", "high"), n, TRUE), c("low", "mid", "high"), ordered = TRUE))
  data$y <- data$x + as.integer(data$g) + rnorm(n)
  data$a.name <- round(data$y * 10)
  for (name in names(data)) data[sample(n, 6), name] <- NA
  imp <- mice(data, m = 3, maxit = 2, printFlag = FALSE, seed = 1,
              method = c("pmm", "sample", "sample", "norm", "pmm"))
  write.csv(complete(imp, "long", include = TRUE), file.path(arguments[1], "mids_long.csv"), row.names = FALSE)
  save(describe(imp), file.path(arguments[1], "mids.json"))
}
