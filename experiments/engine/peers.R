# Time R mice on the tasks that Python's imputers are timed on: Rscript peers.R FOLDER TASK…
# FOLDER holds the data that mice_sim wrote; each task prints one line, its name and CPU seconds.
suppressMessages(library(mice))
arguments <- commandArgs(TRUE)
table <- function(name) read.csv(file.path(arguments[1], paste0(name, ".csv")))

tasks <- list(
  norm = function() mice(table("numbers"), m = 5, maxit = 5, method = "norm", print = FALSE, seed = 1),
  pmm = function() mice(table("numbers"), m = 5, maxit = 5, method = "pmm", print = FALSE, seed = 1),
  rf = function() mice(table("forest"), m = 2, maxit = 2, method = "rf", print = FALSE, seed = 1, num.threads = 1),
  boys = function() mice(boys, m = 5, maxit = 5, print = FALSE, seed = 1)
)
for (task in arguments[-1]) {
  seconds <- system.time(suppressWarnings(tasks[[task]]()))
  cat(task, sum(seconds[c("user.self", "sys.self")]), "\n")
}
