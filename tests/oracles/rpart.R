# Leaves of random rpart fits: the oracle of tests/test_tree.py.
#
#   Rscript tests/oracles/rpart.R tests/oracles
#
# rpart_data.csv.gz   30 random data sets: four numeric columns (one rounded, so that it has ties), an
#                     unordered and an ordered factor, a numeric and a class target
# rpart_fits.csv.gz   one line a fit: data set, target, controls, and the node number of every row's leaf
#
# Data set "boys" is the completed boys data on bootstrap sample `sample` of set.seed(123).

library(rpart)
source("mice_sim/data/boys.R")
directory <- commandArgs(trailingOnly = TRUE)[1]
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored

random_data <- function(id) {
  n <- sample(60:300, 1)
  x1 <- rnorm(n); x2 <- round(rnorm(n), 1); x3 <- rexp(n); x4 <- runif(n)
  f <- factor(sample(c("a", "b", "c", "d"), n, TRUE))
  g <- ordered(sample(paste0("g", 1:6), n, TRUE, prob = 6:1), levels = paste0("g", 1:6))
  signal <- x1 + 2 * (x2 > .3) * (f == "b") + .5 * as.integer(g) + rnorm(n)
  class <- cut(signal + rnorm(n), c(-Inf, 0.5, 2, Inf), labels = c("k1", "k2", "k3"))
  data.frame(data = id, x1, x2, x3, x4, f, g, y = signal, class)
}

set.seed(fresh + 20211123)
sets <- lapply(1:30, random_data)
all <- do.call(rbind, sets)
connection <- gzfile(file.path(directory, "rpart_data.csv.gz"), "w")
write.csv(as.data.frame(lapply(all, exact)), connection, row.names = FALSE, quote = FALSE)
close(connection)

node_numbers <- function(data, target, formula, control) {
  x <- model.matrix(formula, data)[, -1, drop = FALSE]
  frame <- data.frame(target = data[[target]], x)
  kind <- if (is.factor(data[[target]])) "class" else "anova"
  if (kind == "class") frame$target <- factor(frame$target)
  fit <- rpart(target ~ ., data = frame, method = kind, control = control)
  as.integer(rownames(fit$frame))[fit$where]
}

fits <- list()
record <- function(id, sample, target, data, formula) {
  minbucket <- sample.int(7, 1)
  cp <- 10^runif(1, -9, -1)
  maxdepth <- if (runif(1) < .3) sample(2:6, 1) else 30
  control <- rpart.control(minbucket = minbucket, cp = cp, maxdepth = maxdepth, xval = 0)
  nodes <- node_numbers(data, target, formula, control)
  fits[[length(fits) + 1]] <<- data.frame(data = id, sample = sample, target = target, minbucket = minbucket,
    cp = sprintf("%.17g", cp), maxdepth = maxdepth, nodes = paste(nodes, collapse = " "))
}

for (id in 1:30) for (k in 1:12) for (target in c("y", "class"))
  record(id, 0, target, sets[[id]], ~ x1 + x2 + x3 + x4 + f + g)
for (target in names(boys)[names(boys) != "bmi"]) for (k in 1:40) {
  r <- sample.int(1000, 1)
  data <- truth[samples[, r], ]
  dropped <- if (target %in% c("hgt", "wgt")) c(target, "bmi") else target
  record("boys", r, target, data, reformulate(setdiff(names(boys), dropped)))
}
connection <- gzfile(file.path(directory, "rpart_fits.csv.gz"), "w")
write.csv(do.call(rbind, fits), connection, row.names = FALSE, quote = FALSE)
close(connection)
cat(length(fits), "fits\n")
