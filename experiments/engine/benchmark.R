# Time R on the engine's benchmark tasks: Rscript benchmark.R FOLDER TASK…
# FOLDER holds the data that mice_sim wrote; each task prints one line, its name and CPU seconds.
suppressMessages({library(mice); library(rpart)})
arguments <- commandArgs(TRUE)
folder <- arguments[1]

mixed <- function(name) {
  data <- read.csv(file.path(folder, name))
  for (column in grep("^f", names(data))) data[[column]] <- factor(data[[column]])
  data
}

# Sequential synthesis in mice: rows of NA below the data, lower-triangular predictors, one iteration.
sequential <- function(data, ...) {
  n <- nrow(data)
  longer <- rbind(data, data[rep(NA_integer_, n), ])
  where <- matrix(rep(c(FALSE, TRUE), each = n), 2 * n, ncol(data), dimnames = list(NULL, names(data)))
  predictors <- lower.tri(diag(ncol(data))) * 1
  dimnames(predictors) <- list(names(data), names(data))
  method <- c("sample", rep("cart", ncol(data) - 1))
  mice(longer, m = 1, maxit = 1, method = method, predictorMatrix = predictors, where = where, print = FALSE,
       remove.collinear = FALSE, ...)
}

tasks <- list(
  impute_boys = function() mice(boys, m = 5, maxit = 10, print = FALSE, seed = 1),
  cart_5000 = function() sequential(mixed("mixed_5000.csv"), seed = 1),
  cart_5000_xval0 = function() sequential(mixed("mixed_5000.csv"), xval = 0, seed = 1),
  cart_100000 = function() sequential(mixed("mixed_100000.csv"), seed = 1),
  cart_100000_xval0 = function() sequential(mixed("mixed_100000.csv"), xval = 0, seed = 1),
  rf = function() mice(read.csv(file.path(folder, "forest.csv")), m = 2, maxit = 2, method = "rf", print = FALSE,
                       seed = 1, num.threads = 1)
)
for (task in arguments[-1]) {
  seconds <- system.time(suppressWarnings(tasks[[task]]()))
  cat(task, sum(seconds[c("user.self", "sys.self")]), "\n")
}
