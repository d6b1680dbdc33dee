"""`logreg`: logistic regression with parameters drawn from their posterior (Rubin 1987, pp. 169–170)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods import _categories
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target


@dataclass(frozen=True)
class Logreg(Method):
    """Options of `logreg`, which draws factors of two levels.

    The data are augmented against perfect prediction (White, Daniel & Royston 2010) and fitted by maximum
    likelihood; β* ~ N(β̂, (X'WX)⁻¹) and P(second level) = logit⁻¹(xβ*).

    proper : draw β*, as mice does; False takes β̂.
    """

    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("binary",)

    starts: ClassVar[bool] = True

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator, start: Fitted | None = None) -> Fitted:
        """Fit y on X and the pseudo-rows."""
        classes = _categories.Classes.of(y)
        if classes.count == 1:
            return _categories.constant(classes, y)
        matrix = X.matrix()
        units = _categories.measure(X, matrix)
        rows, notes = _categories.augmented(classes, matrix, units), _categories.left_out(units, X)
        return _categories.fit_multinomial(units, classes, rows, draws_theta=self.proper, notes=notes, start=start)
