"""Three models of testicular volume given age, and two ways to draw from one normal model.

    python experiments/tutorial/run.py

Writes tables and figures of results/tutorial, and the tables into the README of this folder. The pictures are those of
the synthetic data tutorial of Volker & Vink (LMU Open Science Center), with numbers for what they show.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mice_sim as ms
from mice_sim.analysis import MODELS, ModelFormula
from mice_sim.data import Column
from mice_sim.report.style import INK, PALETTE, Drawing, normal_quantile, panels, write

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results" / "tutorial"
BOYS, REPEATS, SEED = 120, 200, 2026
METHODS: dict[str, dict[str, Any]] = {
    "straight line": {"tv": "norm.nob"},
    "very flexible": {"tv": {"name": "cart", "minbucket": 1, "minsplit": 2, "cp": -1}},
    "square root, spline": {"tv": {"name": "sqrtnorm", "proper": False, "spline_df": 4}},
}
COLORS = dict(zip(METHODS, ("green", "blue", "vermilion"), strict=True))
MEASURES = {
    "utility": "S_pMSE of the table of age and volume",
    "negative": "Negative volumes",
    "told": "Volume told by age, within 5 %",
    "held out": "The same of boys who are not in the data",
}
SIZES = ["age", "hgt", "wgt"]
WAYS: dict[str, dict[str, Any]] = {
    "multivariate normal": {"method": {"name": "joint", "proper": False}},
    "sequential regressions": {
        "method": {"age": {"name": "norm", "proper": False}, "hgt": "norm.nob", "wgt": "norm.nob"}
    },
}


# ---- one outcome, three models


def synthesised(data: pd.DataFrame, name: str, seed: int) -> Any:
    return ms.synthesize(data, m=1, method={"age": "sample"} | METHODS[name], seed=seed)


def measured(data: pd.DataFrame, holdout: pd.DataFrame, made: Any) -> dict[str, float]:
    """Return the measures of one synthesis."""
    (table,) = ms.utility_tables(made, ways=[2])["S_pMSE"]
    attack = ms.attribute_inference(made, holdout=holdout, secrets=["tv"]).loc["tv"]
    negative = (made.completed(1)["tv"] < 0).mean()
    return {"utility": table, "negative": negative, "told": attack["attack"], "held out": attack["control"]}


def curve(data: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return ages and the volume that a model expects there; of the flexible one at the boys' own ages."""
    if name == "very flexible":
        own = data.sort_values("age")
        return own["age"].to_numpy(), own["tv"].to_numpy()
    left, right, back = ("tv", "age", 1) if name == "straight line" else ("sqrt(tv)", "ns(age, 4)", 2)
    columns = [Column(column, "continuous", None, np.dtype(float)) for column in ("age", "tv")]
    formula = ModelFormula.parse(f"{left} ~ {right}", columns).learn(data[["age", "tv"]].to_numpy().T)
    fit = MODELS["linear"](formula, data[["age", "tv"]].to_numpy().T)
    ages = np.linspace(data["age"].min(), data["age"].max(), 300)
    return ages, (formula.matrix(np.stack([ages, np.ones(300)])) @ fit.estimate) ** back


def three_models(boys: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return the boys who are synthesised, means and Monte Carlo errors of the measures, and a set of each model."""
    order = np.random.default_rng(SEED).permutation(len(boys))
    data, holdout = (boys[["age", "tv"]].iloc[order[i : i + BOYS]].reset_index(drop=True) for i in (0, BOYS))
    rows, first = [], {}
    for name in METHODS:
        made = [synthesised(data, name, seed) for seed in range(REPEATS)]
        found = pd.DataFrame([measured(data, holdout, one) for one in made])
        first[name] = made[0].completed(1)
        for measure in MEASURES:
            rows.append((name, measure, found[measure].mean(), found[measure].std() / np.sqrt(REPEATS)))
    return data, pd.DataFrame(rows, columns=["model", "measure", "mean", "mcse"]), first


# ---- one model, two ways to draw from it


def two_ways(boys: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return means and covariances of the boys and of sets, with Monte Carlo errors, and one set each."""
    rows, first = [("observed", *pair, value, 0.0) for pair, value in moments(boys[SIZES]).items()], {}
    for name, options in WAYS.items():
        sets = ms.synthesize(boys[SIZES], m=REPEATS, seed=SEED, **options).completed()
        found = pd.DataFrame([moments(one) for one in sets])
        first[name] = sets[0]
        for pair in found:
            rows.append((name, *pair, found[pair].mean(), found[pair].std() / np.sqrt(REPEATS)))
        for size in SIZES:
            below = pd.Series([(one[size] < 0).mean() for one in sets])
            rows.append((name, "below 0", size, below.mean(), below.std() / np.sqrt(REPEATS)))
    return pd.DataFrame(rows, columns=["source", "of", "with", "mean", "mcse"]), first


def moments(frame: pd.DataFrame) -> dict[tuple[str, str], float]:
    covariance = frame.cov()
    pairs = [(a, b) for i, a in enumerate(SIZES) for b in SIZES[i:]]
    return {("mean", a): frame[a].mean() for a in SIZES} | {(a, b): covariance.loc[a, b] for a, b in pairs}


# ---- figures


def models_figure(data: pd.DataFrame, measures: pd.DataFrame, first: dict[str, pd.DataFrame]) -> Drawing:
    figure, axes = panels(6, 3, 2.0)
    top, bottom = axes[:3], axes[3:]
    for axis, (name, color) in zip(top, COLORS.items(), strict=True):
        own = PALETTE[color]
        axis.plot(data["age"], data["tv"], "o", color=INK, markersize=3.2, markerfacecolor="none", markeredgewidth=0.5)
        ages, expected = curve(data, name)
        axis.plot(ages, expected, color=own, linewidth=0.5 if name == "very flexible" else 1.1)
        axis.plot(first[name]["age"], first[name]["tv"], "o", color=own, markersize=2.2, alpha=0.8)
        axis.axhline(0, color=INK, linewidth=0.4, linestyle=":")
        axis.set(title=name, xlabel="Age (years)", ylim=(-11, 38))
    top[0].set_ylabel("Testicular volume (ml)")
    told = {
        "utility": ("Utility: age × volume", "S_pMSE (right synthesis: 1 to 2)"),
        "negative": ("Utility: below nothing", "Negative volumes (%)"),
        "told": ("Risk: told by age", "% of boys (line: held out)"),
    }
    for axis, (measure, (title, label)) in zip(bottom, told.items(), strict=True):
        scale = 1 if measure == "utility" else 100
        rows = measures[measures["measure"] == measure].set_index("model").loc[list(METHODS)]
        if measure == "utility":
            axis.axvspan(1, 2, color=INK, alpha=0.12, linewidth=0, zorder=0)
        axis.barh(range(3), scale * rows["mean"], color=[PALETTE[color] for color in COLORS.values()], height=0.5)
        error = normal_quantile(0.95) * scale * rows["mcse"]
        axis.errorbar(scale * rows["mean"], range(3), xerr=error, fmt="none", color=INK, linewidth=0.8)
        if measure == "told":
            others = measures[measures["measure"] == "held out"].set_index("model").loc[list(METHODS), "mean"]
            axis.vlines(100 * others, np.arange(3) - 0.4, np.arange(3) + 0.4, color=INK, linewidth=1.6)
        axis.set(title=title, xlabel=label, yticks=range(3), yticklabels=METHODS if measure == "utility" else [])
        axis.invert_yaxis()
    caption = (
        "Testicular volume given age: boys (open), one synthetic set and the curve it was drawn from (colour) of three "
        f"models, and what they are worth, over {REPEATS} sets with 95 % Monte Carlo intervals. A volume is told by "
        "age if that of the synthetic record nearest in age is off by at most 5 %."
    )
    alt = "Three scatter plots of volume against age, and bars of utility and risk"
    return Drawing("volume_given_age", caption, alt, figure)


def ways_figure(boys: pd.DataFrame, first: dict[str, pd.DataFrame]) -> Drawing:
    shown = {"748 boys": boys, **first}
    figure, axes = panels(6, 3, 1.8, sharex=True, sharey="row")
    for (name, frame), color, upper, lower in zip(
        shown.items(), ("black", "vermilion", "blue"), axes[:3], axes[3:], strict=True
    ):
        for axis, size in ((upper, "hgt"), (lower, "wgt")):
            axis.plot(frame["age"], frame[size], "o", color=PALETTE.get(color, INK), markersize=1.6, alpha=0.5)
            axis.axhline(0, color=INK, linewidth=0.4, linestyle=":")
            axis.axvline(0, color=INK, linewidth=0.4, linestyle=":")
        upper.set_title(name)
        lower.set_xlabel("Age (years)")
    axes[0].set_ylabel("Height (cm)")
    axes[3].set_ylabel("Weight (kg)")
    caption = (
        "Heights and weights against age: the boys, and sets drawn from one normal model at once and column by column. "
        "The two ways agree; both miss the curve, and have boys of less than nothing."
    )
    return Drawing("two_ways", caption, "Six scatter plots: the boys, and two synthetic sets alike", figure)


# ---- page


def models_table(measures: pd.DataFrame) -> str:
    lines = [f"| | {' | '.join(METHODS)} |", "| --- |" + " ---: |" * len(METHODS)]
    for measure, title in MEASURES.items():
        rows = measures[measures["measure"] == measure].set_index("model").loc[list(METHODS)]
        scale, unit = (1, "") if measure == "utility" else (100, " %")
        cells = [f"{scale * row['mean']:.1f}{unit} ({scale * row['mcse']:.1f})" for _, row in rows.iterrows()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def ways_table(moments: pd.DataFrame) -> str:
    lines = [f"| | observed | {' | '.join(WAYS)} |", "| --- | ---: |" + " ---: |" * len(WAYS)]
    for (of, other), rows in moments.groupby(["of", "with"], sort=False):
        own = rows.set_index("source")
        scale, unit = (100, " %") if of == "below 0" else (1, "")
        title = {"mean": f"mean of {other}", "below 0": f"{other} below 0"}.get(str(of), f"covariance of {of}, {other}")
        title = f"variance of {of}" if of == other else title
        seen = f"{own.loc['observed', 'mean']:.2f}" if "observed" in own.index else "0 %"
        cells = [f"{scale * own.loc[way, 'mean']:.2f}{unit} ({scale * own.loc[way, 'mcse']:.2f})" for way in WAYS]
        lines.append(f"| {title} | {seen} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def put(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- {name} begins -->\n", f"<!-- {name} ends -->"
    head, _, rest = page.partition(begin)
    return head + begin + text + end + rest.partition(end)[2]


def main() -> None:
    boys = ms.load_dataset("boys_complete")
    data, measures, sets = three_models(boys)
    found, one_each = two_ways(boys)
    (RESULTS / "tables").mkdir(parents=True, exist_ok=True)
    measures.to_csv(RESULTS / "tables" / "models.csv", index=False, lineterminator="\n", float_format="%.6g")
    found.to_csv(RESULTS / "tables" / "two_ways.csv", index=False, lineterminator="\n", float_format="%.6g")
    write(RESULTS / "figures", lambda: [models_figure(data, measures, sets), ways_figure(boys, one_each)])
    page = (HERE / "README.md").read_text(encoding="utf-8")
    page = put(put(page, "models", models_table(measures)), "two_ways", ways_table(found))
    (HERE / "README.md").write_text(page, encoding="utf-8")
    print(models_table(measures), ways_table(found), sep="\n")


if __name__ == "__main__":
    main()
