"""The part of an imputation model that data can't tell: shifts as a linear function of predictors (NARFCS)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis.methods.base import Predictors, Target

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TERM = re.compile(rf"\s*([+-])?\s*({_NUMBER})\s*(?:\*\s*(?:`([^`]+)`|([^\W\d][\w.^]*)))?\s*")


@dataclass(frozen=True)
class Shift:
    """constant + Σ delta·predictor. names : of design columns, as R prints them (`bmi`, `regsouth`)."""

    constant: float
    names: tuple[str, ...]
    deltas: tuple[float, ...]

    @classmethod
    def parse(cls, text: object) -> Shift:
        """Read a sum such as "-3+2*bmi-.5*`reg south`"; raises MiceSimError."""
        terms = _terms(text) if isinstance(text, str) else None
        if not terms:
            raise MiceSimError(f'ums is {text!r}; write numbers, and numbers times predictors, as in "-3+2*bmi".')
        names = [name for name, _ in terms]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise MiceSimError(f"ums is {text!r}, which has {twice or 'a constant'} twice; add the two up.")
        shift = dict(terms)
        constant = shift.pop("", 0.0)
        return cls(constant, tuple(shift), tuple(shift.values()))

    def positions(self, y: Target, X: Predictors) -> np.ndarray:
        """Return the positions of the predictors in the matrix of X; raises MiceSimError for one it does not have."""
        for name in self.names:
            if name not in X.names:
                hint = nearest(name, X.names) if X.names else "; nothing does."
                raise MiceSimError(f"ums of '{y.column.name}' uses '{name}', which does not predict it{hint}")
        return np.array([X.names.index(name) for name in self.names], np.int64)


def _terms(text: str) -> list[tuple[str, float]] | None:
    """Return (name or "", signed number) of each term, or None if the text is no such sum."""
    found, place = [], 0
    while place < len(text):
        match = _TERM.match(text, place)
        if match is None or (match[1] is None and place > 0):
            return None
        found.append((match[3] or match[4] or "", float((match[1] or "") + match[2])))
        place = match.end()
    return found
