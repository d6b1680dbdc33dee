# Exports the pupils in schools from the R package mice (Debian: r-cran-mice 3.15.0).
#
#   Rscript mice_sim/data/export_popmis.R mice_sim/data
#
# popmis.csv  2,000 pupils in 100 schools; the popularity of 848 of them is missing

suppressPackageStartupMessages(library(mice))
directory <- commandArgs(trailingOnly = TRUE)[1]
write.csv(popmis, file.path(directory, "popmis.csv"), row.names = FALSE, na = "", quote = FALSE)
