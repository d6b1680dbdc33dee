"""A share of the rows is replaced: what Reiter's (2003) rule does, by the rows that the model is fitted to.

    python experiments/pooling_rules/parts.py

y = x/2 + e, n = 100; y of a random share of the rows is drawn anew five times by `norm.nob`, fitted to all rows,
or (with `ignore`) to those replaced. Writes parts.csv and figures/parts of results/pooling_rules.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import mice_sim as ms
from mice_sim.pooling import RULES, pool
from mice_sim.report.style import INK, PALETTE, Drawing, Style, handle, panels, rule, write

RESULTS = Path(__file__).parents[2] / "results" / "pooling_rules"
SHARES, REPEATS, N, M, SEED = (0.1, 0.3, 0.5, 0.7, 0.9), 1000, 100, 5, 2026
FITS = {"all rows": "vermilion", "rows that are replaced": "blue"}
ASKED = {"reiter2003": "the population's mean", "population": "the sample's mean"}


def one(share: float, fitted: str, number: int) -> list[tuple]:
    """Return what one sample gives: the estimate of the mean of y, standard error and limits by rule."""
    rng = np.random.default_rng([SEED, number])
    x = rng.standard_normal(N)
    data = pd.DataFrame({"x": x, "y": x / 2 + rng.standard_normal(N)})
    where = pd.DataFrame({"x": False, "y": rng.permutation(N) < share * N})
    ignore = None if fitted == "all rows" else ~where["y"].to_numpy()
    made = ms.synthesize(data, m=M, mode="linked", method="norm.nob", where=where, ignore=ignore, seed=number)
    y = np.array([frame["y"] for frame in made.completed()])
    q, u = y.mean(axis=1, keepdims=True), y.var(axis=1, ddof=1, keepdims=True) / N
    rows = []
    for name, truth in (("reiter2003", 0.0), ("population", data["y"].mean())):
        estimate, error, *_, low, high = pool(q, u, RULES[name], N - 1)[0][:, 0]
        rows.append((share, fitted, name, estimate - truth, error, low <= truth <= high))
    return rows


def summary() -> pd.DataFrame:
    rows = [
        row for share in SHARES for fitted in FITS for number in range(REPEATS) for row in one(share, fitted, number)
    ]
    frame = pd.DataFrame(rows, columns=["share", "fitted", "rule", "off", "std_error", "covers"])
    found = []
    for keys, own in frame.groupby(["share", "fitted", "rule"], sort=False):
        root, n = np.sqrt((own["off"] ** 2).mean()), len(own)
        error, cover = np.sqrt((own["std_error"] ** 2).mean()) / root - 1, own["covers"].mean()
        found.append((*keys, error, (1 + error) / np.sqrt(2 * n), cover, np.sqrt(cover * (1 - cover) / n)))
    columns = ["share", "fitted", "rule", "error", "error_mcse", "coverage", "coverage_mcse"]
    return pd.DataFrame(found, columns=columns)


def expected(share: np.ndarray) -> np.ndarray:
    """Return the relative error of Reiter's standard error where the model is fitted to all rows.

    With f the share, the residuals of the kept rows stay and those of the others do not, so the mean varies by
    f(1 − f)σₑ²/n more than the sample's; σₑ² is .8 of the variance of y.
    """
    between = 0.8 * share  # b in units of ū
    truth = 1 + 0.8 * share * (1 - share) + between / M
    return np.sqrt((1 + between / M) / truth) - 1


def drawing(frame: pd.DataFrame) -> Drawing:
    looks = [Style(PALETTE[color], "-", "o", f"fitted to {name}") for name, color in FITS.items()]
    handles = [*(handle(look) for look in looks), rule("right"), rule("derived", ":")]
    figure, axes = panels(4, 2, 1.9, handles, sharex=True)
    places = [(measure, name) for measure in ("error", "coverage") for name in ASKED]
    for axis, (measure, name) in zip(axes, places, strict=True):
        axis.axhline(0.95 if measure == "coverage" else 0, color=INK, linewidth=0.7)
        for fitted, color in FITS.items():
            own = frame[(frame["rule"] == name) & (frame["fitted"] == fitted)]
            axis.errorbar(own["share"], own[measure], 1.96 * own[f"{measure}_mcse"], fmt="o-", color=PALETTE[color],
                          markersize=3.5, linewidth=1.1)  # fmt: skip
        if (measure, name) == ("error", "reiter2003"):
            grid = np.linspace(0, 1, 100)
            axis.plot(grid, expected(grid), ":", color=INK, linewidth=0.9)
        if measure == "error":
            axis.set_title(f"{name}: {ASKED[name]}")
        else:
            axis.set_xlabel("Share of rows replaced")
    axes[0].set_ylabel("Error of the standard error")
    axes[2].set_ylabel("Coverage")
    caption = (
        "A share of the values of y is replaced. Fitted to all rows, a model forgets the residuals of those "
        "that it replaces, and rules that take its draws to be about the sample's own estimate are too narrow."
    )
    return Drawing("parts", caption, "Error of the standard error and coverage by share of rows", figure)


def main() -> None:
    frame = summary()
    frame.to_csv(RESULTS / "parts.csv", index=False, lineterminator="\n", float_format="%.6g")
    write(RESULTS / "figures", lambda: [drawing(frame)])
    print(frame.round(3).to_string())


if __name__ == "__main__":
    main()
