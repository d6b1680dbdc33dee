# CPU seconds that R needs for the study, replicate by replicate, with the paper's own call of mice.
#
#   Rscript experiments/volker_vink_2021/oracle/benchmark.R RULE REPLICATES
#
# Prints one line a replicate: seconds of synthesis, of synthesis without rpart's cross-validation
# (xval = 0, which changes no tree), and of the analyses. Run it from the top of the repository.

source("experiments/volker_vink_2021/oracle/common.R")
arguments <- commandArgs(trailingOnly = TRUE)
rule <- arguments[1]
cpu <- function(expression) sum(system.time(expression)[1:2])
for (r in seq_len(as.integer(arguments[2]))) {
  data <- bootstrap_sample(r)
  synthesis <- cpu(syn <- synthesise(data, make_post(rule)))
  unvalidated <- cpu(synthesise(data, make_post(rule), xval = 0))
  analyses <- cpu(analyse(syn))
  cat(synthesis, unvalidated, analyses, "\n")
}
