"""The latent-normal joint model: every column a normal one behind the scenes (Goldstein et al. 2009)."""
