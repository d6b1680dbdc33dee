# Exports the reference data from the R package mice (Debian: r-cran-mice 3.15.0).
#
#   Rscript mice_sim/data/export_boys.R mice_sim/data
#
# boys.csv           the growth data of 748 Dutch boys with their missing values
# boys_complete.csv  the same, completed once by the recipe of Volker & Vink (2021):
#                    default methods, bmi passively from wgt and hgt, seed 123
#
# Numbers are written with 17 significant digits, so that they read back to the same double.

source("mice_sim/data/boys.R")
directory <- commandArgs(trailingOnly = TRUE)[1]

export <- function(data, name) {
  data <- as.data.frame(lapply(data, exact), check.names = FALSE)
  write.csv(data, file.path(directory, name), row.names = FALSE, na = "", quote = FALSE)
}

export(boys, "boys.csv")
export(truth, "boys_complete.csv")
