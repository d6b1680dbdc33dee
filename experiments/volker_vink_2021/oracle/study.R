# The study of Volker & Vink (2021) in R mice, on the paper's own bootstrap samples.
#
#   Rscript experiments/volker_vink_2021/oracle/study.R RULE FIRST LAST OUTPUT.csv.gz
#
# RULE is mice-3.13 or mice-3.15. One row a replicate: pooled means, correlations, the two models,
# the discrimination model, confusion statistics. Trees are grown with xval = 0: cross-validation has
# no effect on the tree, only on the time. Run it from the top of the repository.

source("experiments/volker_vink_2021/oracle/common.R")
arguments <- commandArgs(trailingOnly = TRUE)
rule <- arguments[1]
replicates <- as.integer(arguments[2]):as.integer(arguments[3])
fresh <- as.integer(Sys.getenv("MICE_SIM_SEED", "0"))  # 0 makes what is stored

rows <- lapply(replicates, function(r) {
  if (r %% 25 == 0) message(rule, " replicate ", r)
  set.seed(fresh + 7000000 + r)
  signif(c(replicate = r, analyse(synthesise(bootstrap_sample(r), make_post(rule), xval = 0))), 8)
})
connection <- gzfile(arguments[4], "w")
write.csv(do.call(rbind, rows), connection, row.names = FALSE)
close(connection)
