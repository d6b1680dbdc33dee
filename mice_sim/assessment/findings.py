"""Findings: what an assessment says in plain sentences, each with its number, and when it raises an alarm."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mice_sim.assessment.tabular import holm

Verdict = Literal["ok", "look", "alarm"]
VERDICTS: tuple[Verdict, ...] = ("ok", "look", "alarm")


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    section : "utility" or "disclosure". name : of the kind of finding. subject : the columns it is about.
    sentence, advice : what was found, and what to do about it.
    value, threshold : its number, and what a right synthesis without a leak has, or a rule of thumb; NaN for none.
    p : adjusted for all tests of the section; NaN without a test.
    verdict : "ok", "look" (beyond chance by itself, or by a rule of thumb), "alarm" (beyond chance among all tests of
        the section, and not small).
    """

    section: str
    name: str
    subject: str
    sentence: str
    advice: str
    value: float
    threshold: float
    p: float
    verdict: Verdict


@dataclass(frozen=True)
class Family:
    """All tests of a section, which are adjusted together.

    p, by_name : {(name, subject): p}, adjusted by Holm (1979) over the section and over the tests of one name.
    rate : of false alarms in the section.
    """

    p: Mapping[Hashable, float]
    by_name: Mapping[Hashable, float]
    rate: float

    @classmethod
    def of(cls, p: Mapping[tuple[str, str], float], rate: float) -> Family:
        """Adjust the tests; those without a p (NaN) were not made."""
        made = pd.Series({key: value for key, value in p.items() if not np.isnan(value)}, dtype=float)
        section = dict(zip(made.index, holm(made.to_numpy()), strict=True))
        by_name: dict[Hashable, float] = {}
        for name in dict.fromkeys(key[0] for key in made.index):
            mine = [key for key in made.index if key[0] == name]
            by_name |= dict(zip(mine, holm(made[mine].to_numpy()), strict=True))
        return cls(section, by_name, rate)

    def verdict(self, name: str, subject: str, large: bool = True) -> Verdict:
        """Return what a test says; `large` : whether what it found, if beyond chance, is large enough for an alarm."""
        if large and self.p.get((name, subject), np.nan) <= self.rate:
            return "alarm"
        return "look" if self.by_name.get((name, subject), np.nan) <= self.rate else "ok"

    def adjusted(self, name: str, subject: str) -> float:
        return float(self.p.get((name, subject), np.nan))


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the most severe verdict."""
    return max(verdicts, key=VERDICTS.index, default="ok")


def number(value: float, digits: int = 3) -> str:
    """Return a number to so many significant digits, without an exponent where it can be."""
    if not np.isfinite(value):
        return "undefined"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    text = f"{value:.{digits}g}" if 1e-3 <= abs(value) < 10**digits else f"{value:,.0f}"
    return (text if abs(value) >= 1e-3 else f"{value:.1g}").replace("-", "−")


def share(value: float) -> str:
    """Return a share in percent."""
    percent = 100 * value
    if 0 < percent < 0.05:
        return "less than 0.1 %"
    return f"{percent:.1f} %" if percent < 99.95 and percent != round(percent) else f"{percent:.0f} %"


def counted(n: int, one: str, many: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
