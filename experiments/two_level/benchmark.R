# Time R on the benchmark of methods for rows in clusters: Rscript benchmark.R FOLDER TASK…
# A task is DATA_METHOD; FOLDER holds DATA.csv, whose columns are the cluster, the predictors (of the first, effects
# vary) and the target. Each task prints one line, its name and CPU seconds.
suppressMessages({library(mice); library(lme4); library(pan)})
arguments <- commandArgs(TRUE)
m <- 5

impute <- function(data, method) {
  columns <- names(data); target <- columns[length(columns)]
  predictors <- matrix(0, length(columns), length(columns), dimnames = list(columns, columns))
  # 2l.norm knows predictors with varying effects only.
  others <- if (method == "2l.norm") 2 else 1
  predictors[target, ] <- c(-2, 2, rep(others, length(columns) - 3), 0)
  methods <- setNames(rep("", length(columns)), columns); methods[[target]] <- method
  mice(data, m = m, maxit = 1, method = methods, predictorMatrix = predictors, print = FALSE, seed = 1)
}

for (task in arguments[-1]) {
  parts <- strsplit(task, "_")[[1]]
  data <- read.csv(file.path(arguments[1], paste0(parts[1], ".csv")))
  seconds <- system.time(suppressWarnings(impute(data, parts[2])))
  cat(task, sum(seconds[c("user.self", "sys.self")]), "\n")
}
