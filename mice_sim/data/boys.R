# The completed boys data by the recipe of Volker & Vink (2021), and the paper's bootstrap samples.
# Sourced by the scripts that make oracles; run those from the top of the repository.

suppressPackageStartupMessages(library(mice))

method <- make.method(boys)
method["bmi"] <- "~ I(wgt / (hgt / 100)^2)"
predictors <- make.predictorMatrix(boys)
predictors[c("hgt", "wgt"), "bmi"] <- 0
set.seed(123)
truth <- complete(mice(boys, m = 1, maxit = 10, method = method,
                       predictorMatrix = predictors, printFlag = FALSE))
set.seed(123)
samples <- replicate(1000, sample(748, 748, TRUE))

exact <- function(x) if (is.numeric(x)) ifelse(is.na(x), NA, sprintf("%.17g", x)) else as.character(x)
