"""`heckman`: imputation of values missing not at random by a sample selection model (Galimard et al. 2016, 2018).

Heckman (1976), Annals of Economic and Social Measurement 5:475-492; Galimard, Chevret, Protopopescu & Resche-Rigon
(2016), Statistics in Medicine 35:2907-2920; Galimard, Chevret, Curis & Resche-Rigon (2018), BMC Medical Research
Methodology 18:90.
"""

from __future__ import annotations

from dataclasses import dataclass

from mice_sim.synthesis.methods._heckman import Selection


@dataclass(frozen=True)
class Heckman(Selection):
    """Options of `heckman`.

    y = xβ + ε is there where zγ + η > 0, and the errors, which are normal, may correlate. A binary y is the sign of
    such a sum. Missing values are drawn given zγ + η ≤ 0, those that were there (in linked synthesis) given that it
    is > 0. The model holds on to normality; without an exclusion there is nothing else that tells the correlation.

    exclusion : predictors that are left out of xβ, such as "z" or ["z1", "z2"]; [] for none. selection : the
        predictors in zγ besides these; all of them if not given. cycles : of a Gibbs sampler, for each set and
        iteration, ≥ 1; an event tells of chains that move slowly.

    Galimard et al. draw parameters from the normal approximation at the maximum of the likelihood, which is poor for
    a correlation in small samples and is not there under separation; the sampler draws from the posterior itself,
    with a correlation that is uniform a priori (mice_sim/synthesis/kernels/heckman.py).
    """
