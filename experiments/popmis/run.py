"""Impute the popularity of pupils in schools in ten ways and hold the results against the complete data's.

    python experiments/popmis/run.py

Writes tables/effects.csv, tables/icc.csv and the figures of results/popmis, and the tables into the README of this
folder. The truth is the analysis of the complete data, as printed in the tutorial (Oberman et al.).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mice_sim as ms
from mice_sim.report.style import INK, PALETTE, Drawing, Style, handle, panels, rule, write

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results" / "popmis"
BEGIN, END = "<!-- run.py begins -->\n", "<!-- run.py ends -->"
M, SEED = 50, 2026
MODEL = "popular ~ sex * texp + (1 + sex | school)"
EMPTY = "popular ~ 1 + (1 | school)"
TERMS = ["(Intercept)", "sex", "texp", "sex:texp"]
TRUTH = pd.DataFrame(
    [(3.314, 2.998, 3.629), (1.330, 1.069, 1.590), (0.110, 0.090, 0.130), (-0.034, -0.051, -0.017)],
    index=TERMS,
    columns=["estimate", "low", "high"],
)
TRUE_ICC = 0.58

IN_SCHOOLS: dict[str, Any] = {"cluster": "school", "maxit": 1}
BY_CODE = {"popular": {"sex": 2, "texp": 1}}
METHODS: dict[str, dict[str, Any]] = {
    "norm": {"method": "norm", "without": "school"},
    "pmm": {"method": "pmm", "without": "school"},
    "cart": {"method": "cart", "without": "school"},
    "norm, school a factor": {"method": "norm", "factor": "school"},
    "pmm, school a factor": {"method": "pmm", "factor": "school"},
    "2l.norm": {"method": "2l.norm", **IN_SCHOOLS, "codes": {"popular": {"sex": 2, "texp": 2}}},
    "2l.pan": {"method": "2l.pan", **IN_SCHOOLS, "codes": BY_CODE},
    "2l.lmer": {"method": "2l.lmer", **IN_SCHOOLS, "codes": BY_CODE},
    "2l.pmm": {"method": "2l.pmm", **IN_SCHOOLS, "codes": BY_CODE},
    "2l.cart": {"method": "2l.cart", **IN_SCHOOLS},
    "2l.pan, with sex × texp": {"method": "2l.pan", **IN_SCHOOLS, "codes": BY_CODE, "product": True},
    "joint": {"method": {"name": "joint"}, **IN_SCHOOLS},
    "joint, with sex × texp": {
        "method": {"name": "joint", "response": "popular", "interactions": ["sex:texp"]},
        **IN_SCHOOLS,
    },
}

KINDS = {
    "complete cases": "grey",
    "ignoring schools": "vermilion",
    "schools as a factor": "orange",
    "two levels": "blue",
}


def kind(name: str) -> str:
    """Return what a method makes of schools."""
    if name == "complete cases":
        return name
    options = METHODS[name]
    return (
        "two levels" if "cluster" in options else "schools as a factor" if "factor" in options else "ignoring schools"
    )


def color(name: str) -> str:
    return PALETTE[KINDS[kind(name)]]


def legend() -> list[Any]:
    looks = [Style(PALETTE[color], "-", "o", label) for label, color in KINDS.items()]
    return [handle(look) for look in looks] + [rule("complete data"), rule("their 95 % interval", ":")]


def imputed(data: pd.DataFrame, options: dict[str, Any]) -> Any:
    """Return the sets of one way to impute."""
    options = dict(options)
    without, factor, codes = (options.pop(name, None) for name in ("without", "factor", "codes"))
    if factor:
        data = data.assign(**{factor: data[factor].astype(str).astype("category")})
    if options.pop("product", False):
        data = data.assign(product=data["sex"] * data["texp"])
    matrix = pd.DataFrame(1 - np.eye(data.shape[1], dtype=int), data.columns, data.columns)
    if without or "cluster" in options:
        matrix["school"] = 0
    for target, row in (codes or {}).items():
        for name, code in row.items():
            matrix.loc[target, name] = code
    if isinstance(options["method"], str):  # of one column; a joint model is one of all
        options |= {"method": {"popular": options["method"]}, "predictor_matrix": matrix}
    return ms.impute(data, m=M, seed=SEED, **{"maxit": 1, **options})


def estimates(name: str, fit: Any, empty: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    effects = ms.pool(fit).loc[TERMS, ["estimate", "std_error", "ci_lower", "ci_upper", "fmi"]]
    effects["in_se"] = (effects["estimate"] - TRUTH["estimate"]) / effects["std_error"]
    icc = ms.pool_variance_components(empty).loc["icc"]
    row = {"method": name, **icc[["estimate", "std_error", "ci_lower", "ci_upper"]]}
    return effects.rename_axis("term").reset_index().assign(method=name), row


def complete_cases(data: pd.DataFrame) -> Any:
    """Return the rows without missing values, as if they were imputations."""
    return ms.impute(data.dropna(), m=2, method="sample", maxit=1, seed=1)


def results(data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    effects, iccs, sets = [], [], {"complete cases": complete_cases(data)}
    sets |= {name: imputed(data, options) for name, options in METHODS.items()}
    for name, made in sets.items():
        found = estimates(name, made.fit(MODEL, model="mixed"), made.fit(EMPTY, model="mixed"))
        effects.append(found[0])
        iccs.append(found[1])
    return pd.concat(effects, ignore_index=True), pd.DataFrame(iccs), sets


# ---- figures


def figures(data: pd.DataFrame, effects: pd.DataFrame, iccs: pd.DataFrame, sets: dict[str, Any]) -> Iterator[Drawing]:
    yield missingness(data)
    yield forest(effects)
    yield clustering(iccs)
    yield schools(data, sets)


def missingness(data: pd.DataFrame) -> Drawing:
    figure, (axis,) = panels(1, 1, 2.2)
    bins = np.arange(data["texp"].min(), data["texp"].max() + 2) - 0.5
    for label, color, rows in (
        ("popularity observed", PALETTE["blue"], data["popular"].notna()),
        ("popularity missing", PALETTE["vermilion"], data["popular"].isna()),
    ):
        axis.hist(data.loc[rows, "texp"], bins, density=True, histtype="step", color=color, linewidth=1.3, label=label)
    axis.set(xlabel="Teacher's experience (years)", ylabel="Share of pupils")
    axis.legend(loc="upper right")
    caption = "Popularity is missing more often where teachers have more experience: it is missing at random."
    return Drawing(
        "missingness", caption, "Two histograms; that of pupils with missing popularity lies to the right", figure
    )


def forest(effects: pd.DataFrame) -> Drawing:
    names = list(effects["method"].unique())
    figure, axes = panels(len(TERMS), 2, 2.7, legend(), sharey=True)
    for axis, term in zip(axes, TERMS, strict=True):
        rows = effects[effects["term"] == term].set_index("method").loc[names]
        for place, (name, row) in enumerate(rows.iterrows()):
            axis.plot([row["ci_lower"], row["ci_upper"]], [place, place], color=color(name), linewidth=1.2)
            axis.plot(row["estimate"], place, "o", color=color(name), markersize=3.5)
        axis.axvline(TRUTH.loc[term, "estimate"], color=INK, linewidth=0.7)
        for side in ("low", "high"):
            axis.axvline(TRUTH.loc[term, side], color=INK, linewidth=0.7, linestyle=":")
        axis.set(title=term, yticks=range(len(names)), yticklabels=names)
        axis.margins(y=0.04)
    axes[0].invert_yaxis()
    caption = f"Fixed effects of {MODEL}, pooled over {M} imputations, with 95 % intervals."
    return Drawing("effects", caption, "Intervals of four fixed effects by method of imputation", figure)


def clustering(iccs: pd.DataFrame) -> Drawing:
    figure, (axis,) = panels(1, 1, 2.8, legend()[:-1])
    for place, row in iccs.iterrows():
        look = color(row["method"])
        axis.plot([row["ci_lower"], row["ci_upper"]], [place, place], color=look, linewidth=1.2)
        axis.plot(row["estimate"], place, "o", color=look, markersize=4)
    axis.axvline(TRUE_ICC, color=INK, linewidth=0.7)
    axis.set(xlabel="Intraclass correlation of popularity", yticks=range(len(iccs)), yticklabels=iccs["method"])
    axis.invert_yaxis()
    caption = f"Share of the variance of popularity that lies between schools, pooled over {M} imputations."
    return Drawing("icc", caption, "Intraclass correlation by method, with intervals", figure)


def schools(data: pd.DataFrame, sets: dict[str, Any]) -> Drawing:
    """Draw the mean of the imputed values of each school against that of its observed ones."""
    chosen = ["norm", "norm, school a factor", "2l.norm", "2l.pan", "2l.pmm", "2l.cart"]
    figure, axes = panels(len(chosen), 3, 1.9, [*legend()[1:4], rule("equal")], sharex=True, sharey=True)
    gone = data["popular"].isna()
    observed = data["popular"].groupby(data["school"]).mean()
    for axis, name in zip(axes, chosen, strict=True):
        made = sets[name].sets[:, list(data.columns).index("popular")].mean(axis=0)
        means = pd.Series(made[gone.to_numpy()]).groupby(data.loc[gone, "school"].to_numpy()).mean()
        both = pd.DataFrame({"observed": observed, "imputed": means}).dropna()
        axis.axline((5, 5), slope=1, color=INK, linewidth=0.7)
        axis.plot(both["observed"], both["imputed"], "o", color=color(name), markersize=2.5, alpha=0.7)
        axis.set(title=name)
    figure.supxlabel("Mean of the observed values of a school", fontsize=8)
    figure.supylabel("Mean of its imputed values", fontsize=8)
    caption = "Schools differ in popularity; imputations that ignore schools differ by little."
    return Drawing("schools", caption, "Scatter of imputed against observed school means for six methods", figure)


# ---- page


def markdown(effects: pd.DataFrame, iccs: pd.DataFrame) -> str:
    lines = ["| | " + " | ".join(TERMS) + " | ICC |", "| --- |" + " ---: |" * (len(TERMS) + 1)]
    lines.append("| *complete data* | " + " | ".join(f"{v:.3f}" for v in TRUTH["estimate"]) + f" | {TRUE_ICC:.2f} |")
    for _, row in iccs.iterrows():
        mine = effects[effects["method"] == row["method"]].set_index("term").loc[TERMS]
        cells = [f"{e:.3f} ({s:.3f})" for e, s in zip(mine["estimate"], mine["std_error"], strict=True)]
        lines.append(
            f"| {row['method']} | " + " | ".join(cells) + f" | {row['estimate']:.3f} ({row['std_error']:.3f}) |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    data = ms.load_dataset("popmis")[["school", "popular", "sex", "texp"]]
    effects, iccs, sets = results(data)
    (RESULTS / "tables").mkdir(parents=True, exist_ok=True)
    effects.to_csv(RESULTS / "tables" / "effects.csv", index=False, float_format="%.6g")
    iccs.to_csv(RESULTS / "tables" / "icc.csv", index=False, float_format="%.6g")
    write(RESULTS / "figures", lambda: list(figures(data, effects, iccs, sets)))
    page = (HERE / "README.md").read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    (HERE / "README.md").write_text(
        head + BEGIN + markdown(effects, iccs) + END + rest.partition(END)[2], encoding="utf-8"
    )
    print(markdown(effects, iccs))


if __name__ == "__main__":
    main()
