"""The rows behind a study's numbers: how each statistic spread over the replicates, and which ones were at its ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mice_sim.report.tables import fixed
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary

BINS = 24  # of the small histogram of a statistic
BAR, HIGH = 4, 20  # its units: the width of a bar, the height of the highest

# Which stored statistic of a term a number of a table is made of; all others bear the statistic's own name.
MADE_OF = {
    "bias": "estimate", "emp_se": "estimate", "coverage": "ci_lower", "mean_std_error": "std_error", "mean_df": "df",
    "mean_count": "count", "sd_count": "count", "true_minus_synthetic": "correlation",
    "be_coverage": "ci_lower", "width": "ci_lower", "model_se": "std_error", "relative_error": "std_error",
    "rejection": "p_value",
}  # fmt: skip


@dataclass(frozen=True)
class Behind:
    """One statistic over its replicates.

    number : which row of every replicate it is; the page's anchor. n : finite values. mean, sd, least, most : rounded.
    least_at, most_at : the replicates of the smallest and the largest value. bars : the histogram from least to most
    as an SVG path.
    """

    number: int
    source: str
    term: str
    statistic: str
    n: int
    mean: str
    sd: str
    least: str
    least_at: int
    most: str
    most_at: int
    bars: str


class Rows:
    """The rows behind a study: `groups` by analysis for the page, and where a number's row stands.

    page : the address of the page that has the rows, empty for the one on which the numbers are.
    """

    def __init__(self, groups: Mapping[str, list[Behind]], page: str = ""):
        self.groups, self.page = groups, page
        self._at = {(name, b.source, b.term, b.statistic): b.number for name, rows in groups.items() for b in rows}

    def link(self, analysis: str, source: str, term: str, number: str, statistic: str = "") -> str | None:
        """Return the address of the row behind a number, None if no replicate has one, as for the original data's own.

        `number` is a column of a table or a measure; `statistic` what the measure is of, if it is one.
        """
        candidates = (MADE_OF.get(number), statistic or number)
        found = (self._at.get((analysis, source, term, name)) for name in candidates if name)
        return next((f"{self.page}#rows-{row}" for row in found if row is not None), None)

    def example(self) -> dict[str, str]:
        """Return the labels of the first row, for the line of code that reads rows."""
        name, first = next((name, behind[0]) for name, behind in self.groups.items())
        return {"analysis": name, "source": first.source, "term": first.term, "statistic": first.statistic}


def rows_behind(store: Store, summary: Summary, replicates: int, page: str = "") -> Rows:
    """Return the rows behind the numbers of the replicates 0..replicates−1, in two passes of flat memory."""
    least, least_at, most, most_at = _extremes(store, replicates)
    bars = _histograms(store, replicates, least, most)
    groups: dict[str, list[Behind]] = {}
    for i, row in enumerate(summary.rows.reset_index(drop=True).to_dict("records")):
        if row["n"]:
            numbers = [_number(float(x), row["sd"]) for x in (row["mean"], row["sd"], least[i], most[i])]
            groups.setdefault(row["analysis"], []).append(
                Behind(
                    i, row["source"], row["term"], row["statistic"], int(row["n"]), numbers[0], numbers[1], numbers[2],
                    int(least_at[i]), numbers[3], int(most_at[i]), _path(bars[i]),
                )
            )  # fmt: skip
    return Rows(groups, page)


def _extremes(store: Store, replicates: int) -> tuple[np.ndarray, ...]:
    least, most, least_at, most_at = (np.empty(0) for _ in range(4))
    for numbers, values, _ in store.blocks(replicates):
        low, high = np.where(np.isfinite(values), values, np.inf), np.where(np.isfinite(values), values, -np.inf)
        if not least.size:
            least, most = np.full(values.shape[1], np.inf), np.full(values.shape[1], -np.inf)
            least_at, most_at = np.zeros(len(least)), np.zeros(len(least))
        at_low, at_high, columns = low.argmin(axis=0), high.argmax(axis=0), np.arange(len(least))
        lower, higher = low[at_low, columns] < least, high[at_high, columns] > most
        least_at, most_at = np.where(lower, numbers[at_low], least_at), np.where(higher, numbers[at_high], most_at)
        least, most = np.minimum(least, low.min(axis=0)), np.maximum(most, high.max(axis=0))
    return least, least_at, most, most_at


def _histograms(store: Store, replicates: int, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Return the counts (rows, BINS) between the extremes; all in the middle where these are the same."""
    counts = np.zeros((len(least), BINS))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for _, values, _ in store.blocks(replicates):
            place = np.where(most > least, (values - least) / (most - least) * BINS, BINS / 2)
            for row, column in enumerate(np.where(np.isfinite(values) & np.isfinite(place), place, -1.0).T):
                bins = np.minimum(column[column >= 0].astype(int), BINS - 1)
                counts[row] += np.bincount(bins, minlength=BINS)
    return counts


def _path(counts: np.ndarray) -> str:
    """Return the outline of a histogram, from the lower left corner to the lower right one."""
    heights = np.rint(HIGH * (1 - counts / max(counts.max(), 1))).astype(int)
    return f"M0 {HIGH}" + "".join(f"V{height}h{BAR}" for height in heights) + f"V{HIGH}z"


def _number(value: float, sd: float) -> str:
    """Return a number with the decimals that show two digits of a spread, a dash if there is none."""
    if np.isnan(value):
        return "–"
    if not (np.isfinite(value) and 1e-5 < sd < 1e9):
        return (f"{value:.3g}" if sd > 0 else f"{value:.6g}").replace("-", "−")
    return fixed(value, max(int(1 - np.floor(np.log10(sd))), 0))
