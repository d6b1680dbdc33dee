# What rsimsum and simhelpers say of a simulation study: the oracle of tests/test_measures.py.
#
#   Rscript tests/oracles/measures.R tests/oracles       (needs rsimsum 0.13, simhelpers 0.3 and jsonlite)
#
# measures_data.csv   three methods in the same 160 replicates, 90 % intervals by t with 18 degrees of freedom;
#                     `truth` is fixed, `moving_truth` differs by replicate; method c lacks some standard errors
#                     with their intervals, and some estimates altogether
# measures.json       rsimsum    simsum() of methods a and b, reference a, truth fixed
#                     moving     simsum() of methods a and b, truth by replicate
#                     simhelpers calc_absolute(), calc_relative(), calc_coverage(), calc_rejection() of all methods

suppressPackageStartupMessages({
  library(rsimsum)
  library(simhelpers)
})
folder <- commandArgs(trailingOnly = TRUE)[1]

R <- 160
level <- 0.9
df <- 18
truth <- 0.4
set.seed(20)
moving <- truth + rnorm(R, sd = 0.1)
common <- rnorm(R, sd = 0.25)

one_method <- function(name, bias, own) {
  estimate <- truth + bias + common + rnorm(R, sd = own)
  std_error <- sqrt(0.25^2 + own^2) * sqrt(rchisq(R, df) / df)
  half <- qt((1 + level) / 2, df) * std_error
  data.frame(
    method = name, replicate = seq_len(R) - 1, truth = truth, moving_truth = moving, estimate = estimate,
    std_error = std_error, ci_lower = estimate - half, ci_upper = estimate + half,
    p_value = 2 * pt(-abs(estimate / std_error), df)
  )
}

data <- rbind(one_method("a", 0, 0.1), one_method("b", 0.1, 0.2), one_method("c", -0.1, 0.3))
lost <- data$method == "c" & data$replicate %in% c(3, 40, 41, 77, 120, 159)
data$estimate[lost] <- NA
vague <- lost | (data$method == "c" & data$replicate %% 13 == 5)
data[vague, c("std_error", "ci_lower", "ci_upper", "p_value")] <- NA
# Both sides read the same decimals.
file <- file.path(folder, "measures_data.csv")
data[-1] <- lapply(data[-1], signif, 9)
write.csv(data, file, row.names = FALSE, na = "", quote = FALSE)
data <- read.csv(file)

complete <- data[data$method != "c", ]
summed <- function(true) {
  found <- simsum(
    complete, estvarname = "estimate", se = "std_error", true = true, methodvar = "method", ref = "a",
    ci.limits = c("ci_lower", "ci_upper"), control = list(level = level, power_df = df)
  )
  found$summ[c("method", "stat", "est", "mcse")]
}

helped <- function(d) {
  as.list(cbind(
    calc_absolute(d, estimate, truth, criteria = c("bias", "stddev", "mse", "rmse")),
    calc_relative(d, estimate, truth, criteria = "relative bias"),
    calc_coverage(d, ci_lower, ci_upper, truth),
    calc_rejection(d[!is.na(d$p_value), ], p_value, alpha = 1 - level)
  ))
}

result <- list(
  versions = list(rsimsum = format(packageVersion("rsimsum")), simhelpers = format(packageVersion("simhelpers"))),
  level = level,
  rsimsum = summed("truth"),
  moving = summed("moving_truth"),
  simhelpers = lapply(split(data, data$method), helped)
)
file <- file.path(folder, "measures.json")
jsonlite::write_json(result, file, digits = NA, auto_unbox = TRUE, pretty = TRUE, na = "null")
