"""The options of the joint model, which draws all columns of a table at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis.joint.transform import TRANSFORMS
from mice_sim.synthesis.methods.base import Method

NAME = "joint"


@dataclass(frozen=True)
class Joint(Method):
    """Options of `joint`; see gibbs.py for the model.

    burn_in : cycles of every chain before its first set. between : cycles from one set of a chain to its next; all
        after burn-in are looked at for convergence. chains : how many start, from different values; set i belongs to
        chain i modulo their number.
    transform : "none", "scores" (normal scores) or "yeo-johnson" for all continuous columns, or {column: transform}.
    level_2 : the columns of the clusters; by default those that do not vary within them.
    auxiliary : complete columns that predict and are not modelled themselves; in a synthesis all that are kept are.
    response, interactions : a column, and products such as "ks2:female" that its model holds beside all other columns.
    scale_2 : the scale of the inverse-Wishart prior of the covariance between clusters is the identity times this, in
        variances of the columns; 1 is jomo's and makes small variances larger (experiments/goldstein), smaller ones let
        chains of clusters that hardly differ move less.
    noise : variance that is added to synthetic numbers, as a share of the column's.
    proper : parameters are drawn from their posterior for every set; False takes the posterior means for all.
    """

    burn_in: int = 1000
    between: int = 250
    chains: int = 4
    transform: str | Mapping[str, str] = "none"
    level_2: Sequence[str] | None = None
    auxiliary: Sequence[str] = ()
    response: str | None = None
    interactions: Sequence[str] = ()
    scale_2: float = 0.1
    noise: float = 0.0
    proper: bool = field(default=True)

    def __post_init__(self) -> None:
        for name, least in (("burn_in", 1), ("between", 1), ("chains", 1)):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
                raise MiceSimError(f"{name} is {number!r}; give a whole number of at least {least}.")
        given = self.transform.values() if isinstance(self.transform, Mapping) else [self.transform]
        for kind in given:
            if kind not in TRANSFORMS:
                raise MiceSimError(f"There is no transform '{kind}'{nearest(str(kind), list(TRANSFORMS))}")
        if isinstance(self.noise, bool) or not isinstance(self.noise, int | float) or not 0 <= self.noise < np.inf:
            raise MiceSimError(f"noise is {self.noise!r}; give a share of the variance, such as 0.1.")
        if isinstance(self.scale_2, bool) or not isinstance(self.scale_2, int | float) or not 0 < self.scale_2 < np.inf:
            raise MiceSimError(f"scale_2 is {self.scale_2!r}; give a number above 0, such as 0.1.")
        if not isinstance(self.proper, bool):
            raise MiceSimError(f"proper is {self.proper!r}; give True or False.")
        for name in ("level_2", "auxiliary", "interactions"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Sequence | None):
                raise MiceSimError(f"{name} is {value!r}; give a list of names.")
        if (self.response is None) != (not self.interactions):
            raise MiceSimError("interactions are those of a response; give both, such as response='y' and ['x:z'].")


def joint_of(method: Any, options: Mapping[str, object], proper: bool | None) -> Joint | None:
    """Return the joint model that a call asks for, or None if it asks for methods of columns.

    Raises MiceSimError for an option that it does not have, and where it is one of several methods.
    """
    if isinstance(method, Joint):
        asked: dict[str, Any] = {f.name: getattr(method, f.name) for f in dataclasses.fields(method)}
    elif method == NAME:
        asked = {}
    elif isinstance(method, Mapping) and method.get("name") == NAME:
        asked = {str(key): value for key, value in method.items() if key != "name"}
    else:
        if isinstance(method, Mapping) and any(_is_joint(given) for given in method.values()):
            raise MiceSimError(
                "The joint model draws all columns, so it can't be one column's method; use method='joint'."
            )
        return None
    asked |= options
    known = [f.name for f in dataclasses.fields(Joint)]
    for name in asked:
        if name not in known:
            raise MiceSimError(f"The method 'joint' has no option '{name}'{nearest(str(name), known)}")
    if proper is not None:
        asked["proper"] = proper
    return Joint(**asked)


def _is_joint(given: Any) -> bool:
    return isinstance(given, Joint) or given == NAME or (isinstance(given, Mapping) and given.get("name") == NAME)
