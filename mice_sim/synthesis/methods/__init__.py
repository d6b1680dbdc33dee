"""Conditional methods, one file each: a fit/draw pair registered under the name people type.

To add one, write a frozen dataclass derived from `Method` whose fields are its options, with
`fit(y, X, rng) -> fitted` and `fitted.draw(X, rng) -> values`, and list it in `METHODS` (or call `register_method`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mice_sim.data import Column
from mice_sim.errors import MiceSimError, nearest
from mice_sim.registry import register
from mice_sim.synthesis.methods.base import TRANSIENT, Fitted, Method, Predictors, Target
from mice_sim.synthesis.methods.cart import Cart
from mice_sim.synthesis.methods.cart_deviance import CartDeviance
from mice_sim.synthesis.methods.cubertnorm import CubertNorm
from mice_sim.synthesis.methods.heckman import Heckman
from mice_sim.synthesis.methods.lasso_logreg import LassoLogreg
from mice_sim.synthesis.methods.lasso_norm import LassoNorm
from mice_sim.synthesis.methods.lasso_select_logreg import LassoSelectLogreg
from mice_sim.synthesis.methods.lasso_select_norm import LassoSelectNorm
from mice_sim.synthesis.methods.lda import Lda
from mice_sim.synthesis.methods.level_2_cart import TwoLevelOnlyCart
from mice_sim.synthesis.methods.level_2_mean import TwoLevelOnlyMean
from mice_sim.synthesis.methods.level_2_norm import TwoLevelOnlyNorm
from mice_sim.synthesis.methods.level_2_pmm import TwoLevelOnlyPmm
from mice_sim.synthesis.methods.lognorm import LogNorm
from mice_sim.synthesis.methods.logreg import Logreg
from mice_sim.synthesis.methods.logreg_boot import LogregBoot
from mice_sim.synthesis.methods.mean import Mean
from mice_sim.synthesis.methods.midastouch import Midastouch
from mice_sim.synthesis.methods.mnar_logreg import MnarLogreg
from mice_sim.synthesis.methods.mnar_norm import MnarNorm
from mice_sim.synthesis.methods.norm import Norm
from mice_sim.synthesis.methods.norm_boot import NormBoot
from mice_sim.synthesis.methods.norm_nob import NormNob
from mice_sim.synthesis.methods.norm_predict import NormPredict
from mice_sim.synthesis.methods.normrank import NormRank
from mice_sim.synthesis.methods.pmm import Pmm
from mice_sim.synthesis.methods.polr import Polr
from mice_sim.synthesis.methods.polyreg import Polyreg
from mice_sim.synthesis.methods.quadratic import Quadratic
from mice_sim.synthesis.methods.rf import RandomForest
from mice_sim.synthesis.methods.ri import RandomIndicator
from mice_sim.synthesis.methods.sample import Sample
from mice_sim.synthesis.methods.sqrtnorm import SqrtNorm
from mice_sim.synthesis.methods.two_level_bin import TwoLevelBin
from mice_sim.synthesis.methods.two_level_cart import TwoLevelCart
from mice_sim.synthesis.methods.two_level_heckman import TwoLevelHeckman
from mice_sim.synthesis.methods.two_level_lmer import TwoLevelLmer
from mice_sim.synthesis.methods.two_level_norm import TwoLevelNorm
from mice_sim.synthesis.methods.two_level_pan import TwoLevelPan
from mice_sim.synthesis.methods.two_level_pmm import TwoLevelPmm

METHODS: dict[str, type[Method]] = {
    "2l.bin": TwoLevelBin,
    "2l.cart": TwoLevelCart,
    "2l.heckman": TwoLevelHeckman,
    "2l.lmer": TwoLevelLmer,
    "2l.norm": TwoLevelNorm,
    "2l.pan": TwoLevelPan,
    "2l.pmm": TwoLevelPmm,
    "2lonly.cart": TwoLevelOnlyCart,
    "2lonly.mean": TwoLevelOnlyMean,
    "2lonly.norm": TwoLevelOnlyNorm,
    "2lonly.pmm": TwoLevelOnlyPmm,
    "cart": Cart,
    "cart.deviance": CartDeviance,
    "cubertnorm": CubertNorm,
    "heckman": Heckman,
    "lasso.logreg": LassoLogreg,
    "lasso.norm": LassoNorm,
    "lasso.select.logreg": LassoSelectLogreg,
    "lasso.select.norm": LassoSelectNorm,
    "lda": Lda,
    "lognorm": LogNorm,
    "logreg": Logreg,
    "logreg.boot": LogregBoot,
    "mean": Mean,
    "midastouch": Midastouch,
    "mnar.logreg": MnarLogreg,
    "mnar.norm": MnarNorm,
    "norm": Norm,
    "norm.boot": NormBoot,
    "norm.nob": NormNob,
    "norm.predict": NormPredict,
    "normrank": NormRank,
    "pmm": Pmm,
    "polr": Polr,
    "polyreg": Polyreg,
    "quadratic": Quadratic,
    "rf": RandomForest,
    "ri": RandomIndicator,
    "sample": Sample,
    "sqrtnorm": SqrtNorm,
}
DEFAULTS = {"continuous": "pmm", "binary": "logreg", "unordered": "polyreg", "ordered": "polr"}
# By kind and level, as mice's two-level methods go; a level-2 column is the same for all rows of a cluster.
IN_CLUSTERS = {
    1: {"continuous": "2l.pmm", "binary": "2l.bin", "unordered": "2l.cart", "ordered": "2l.cart"},
    2: {"continuous": "2lonly.pmm", "binary": "2lonly.cart", "unordered": "2lonly.cart", "ordered": "2lonly.cart"},
}
PARAMETRIC = {**DEFAULTS, "continuous": "normrank"}

__all__ = [
    "METHODS",
    "TRANSIENT",
    "Fitted",
    "Method",
    "Predictors",
    "Target",
    "default",
    "make_each",
    "register_method",
]


def register_method(name: str, method: type[Method]) -> None:
    """Make `method` available as `method="name"`, in this process.

    name : any but those of the package; one of your own is replaced. method : a subclass of `Method`, a frozen
    dataclass. Raises MiceSimError if the package has a method of this name, or it is no `Method`.
    """
    if not (isinstance(method, type) and issubclass(method, Method) and dataclasses.is_dataclass(method)):
        raise MiceSimError(f"The method '{name}' must be a dataclass derived from mice_sim.Method.")
    register(METHODS, "a method", name, method)


def default(column: Column) -> str:
    """Return the method that mice chooses for a column of this kind."""
    return DEFAULTS[column.kind]


def default_in_clusters(column: Column, level: int) -> str:
    """Return the method for a column of this kind at level 1 (rows) or 2 (clusters)."""
    return IN_CLUSTERS[level][column.kind]


def parametric(column: Column) -> str:
    """Return the method that synthpop's "parametric" chooses for a column of this kind."""
    return PARAMETRIC[column.kind]


def name_of(method: Method) -> str:
    """Return the name that people type for a method."""
    return next((name for name, known in METHODS.items() if known is type(method)), type(method).__name__.lower())


def make_each(wanted: Mapping[int, Any], options: Mapping[str, object]) -> dict[int, Method]:
    """Return the method of each column number.

    wanted : a name, {"name": …, option: …} or a `Method` by column number. options : for all that know them.
    Raises MiceSimError for an unknown method, or for an option that none of the methods has.
    """
    parts = {j: _split(given) for j, given in wanted.items()}
    names = {name for name, _ in parts.values() if isinstance(name, str)}
    for name in sorted(names):
        if name not in METHODS:
            raise MiceSimError(f"There is no method '{name}'{nearest(name, list(METHODS))}")
    known = {name: {f.name for f in dataclasses.fields(METHODS[name])} for name in names}  # type: ignore[arg-type]
    if names:  # without columns to draw, options have no say
        _check_options({k: v for k, v in options.items() if k != "proper"}, known, names)
    made: dict[str, Method] = {}
    for name in names:
        made[name] = METHODS[name](**{k: v for k, v in options.items() if k in known[name]})
    result: dict[int, Method] = {}
    for j, (name, own) in parts.items():
        if isinstance(name, Method):
            result[j] = name
            continue
        _check_options(own, {name: known[name]}, {name})
        result[j] = dataclasses.replace(made[name], **own) if own else made[name]  # type: ignore[type-var]
    return result


def _split(given: Any) -> tuple[Any, dict[str, Any]]:
    """Return the name and the options of what a user gave as a method."""
    if isinstance(given, Method):
        return given, {}
    if isinstance(given, Mapping):
        own = dict(given)
        if "name" not in own:
            raise MiceSimError(f"The method {dict(given)} has no name; write {{'name': 'pmm', 'donors': 3}}.")
        return str(own.pop("name")), own
    return str(given), {}


def _check_options(options: Mapping[str, object], known: Mapping[str, set[str]], names: set[str]) -> None:
    for option in options:
        if not any(option in fields for fields in known.values()):
            all_options = sorted(set().union(*known.values()))
            raise MiceSimError(
                f"The method '{', '.join(sorted(names))}' has no option '{option}'"
                + (nearest(option, all_options) if all_options else "; it has none.")
            )
