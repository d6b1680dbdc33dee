"""The performance measures of a simulation study, each with its Monte Carlo standard error.

Every measure is a function of n, mean and variance of a few variables over replicates. These moments merge
(Chan, Golub & LeVeque 1983), so that a study is summed up in any number of parts, and each variable has an n of its
own: where a standard error is missing, the estimate still counts. `python -m mice_sim.study.measures` prints
docs/measures.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from mice_sim.errors import MiceSimError, nearest
from mice_sim.registry import register

MORRIS = "Morris, White & Crowther (2019), Table 6"


@dataclass(frozen=True)
class Draws:
    """What replicates gave for each cell: float64 arrays (replicates, cells), NaN where there is none.

    `truth` may differ from replicate to replicate. `reference` is the estimate that a reference method gave in the
    same replicate.
    """

    estimate: np.ndarray
    truth: np.ndarray
    std_error: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    p_value: np.ndarray
    reference: np.ndarray


# ---- variables and their moments

ROUNDING = 1e-9  # a truth that is smaller than this share of its errors is 0, computed

Values = dict[str, np.ndarray]  # variables by name, each (replicates, cells), NaN where missing


def variables(draws: Draws, level: float) -> Values:
    """Return the variables whose moments make the measures; those of bias-eliminated coverage are in `centred`."""
    error = draws.estimate - draws.truth
    gap = draws.estimate - draws.reference
    return {
        "estimate": draws.estimate,
        "error": error,
        "error_share": error / np.where(draws.truth == 0, np.nan, draws.truth),
        "squared_error": error**2,
        "variance": draws.std_error**2,
        "covered": covered(draws.lower, draws.upper, draws.truth),
        "rejected": _indicator(draws.p_value < 1 - level, draws.p_value),
        "width": draws.upper - draws.lower,
        "failed": np.isnan(draws.estimate).astype(float),
        "paired": np.where(np.isnan(gap), np.nan, draws.estimate),
        "reference": np.where(np.isnan(gap), np.nan, draws.reference),
        "gap": gap,
    }


def centred(draws: Draws, centre: np.ndarray) -> Values:
    """Return whether intervals hold `centre` (cells,): the mean estimate, which takes a pass of its own."""
    return {"centre_covered": covered(draws.lower, draws.upper, centre)}


def covered(lower: np.ndarray, upper: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return 1 where lower ≤ truth ≤ upper, else 0; NaN where one of them is missing."""
    return _indicator((lower <= truth) & (truth <= upper), lower, upper, truth)


def _indicator(holds: np.ndarray, *needed: np.ndarray) -> np.ndarray:
    missing = reduce(np.logical_or, (np.isnan(x) for x in needed))
    return np.where(missing, np.nan, holds)


@dataclass(frozen=True)
class Moments:
    """Of one variable in every cell (cells,): how many replicates have it, their mean, Σ(x − mean)².

    `centre` is the mean, or 0 where there is no replicate yet.
    """

    n: np.ndarray
    centre: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Moments:
        """Return the moments of x (replicates, cells); NaN is missing."""
        known = ~np.isnan(x)
        n = known.sum(axis=0)
        with np.errstate(invalid="ignore"):
            centre = np.where(known, x, 0.0).sum(axis=0) / np.maximum(n, 1)
            squares = (np.where(known, x - centre, 0.0) ** 2).sum(axis=0)
        return cls(n, centre, squares)

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both together (Chan, Golub & LeVeque 1983, eq. 2.1)."""
        n = self.n + other.n
        with np.errstate(invalid="ignore"):
            step = other.centre - self.centre
            share = other.n / np.maximum(n, 1)
            squares = self.squares + other.squares + step**2 * self.n * share
            return Moments(n, self.centre + step * share, squares)

    @property
    def mean(self) -> np.ndarray:
        """The mean, NaN without replicates."""
        return np.where(self.n > 0, self.centre, np.nan)

    @property
    def variance(self) -> np.ndarray:
        """The variance with divisor n − 1, NaN with fewer than two replicates."""
        return np.where(self.n > 1, self.squares, np.nan) / np.maximum(self.n - 1, 1)

    @property
    def sd(self) -> np.ndarray:
        """The standard deviation with divisor n − 1, NaN with fewer than two replicates."""
        return np.sqrt(self.variance)


Sums = dict[str, Moments]


def moments(values: Values) -> Sums:
    """Return the moments of each variable."""
    return {name: Moments.of(x) for name, x in values.items()}


def without_zero_truths(sums: Sums) -> Sums:
    """Return the moments without error shares where the truth is 0 but for rounding: they are beyond all measure."""
    share = sums["error_share"]
    size = np.sqrt(share.centre**2 + share.squares / np.maximum(share.n, 1))
    return sums | {"error_share": Moments(np.where(size * ROUNDING < 1, share.n, 0), share.centre, share.squares)}


def merge(parts: Iterable[Sums]) -> Sums:
    """Return the moments of all parts together; the parts hold different replicates of the same cells."""
    return reduce(lambda one, other: {name: one[name].merge(other[name]) for name in one}, parts)


# ---- Monte Carlo standard errors: the one place where these formulas stand


def mean_mcse(sd, n):
    """Return sd/√n, the Monte Carlo standard error of a mean over n replicates."""
    return sd / np.sqrt(n)


def sd_mcse(sd, n):
    """Return sd/√(2(n − 1)), that of a standard deviation; exact for normal variables as n grows."""
    return sd / np.sqrt(2 * (n - 1))


def share_mcse(share, n):
    """Return √(p(1 − p)/n), that of a share of n replicates."""
    return np.sqrt(share * (1 - share) / n)


def paired_mcse(difference: Moments) -> np.ndarray:
    """Return that of a difference of two measures over the same replicates, from its influence values' moments."""
    return mean_mcse(difference.sd, difference.n)


def unpaired_mcse(one, other):
    """Return that of a difference of two measures over replicates that have nothing in common."""
    return np.sqrt(one**2 + other**2)


# ---- influence values: what each replicate adds to the error of a measure


def _scaled(values: Values, sums: Sums, name: str, deviation: np.ndarray) -> np.ndarray:
    # Replicates without the variable add nothing, the others the more: the mean is over n of R replicates.
    return np.where(np.isnan(values[name]), 0.0, deviation) * (sums["failed"].n / sums[name].n)


def _mean_influence(values: Values, sums: Sums, name: str) -> np.ndarray:
    return _scaled(values, sums, name, values[name] - sums[name].mean)


def _variance_influence(values: Values, sums: Sums, name: str) -> np.ndarray:
    m = sums[name]
    return _scaled(values, sums, name, (values[name] - m.mean) ** 2 - m.variance)


# ---- measures


@dataclass(frozen=True)
class Measure:
    """A performance measure.

    name, label : what the code and what readers call it. meaning : a sentence.
    formula, mcse_formula : what `estimate` and `mcse` compute, in the words of docs/measures.md. source : whose.
    estimate, mcse : functions of the moments, arrays (cells,). influence : a function of variables and all moments,
    (replicates, cells): sd(influence)/√R is a Monte Carlo standard error, also of sums and differences of measures
    over the same replicates. target : the right value at a confidence level, NaN if there is none.
    needs : the variables it is made of. kind : "mean" or "share" if it is one, which planning asks.
    """

    name: str
    label: str
    meaning: str
    formula: str
    mcse_formula: str
    source: str
    needs: tuple[str, ...]
    estimate: Callable[[Sums], np.ndarray]
    mcse: Callable[[Sums], np.ndarray]
    influence: Callable[[Values, Sums], np.ndarray]
    target: Callable[[float], float] = lambda level: math.nan
    kind: str = ""

    def n(self, sums: Sums) -> np.ndarray:
        """Return how many replicates count in each cell."""
        return reduce(np.minimum, (sums[name].n for name in self.needs))


def _mean(name: str, label: str, meaning: str, of: str, variable: str, percent: bool = False, **more) -> Measure:
    scale = 100.0 if percent else 1.0
    times = "100 * " if percent else ""
    return Measure(
        name, label, meaning, f"{times}mean({of})", f"{times}sd({of}) / sqrt(R)", MORRIS, (variable,),
        lambda sums: scale * sums[variable].mean,
        lambda sums: scale * mean_mcse(sums[variable].sd, sums[variable].n),
        lambda values, sums: scale * _mean_influence(values, sums, variable),
        kind="mean", **more,
    )  # fmt: skip


def _share(name: str, label: str, meaning: str, of: str, variable: str, **more) -> Measure:
    return Measure(
        name, label, meaning, f"mean({of})", f"sqrt({name} * (1 - {name}) / R)", MORRIS, (variable,),
        lambda sums: sums[variable].mean,
        lambda sums: share_mcse(sums[variable].mean, sums[variable].n),
        lambda values, sums: _mean_influence(values, sums, variable),
        kind="share", **more,
    )  # fmt: skip


def _emp_se(sums: Sums) -> np.ndarray:
    return sums["estimate"].sd


def _emp_se_influence(values: Values, sums: Sums) -> np.ndarray:
    return _variance_influence(values, sums, "estimate") / (2 * _emp_se(sums))


def _rmse(sums: Sums) -> np.ndarray:
    return np.sqrt(sums["squared_error"].mean)


def _rmse_mcse(sums: Sums) -> np.ndarray:
    return mean_mcse(sums["squared_error"].sd, sums["squared_error"].n) / (2 * _rmse(sums))


def _rmse_influence(values: Values, sums: Sums) -> np.ndarray:
    return _mean_influence(values, sums, "squared_error") / (2 * _rmse(sums))


def _model_se(sums: Sums) -> np.ndarray:
    return np.sqrt(sums["variance"].mean)


def _model_se_mcse(sums: Sums) -> np.ndarray:
    return np.sqrt(sums["variance"].variance / (4 * sums["variance"].n * _model_se(sums) ** 2))


def _model_se_influence(values: Values, sums: Sums) -> np.ndarray:
    return _mean_influence(values, sums, "variance") / (2 * _model_se(sums))


def _relative_error(sums: Sums) -> np.ndarray:
    return 100 * (_model_se(sums) / _emp_se(sums) - 1)


def _relative_error_mcse(sums: Sums) -> np.ndarray:
    model, empirical = _model_se(sums), _emp_se(sums)
    # Both relative errors, taken as independent; each standard error has the n of its own variable.
    return 100 * (model / empirical) * np.sqrt(
        (_model_se_mcse(sums) / model) ** 2 + (sd_mcse(empirical, sums["estimate"].n) / empirical) ** 2
    )  # fmt: skip


def _relative_error_influence(values: Values, sums: Sums) -> np.ndarray:
    model, empirical = _model_se(sums), _emp_se(sums)
    relative = _model_se_influence(values, sums) / model - _emp_se_influence(values, sums) / empirical
    return 100 * (model / empirical) * relative


def _precision_ratio(sums: Sums) -> np.ndarray:
    return sums["reference"].variance / sums["paired"].variance


def _relative_precision(sums: Sums) -> np.ndarray:
    return 100 * (_precision_ratio(sums) - 1)


def _relative_precision_mcse(sums: Sums) -> np.ndarray:
    reference, paired, gap = (sums[name].variance for name in ("reference", "paired", "gap"))
    covariance = (reference + paired - gap) / 2
    # Two methods that always agree differ by nothing, not by rounding.
    unshared = np.where(gap > 0, np.maximum(1 - covariance**2 / (reference * paired), 0.0), 0.0)
    return 200 * _precision_ratio(sums) * np.sqrt(unshared / (sums["gap"].n - 1))


def _relative_precision_influence(values: Values, sums: Sums) -> np.ndarray:
    reference, paired = (_variance_influence(values, sums, x) / sums[x].variance for x in ("reference", "paired"))
    return 100 * _precision_ratio(sums) * (reference - paired)


def _zero(level: float) -> float:
    return 0.0


def _level(level: float) -> float:
    return level


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        _mean("theta", "Mean estimate", "The mean of the estimates.", "estimate", "estimate"),
        _mean("bias", "Bias", "How far the estimates are from the truth on average.",
              "estimate - truth", "error", target=_zero),
        _mean("relative_bias", "Relative bias (%)", "Bias as a share of the truth, where the truth is not 0.",
              "(estimate - truth) / truth", "error_share", percent=True, target=_zero),
        Measure("emp_se", "Empirical SE", "How much the estimates vary from replicate to replicate.",
                "sd(estimate)", "emp_se / sqrt(2 * (R - 1))", MORRIS, ("estimate",),
                _emp_se, lambda sums: sd_mcse(_emp_se(sums), sums["estimate"].n), _emp_se_influence),
        _mean("mse", "Mean squared error", "Squared bias and variance together.",
              "(estimate - truth)^2", "squared_error"),
        Measure("rmse", "Root mean squared error", "The root of the mean squared error of all replicates.",
                "sqrt(mse)", "sd((estimate - truth)^2) / (2 * rmse * sqrt(R))", "delta method on the MSE",
                ("squared_error",), _rmse, _rmse_mcse, _rmse_influence),
        Measure("model_se", "Model SE", "The standard error that the analyses report, as a root mean square.",
                "sqrt(mean(se^2))", "sqrt(var(se^2) / (4 * R * model_se^2))", MORRIS, ("variance",),
                _model_se, _model_se_mcse, _model_se_influence),
        Measure("relative_error", "Relative error of the model SE (%)",
                "How far the reported standard errors are from the empirical one.",
                "100 * (model_se / emp_se - 1)",
                "100 * (model_se / emp_se) * sqrt(var(se^2) / (4 * R * model_se^4) + 1 / (2 * (R - 1)))", MORRIS,
                ("variance", "estimate"), _relative_error, _relative_error_mcse, _relative_error_influence, _zero),
        Measure("relative_precision", "Relative precision (%)",
                "How much more precise than the reference the estimates are, over the replicates that both have.",
                "100 * ((sd(reference) / emp_se)^2 - 1)",
                "200 * (sd(reference) / emp_se)^2 * sqrt((1 - cor(reference, estimate)^2) / (R - 1))", MORRIS,
                ("gap",), _relative_precision, _relative_precision_mcse, _relative_precision_influence),
        _share("coverage", "Coverage", "The share of confidence intervals that hold the truth.",
               "(lower <= truth) & (truth <= upper)", "covered", target=_level),
        _share("be_coverage", "Bias-eliminated coverage", "The share of intervals that hold the mean estimate.",
               "(lower <= theta) & (theta <= upper)", "centre_covered", target=_level),
        _share("rejection", "Rejection rate", "The share of tests of no effect that reject: power, or type I error.",
               "p_value < 1 - level", "rejected"),
        _mean("width", "Interval width", "The mean width of the confidence intervals.", "upper - lower", "width"),
        _share("failure_rate", "Failure rate", "The share of replicates in which the analysis gave no estimate.",
               "missing(estimate)", "failed", target=_zero),
    )
}  # fmt: skip


def register_measure(measure: Measure) -> None:
    """Make a performance measure available to studies, tables and figures, in this process.

    measure : one of your own under the same name is replaced. Raises MiceSimError if the package has a measure of this
    name.
    """
    register(MEASURES, "a measure", measure.name, measure, lambda known: known.estimate)


def get_measure(name: str) -> Measure:
    """Return the measure called `name`, or raise MiceSimError."""
    if name not in MEASURES:
        raise MiceSimError(f"There is no measure '{name}'{nearest(name, list(MEASURES))}")
    return MEASURES[name]


# ---- planning


def replicates_for(
    measure: str,
    mcse: float,
    *,
    share: float | None = None,
    sd: float | None = None,
    pilot: tuple[int, float] | None = None,
) -> int:
    """Return how many replicates bring a measure's Monte Carlo standard error down to `mcse`.

    Give what is expected: `share` of a share such as coverage, R = p(1 − p)/mcse²; `sd` over replicates of what a
    mean averages, R = (sd/mcse)²; `sd` of the estimates for emp_se, R = 1 + 1/(2(mcse/sd)²). For any measure,
    `pilot` = (replicates, mcse) of a first run, R = replicates·(pilot mcse/mcse)². Raises MiceSimError for an
    unknown measure, an mcse that is not positive, or if the number that the measure needs is not given.
    """
    kind = get_measure(measure).kind
    if not mcse > 0:
        raise MiceSimError(f"The Monte Carlo standard error wanted of {measure} is {mcse}; give a positive number.")
    if pilot is not None:
        needed = pilot[0] * (pilot[1] / mcse) ** 2
    elif kind == "share" and share is not None:
        needed = share * (1 - share) / mcse**2
    elif kind == "mean" and sd is not None:
        needed = (sd / mcse) ** 2
    elif measure == "emp_se" and sd is not None:
        needed = 1 + 1 / (2 * (mcse / sd) ** 2)
    else:
        wanted = {"share": "share or ", "mean": "sd or "}.get(kind, "sd or " if measure == "emp_se" else "")
        raise MiceSimError(f"Planning {measure} needs a guess; give {wanted}pilot=(replicates, mcse) of a first run.")
    return max(2, math.ceil(needed * (1 - 1e-12)))  # 1900 and not 1901 for rounding's sake


# ---- documentation

INTRODUCTION = """\
# Performance measures

Written by `python -m mice_sim.study.measures`; change the measures there, not here.

`estimate`, `se`, `lower`, `upper`, `p_value` and `truth` have one value for each replicate, `truth` often the same for
all. `reference` is the estimate of the reference method in the same replicate. `mean`, `sd`, `var` and `cor` are taken
over replicates, `sd` and `var` with divisor R − 1. `level` is that of the confidence intervals. R counts the replicates
that have the numbers in question: a missing standard error takes a replicate out of the model SE and not out of the
bias. Correlations and other statistics are averaged over the m sets of a replicate first: the replicate is the cluster.
"""

USES = """\
## Differences

Two methods, or two points of a sweep, that share their replicates are compared by influence values: what each replicate
adds to the error of a measure. A mean's is the variable minus its mean; the empirical SE's is
`((estimate - theta)^2 - emp_se^2) / (2 * emp_se)`, the model SE's `(se^2 - model_se^2) / (2 * model_se)`; the others
follow by the delta method. The difference A − B then has the Monte Carlo standard error
`sd(influence_A - influence_B) / sqrt(R)`; without shared replicates it is `sqrt(mcse_A^2 + mcse_B^2)`.

## How many replicates

| measure | replicates for a Monte Carlo standard error `mcse` |
| --- | --- |
| coverage and other shares | `share * (1 - share) / mcse^2` |
| bias and other means | `(sd / mcse)^2` |
| emp_se | `1 + 1 / (2 * (mcse / emp_se)^2)` |
| any, from a pilot | `R_pilot * (mcse_pilot / mcse)^2` |

## Sources

- Morris, T. P., White, I. R. & Crowther, M. J. (2019). Using simulation studies to evaluate statistical methods.
  Statistics in Medicine 38, 2074-2102.
- Chan, T. F., Golub, G. H. & LeVeque, R. J. (1983). Algorithms for computing the sample variance. The American
  Statistician 37, 242-247: moments of parts are merged by its formulas.
"""


def document() -> str:
    """Return docs/measures.md."""
    head = ("measure", "name", "what it says", "formula", "Monte Carlo standard error", "target", "source")
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for m in MEASURES.values():
        lines.append(
            f"| {m.label} | `{m.name}` | {m.meaning} | `{m.formula}` | `{m.mcse_formula}` | {_target(m)} | {m.source} |"
        )
    return "\n".join([INTRODUCTION, *lines, "", USES])


def _target(measure: Measure) -> str:
    if math.isnan(measure.target(0.5)):
        return "–"
    return "the level" if measure.target(0.5) == 0.5 else f"{measure.target(0.5):g}"


if __name__ == "__main__":
    print(document(), end="")
