"""`polyreg`: multinomial logistic regression (Brand 1999, chapter 4, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.methods import _categories
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target


@dataclass(frozen=True)
class Polyreg(Method):
    """Options of `polyreg`, with the defaults of mice.

    The data are augmented against perfect prediction (White, Daniel & Royston 2010) and fitted by maximum
    likelihood, the first observed category being the reference.

    proper : draw the parameters from the normal approximation of their posterior; mice does not.
    nnet_maxit : most steps, ≥ 1; ours are Newton's, and ten are plenty. nnet_MaxNWts : most weights, counted as
    nnet does: categories × (design columns + 2).
    """

    proper: bool = False
    nnet_maxit: int = 100
    nnet_MaxNWts: int = 1500

    kinds: ClassVar[tuple[Kind, ...]] = ("binary", "unordered", "ordered")

    def __post_init__(self) -> None:
        _categories.check_whole(1, nnet_maxit=self.nnet_maxit, nnet_MaxNWts=self.nnet_MaxNWts)

    starts: ClassVar[bool] = True

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator, start: Fitted | None = None) -> Fitted:
        """Fit y on X and the pseudo-rows. Raises MiceSimError for over 50 categories or too many weights."""
        classes = _categories.Classes.of(y)
        if classes.count == 1:
            return _categories.constant(classes, y)
        _categories.check_count(classes, y, "polyreg")
        return self.fit_classes(classes, y, X, (), start)

    def fit_classes(
        self,
        classes: _categories.Classes,
        y: Target,
        X: Predictors,
        notes: _categories.Notes,
        start: Fitted | None = None,
    ) -> Fitted:
        """Fit the given classes of y; `notes` come before the fit's own."""
        weights = classes.count * (len(X.names) + 2)
        if weights > self.nnet_MaxNWts:
            raise MiceSimError(
                f"The multinomial model of '{y.column.name}' has {weights} weights and nnet_MaxNWts is "
                f"{self.nnet_MaxNWts}; raise it, leave out predictors, or give '{y.column.name}' the method cart."
            )
        matrix = X.matrix()
        units = _categories.measure(X, matrix)
        rows = _categories.augmented(classes, matrix, units)
        notes += _categories.left_out(units, X)
        return _categories.fit_multinomial(units, classes, rows, self.proper, self.nnet_maxit, notes, start)
