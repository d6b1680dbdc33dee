"""Combining rules: total variance, degrees of freedom and joint test of the estimates of several sets.

A rule is a few functions of the `Moments` of the estimates, and a sentence for the sets it is not valid for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mice_sim.errors import MiceSimError, nearest
from mice_sim.origin import Origin
from mice_sim.pooling import spread, validity

Array = np.ndarray


@dataclass(frozen=True)
class Moments:
    """What a rule is a function of; arrays of one shape.

    Attributes
    ----------
    within : the mean of the squared standard errors, ū. between : the variance of the estimates (divisor m − 1), b;
        of nested sets the variance of the nests' means. m : number of sets; of nests where they are nested.
    df_complete : residual degrees of freedom of one complete-data fit, or inf; one number, or one an estimate.
    ratio : rows of a set for each row of the real data, k/n.
    r : sets in a nest. in_nests : the mean over nests of the variance between a nest's estimates (divisor r − 1).
    """

    within: Array
    between: Array
    m: int
    df_complete: float | Array = np.inf
    ratio: float = 1.0
    r: int = 1
    in_nests: Array | None = None

    @classmethod
    def of(
        cls, q: Array, u: Array, m: int, df_complete: float | Array = np.inf, ratio: float = 1.0, r: int = 1
    ) -> Moments:
        """Return the moments of estimates `q` and squared errors `u`, (sets, …), sets ordered nest by nest.

        r > 1 makes nests of r sets. `m` is stated, as the jackknife leaves sets out of the moments, not of the rule.
        """
        if r == 1:
            return cls(u.mean(axis=0), _variance(q, 0), m, df_complete, ratio)
        nests = q.reshape(-1, r, *q.shape[1:])
        in_nests = nests.var(axis=1, ddof=1).mean(axis=0)
        return cls(u.mean(axis=0), _variance(nests.mean(axis=1), 0), m, df_complete, ratio, r, in_nests)


def _variance(q: Array, axis: int) -> Array:
    return q.var(axis=axis, ddof=1) if q.shape[axis] > 1 else np.full(q.shape[1:], np.nan)


# ---- total variances


def _rubin_total(s: Moments) -> Array:
    return s.within + (1 + 1 / s.m) * s.between


def _reiter_total(s: Moments) -> Array:
    return s.ratio * s.within + s.between / s.m


def _rrr_total(s: Moments) -> Array:
    return (1 + 1 / s.m) * s.between - s.within


def _adjusted_total(s: Moments) -> Array:
    total = _rrr_total(s)
    return np.where(total < 0, s.ratio * s.within, total)


def _raab_simple_total(s: Moments) -> Array:
    return s.within * (s.ratio + 1 / s.m)


def _raab_proper_total(s: Moments) -> Array:
    return s.within * (s.ratio + (1 + s.ratio) / s.m)


def _nested_total(s: Moments) -> Array:
    assert s.in_nests is not None
    return (1 + 1 / s.m) * s.between - s.in_nests / s.r + s.ratio * s.within


def _population_total(s: Moments) -> Array:
    return (1 + 1 / s.m) * s.between


def _one_synthesis_total(s: Moments) -> Array:
    return (1 + 1 / s.m) * s.between + (s.ratio - 1) * s.within


def _synthesis_total(s: Moments) -> Array:
    return s.between / s.m


def _nested_synthesis_total(s: Moments) -> Array:
    assert s.in_nests is not None
    return np.fmax(s.between - s.in_nests / s.r, 0) + s.between / s.m  # what the imputation adds is not negative


def _synthesis_simple_total(s: Moments) -> Array:
    return s.within / s.m


def _synthesis_proper_total(s: Moments) -> Array:
    return s.within * (1 + s.ratio) / s.m


# ---- degrees of freedom


def _barnard_rubin_df(s: Moments, total: Array) -> Array:
    share = np.fmax((1 + 1 / s.m) * s.between / total, 1e-4)  # the floor of mice 3.15
    old = (s.m - 1) / share**2
    normal = np.isinf(s.df_complete)
    complete = np.where(normal, 1.0, s.df_complete)
    observed = (complete + 1) / (complete + 3) * complete * (1 - share)
    return np.where(normal, old, old * observed / (old + observed))[()]  # a number stays one


def _reiter_df(s: Moments, total: Array) -> Array:
    return (s.m - 1) * (1 + s.m * (s.ratio * s.within) / s.between) ** 2


def _rrr_df(s: Moments, total: Array) -> Array:
    return (s.m - 1) * (1 - s.within / ((1 + 1 / s.m) * s.between)) ** 2


def _adjusted_df(s: Moments, total: Array) -> Array:
    return np.where(_rrr_total(s) < 0, np.inf, _rrr_df(s, total))


def _normal_df(s: Moments, total: Array) -> Array:
    return np.full(np.shape(total), np.inf)


def _nested_df(s: Moments, total: Array) -> Array:
    assert s.in_nests is not None
    over_nests = ((1 + 1 / s.m) * s.between) ** 2 / ((s.m - 1) * total**2)
    return 1 / (over_nests + (s.in_nests / s.r) ** 2 / (s.m * (s.r - 1) * total**2))


def _population_df(s: Moments, total: Array) -> Array:
    return np.full(np.shape(total), s.m - 1.0)


def _nested_synthesis_df(s: Moments, total: Array) -> Array:
    assert s.in_nests is not None
    return np.where(s.between > s.in_nests / s.r, _nested_df(s, total), s.m - 1.0)


def _one_synthesis_df(s: Moments, total: Array) -> Array:
    return (s.m - 1) * (total / ((1 + 1 / s.m) * s.between)) ** 2


# ---- the registry


@dataclass(frozen=True)
class Rule:
    """A combining rule.

    Attributes
    ----------
    total, df : functions of the moments (and T) to the total variance T and the degrees of freedom of t.
    unfit : a function of an origin to the reason why the rule is not valid for it, or None.
    source : the papers. joint : function of a `spread.Spread` to the scale and the second df of F, or None.
    nested : whether sets come in nests. least : fewest sets (nests) it can pool.
    fractions : whether λ and the fraction of missing information have a meaning.
    linear : whether T is linear in the moments, and so gives covariances too.
    proviso : what else must hold that an origin does not say.
    """

    name: str
    total: Callable[[Moments], Array]
    df: Callable[[Moments, Array], Array]
    unfit: Callable[[Origin], str | None]
    source: str
    joint: Callable[[spread.Spread], tuple[float, float]] | None = None
    nested: bool = False
    least: int = 2
    fractions: bool = False
    linear: bool = True
    proviso: str = ""

    def variance(self, moments: Moments) -> tuple[Array, Array]:
        """Return (T, df), of the moments' shape. T is negative where the rule gives that."""
        with np.errstate(divide="ignore", invalid="ignore"):
            total = self.total(moments)
            return total, self.df(moments, total)

    def refusal(self, origin: Origin) -> str | None:
        """Return why the rule is not valid for sets of this origin and which rules are, in a sentence, or None."""
        if origin.missing == "one-step" and not validity.is_joint(origin):
            return validity.ONE_STEP
        reason = self.unfit(origin)
        if reason is None:
            return None
        by_proviso: dict[str, list[str]] = {}
        for rule in sorted(RULES.values(), key=lambda rule: rule.proviso):  # stable: those that always hold come first
            if rule.unfit(origin) is None:
                by_proviso.setdefault(rule.proviso, []).append(f"'{rule.name}'")
        valid = [f"{proviso}{' or '.join(names)}" for proviso, names in by_proviso.items()]
        remedy = f"use {' or, '.join(valid)}" if valid else "make two or more syntheses of every imputation"
        return f"The rule '{self.name}' is not valid for {validity.describe(origin)}: {reason}; {remedy}."


DERIVED = "derived and tested in experiments/pooling_rules"
POPULATION = "if the sample is the population and the models are right, "

# fmt: off
RULES = {
    rule.name: rule
    for rule in (
        # T = ū + b/m, ν = (m−1)(1 + mū/b)² (eq. 6-8). With k ≠ n rows ū is scaled to the real data's size by k/n, as
        # Raab et al. (2016) do. Draws with fixed parameters will do: Reiter & Kinney (2012), J. Off. Stat. 28, 583-590.
        Rule("reiter2003", _reiter_total, _reiter_df, validity.needs_synthetic,
             "Reiter (2003), Survey Methodology 29, 181-188; joint tests: Reiter (2005), J. Stat. Plan. Inference 131, "
             "365-377", joint=spread.reiter),
        # T = ū + (1 + 1/m)b; λ is kept at 1e-4 or above, as in mice 3.15.
        Rule("rubin1987", _rubin_total, _barnard_rubin_df, validity.needs_imputed,
             "Rubin (1987); Barnard & Rubin (1999), Biometrika 86, 948-955; joint tests: Li, Raghunathan & Rubin "
             "(1991), JASA 86, 1065-1073, and Reiter (2007), Biometrika 94, 502-508",
             joint=spread.rubin, fractions=True),
        # T = (1 + 1/m)b − ū, which can be negative; ν = (m−1)(1 − ū/((1+1/m)b))².
        Rule("rrr2003", _rrr_total, _rrr_df, validity.needs_posterior,
             "Raghunathan, Reiter & Rubin (2003), J. Off. Stat. 19, 1-16; joint tests: Reiter (2005), J. Stat. Plan. "
             "Inference 131, 365-377", joint=spread.rrr),
        # That of rrr2003, but (k/n)ū with a normal test where it is negative.
        Rule("reiter2002", _adjusted_total, _adjusted_df, validity.needs_posterior,
             "Reiter (2002), J. Off. Stat. 18, 531-544", joint=spread.adjusted, linear=False),
        # T = ū(k/n + 1/m), normal.
        Rule("raab2016_simple", _raab_simple_total, _normal_df, validity.needs_new_plug_in,
             "Raab, Nowok & Dibben (2016), J. Priv. Confid. 7(3), 67-97", joint=spread.raab_simple, least=1),
        # T = ū(k/n + (1 + k/n)/m), normal.
        Rule("raab2016_proper", _raab_proper_total, _normal_df, validity.needs_new_proper,
             "Raab, Nowok & Dibben (2016), J. Priv. Confid. 7(3), 67-97", joint=spread.raab_proper, least=1),
        # T = (1 + 1/m)B − b̄/r + ū over m imputations with r syntheses each.
        Rule("reiter2004", _nested_total, _nested_df, validity.needs_nests,
             "Reiter (2004), Survey Methodology 30, 235-242", nested=True),
        # T = (1 + 1/m)b − (1 − k/n)ū: that of reiter2004 for r = 1, where w is not seen, but is ū for fixed parameters.
        Rule("one_synthesis", _one_synthesis_total, _one_synthesis_df, validity.needs_one_synthesis, DERIVED),
        # T = (1 + 1/m)b, ν = m − 1: the sample is the population, and only the imputation is uncertain.
        Rule("vinkvanbuuren2014", _population_total, _population_df, validity.needs_imputed,
             "Vink & van Buuren (2014), arXiv:1409.8542", proviso=POPULATION),
        # T = b/m, ν = m − 1: the sample is the population, and only the synthesis is uncertain.
        Rule("population", _synthesis_total, _population_df, validity.needs_whole_columns, DERIVED,
             proviso=POPULATION),
        # T = b − w/r + b/m: as before, of a population whose missing values were imputed.
        Rule("population_nested", _nested_synthesis_total, _nested_synthesis_df, validity.needs_whole_nests, DERIVED,
             nested=True, proviso=POPULATION),
        # The same without missing values, where b is known to be ū, or (1 + k/n)ū.
        Rule("population_simple", _synthesis_simple_total, _normal_df, validity.needs_new_plug_in, DERIVED, least=1,
             proviso=POPULATION),
        Rule("population_proper", _synthesis_proper_total, _normal_df, validity.needs_new_proper, DERIVED, least=1,
             proviso=POPULATION),
    )
}
# fmt: on


def get_rule(name: str) -> Rule:
    """Return the rule called `name`, or raise MiceSimError."""
    if name not in RULES:
        raise MiceSimError(f"There is no pooling rule '{name}'{nearest(name, list(RULES))}")
    return RULES[name]


def default_rule(origin: Origin) -> Rule:
    """Return the rule for sets of this origin; raises MiceSimError where none is derived.

    Imputed data: rubin1987. Two-step synthetic data: reiter2004. Sequential synthetic data in which every cell is
    replaced: raab2016_simple, or raab2016_proper if parameters were drawn, or reiter2002 if a joint model drew them and
    the missing values together. All other synthetic data: reiter2003. With one synthesis of every imputation:
    one_synthesis, or reiter2002 if parameters were drawn.
    """
    if origin.mode == "impute":
        name = "rubin1987"
    elif origin.missing == "two-step" and origin.r == 1 and origin.mode == "sequential":
        name = "reiter2002" if origin.proper else "one_synthesis"
    elif origin.missing == "two-step":
        name = "reiter2004"
    elif origin.mode == "sequential" and origin.complete:
        name = "raab2016_proper" if origin.proper else "raab2016_simple"
        if origin.missing == "one-step":
            name = "reiter2002"
    else:
        name = "reiter2003"
    if refusal := RULES[name].refusal(origin):
        raise MiceSimError(refusal)
    return RULES[name]


def choose_rule(name: str | None, origin: Origin | None, force: bool = False) -> tuple[Rule, bool]:
    """Return the rule to use and whether it was forced on sets that it is not valid for.

    name : None is the default of the origin. origin : None, if unknown, takes any rule that is named.
    Raises MiceSimError for an unknown rule, or one that is not valid unless `force`.
    """
    if name is None:
        if origin is None:
            raise MiceSimError(f"Pooling needs a rule where the sets' origin is unknown; give rule=, {_known()}.")
        return default_rule(origin), False
    rule = get_rule(name)
    refusal = rule.refusal(origin) if origin else None
    if refusal and not force:
        raise MiceSimError(refusal.removesuffix(".") + ", or give force=True to use it all the same.")
    return rule, refusal is not None


def _known() -> str:
    return "one of " + ", ".join(RULES)
