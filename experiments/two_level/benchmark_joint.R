# Time jomo on the benchmark of the joint model: Rscript benchmark_joint.R FOLDER TASK…
# A task is DATA_HOW_CYCLES; FOLDER holds DATA.csv, whose first column is the cluster and whose last one is incomplete.
# HOW is "given" (the last column given the others), "numbers" (all columns, as numbers) or "mixed" (columns of two
# values as factors). CYCLES of the Gibbs sampler are run in all. Prints each task's name and CPU seconds.
suppressMessages(library(jomo))
arguments <- commandArgs(TRUE)
set.seed(1)

run <- function(data, how, cycles) {
  target <- ncol(data)
  if (how == "given")
    return(jomo1ran(data[target], X = cbind(cons = 1, data[-c(1, target)]), clus = data[[1]], nburn = cycles - 2,
                    nbetween = 1, nimp = 2, output = 0))
  columns <- data[-1]
  if (how == "mixed")
    for (name in names(columns)) if (length(unique(na.omit(columns[[name]]))) == 2)
      columns[[name]] <- factor(columns[[name]])
  jomo(columns, clus = data[[1]], nburn = cycles - 2, nbetween = 1, nimp = 2, output = 0)
}

for (task in arguments[-1]) {
  parts <- strsplit(task, "_")[[1]]
  data <- read.csv(file.path(arguments[1], paste0(parts[1], ".csv")))
  sink(tempfile())
  seconds <- system.time(suppressWarnings(run(data, parts[2], as.integer(parts[3]))))
  sink()
  cat(task, sum(seconds[c("user.self", "sys.self")]), "\n")
}
