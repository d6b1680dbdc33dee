"""`logreg.boot`: logistic regression on a bootstrap of the rows (van Buuren 2018, §3.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.augment import Units
from mice_sim.synthesis.methods import _categories
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target


@dataclass(frozen=True)
class LogregBoot(Method):
    """Maximum likelihood on a bootstrap sample of the fit rows, without augmentation, as in mice.

    Where the sample's classes are separated or its predictors depend on each other, a weak ridge keeps the
    estimates finite, and a note says so. mice reads the predictors of a target row that was observed (in
    over-imputation) from the bootstrap sample; here they are its own.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("binary",)
    deterministic: ClassVar[bool] = False
    proper = True

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> Fitted:
        sample = rng.integers(y.rows.size, size=y.rows.size)
        resampled = Target(y.column, y.values, y.rows[sample])
        classes = _categories.Classes.of(resampled)
        if classes.count == 1:
            return _categories.constant(classes, y)
        x = X.matrix()[sample]
        units = Units.of(x)
        rows = _categories.Rows(units.standardise(x), classes.y, np.ones(classes.y.size))
        notes = _categories.left_out(units, X)
        return _categories.fit_multinomial(units, classes, rows, draws_theta=False, notes=notes)
