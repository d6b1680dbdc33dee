"""What each synthesis of the boys leaks, beside its use: tables and figures of the study of privacy and utility.

    mice-sim run experiment=privacy_utility
    python experiments/privacy_utility/run.py

Asks halves of the boys, synthesised as the study says, what they tell of their own and not of the other half. Reads
the study's tables/performance.csv; writes leaks.csv, points.csv and figures beside it, and the table into the README of
this folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mice_sim as ms
from mice_sim.report.style import INK, PALETTE, Drawing, Style, handle, panels, rule, write
from mice_sim.study.config import compose, variants

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results" / "privacy_utility"
HALVES = 30
BEGIN, END = "<!-- run.py begins -->\n", "<!-- run.py ends -->"
COLORS = {"linked": "vermilion", "sequential": "blue"}
MARKS = {"cart": "o", "cart.deviance": "s", "rf": "^", "pmm": "D", "parametric": "P"}
MEASURES = {  # of the study: analysis, terms, statistic, measure, and how coefficients are summed up
    "tables": ("utility", "s_pmse_twoway", "theta", "mean"),
    "told_apart": ("utility", "auc", "theta", "mean"),
    "copied": ("copies", "copied", "theta", "mean"),
    "disclosed": ("disclosure", "DiSCO", "theta", "mean"),
    "replicated": ("disclosure", "repU", "theta", "mean"),
}


# ---- what leaks


def leaks(config: Any) -> pd.DataFrame:
    """Return, of every synthesis and half of the boys, what it tells of them and would tell of others."""
    boys = ms.load_dataset("boys_complete")
    given = dict(config.analysis["disclosure"])
    groups = given["groups"]
    asked = {
        "keys": given["keys"],
        "targets": given["targets"],
        "ngroups_keys": {key: groups[key] for key in given["keys"] if key in groups},
        "ngroups_targets": {target: groups[target] for target in given["targets"] if target in groups},
    }
    rows = []
    for half in range(HALVES):
        data, holdout = ms.split(boys, share=0.5, seed=half)
        for name, options in variants(config.synthesis).items():
            made = synthesised(data, options, half)
            auc = ms.membership_inference(made, holdout=holdout).table.loc["distance", "auc"]
            secrets = ms.attribute_inference(made, holdout=holdout)["risk"].mean()
            told = ms.multi_disclosure(made, **asked).table["DiSCO"].mean()
            rows.append((name, half, auc, secrets, told))
        others = ms.multi_disclosure([holdout], data, **asked).table["DiSCO"].mean()
        rows.append(("other boys", half, 0.5, 0.0, others))
    return pd.DataFrame(rows, columns=["source", "half", "members", "secrets", "disclosed_half"])


def synthesised(data: pd.DataFrame, options: dict[str, Any], seed: int) -> Any:
    taken = {k: v for k, v in options.items() if v is not None and k not in ("sample", "predictors", "m")}
    return ms.synthesize(data, m=1, predictor_matrix=options["predictors"], seed=seed, **taken)


# ---- points


def points(config: Any, found: pd.DataFrame) -> pd.DataFrame:
    """Return utility, disclosure, bias and coverage of every synthesis, with the Monte Carlo errors."""
    frame = pd.read_csv(RESULTS / "tables" / "performance.csv")
    rows = []
    for name, options in variants(config.synthesis).items():
        own, row = frame[frame["source"] == name], {"source": name, **described(options)}
        for measure, (analysis, statistic, what, _) in MEASURES.items():
            part = own[(own["analysis"] == analysis) & (own["statistic"] == statistic) & (own["measure"] == what)]
            part = part[part["term"] != "(all columns)"] if analysis == "copies" else part
            row |= {measure: part["estimate"].mean(), f"{measure}_mcse": np.sqrt((part["mcse"] ** 2).mean())}
        models = own[own["analysis"].isin(["linear", "ordinal"]) & (own["statistic"] == "estimate")]
        wide = models.pivot(index=["analysis", "term"], columns="measure", values=["estimate", "mcse"])
        spread = emp_se(frame).loc[wide.index]
        bias = (wide["estimate", "bias"] / spread).abs()
        row |= {"bias": bias.mean(), "bias_mcse": (wide["mcse", "bias"] / spread).mean()}
        cover = wide["estimate", "coverage"]
        row |= {"coverage": cover.mean(), "coverage_least": cover.min(), "coverage_most": cover.max()}
        row |= {"coverage_mcse": wide["mcse", "coverage"].max(), "replicates": int(own["n"].max())}
        rows.append(row)
    halves = found.groupby("source")[["members", "secrets", "disclosed_half"]]
    mean, error = halves.mean(), halves.sem().add_suffix("_mcse")
    return pd.DataFrame(rows).merge(mean.join(error), left_on="source", right_index=True, how="left")


def emp_se(frame: pd.DataFrame) -> pd.Series:
    """Return the empirical standard errors of the samples' own coefficients."""
    own = frame[(frame["source"] == "bootstrap") & (frame["statistic"] == "estimate") & (frame["measure"] == "emp_se")]
    return own.set_index(["analysis", "term"])["estimate"]


def described(options: dict[str, Any]) -> dict[str, Any]:
    method = options["method"] if isinstance(options["method"], str) else "parametric"
    extra = {
        "not own values": options.get("exclude_own"),
        f"{options.get('mindonors')} donors": options.get("mindonors"),
        "smoothed": options.get("smoothing"),
    }
    return {
        "mode": options["mode"], "method": method, "minbucket": options.get("minbucket"), "cp": options.get("cp"),
        "protection": ", ".join(name for name, there in extra.items() if there),
    }  # fmt: skip


# ---- figures


def drawings(frame: pd.DataFrame, found: pd.DataFrame) -> Iterator[Drawing]:
    base = found.loc[found["source"] == "other boys", "disclosed_half"].mean()
    yield curve(frame, base)
    yield copying(frame)
    yield inference(frame)


def looks() -> list[Any]:
    modes = [handle(Style(PALETTE[color], "-", "", f"{mode}, leaves 3 to 30")) for mode, color in COLORS.items()]
    marks = [handle(Style(INK, "none", mark, method)) for method, mark in MARKS.items()]
    return [*modes, *marks, handle(Style(INK, "none", "*", "cart, protected")), rule("nothing leaks", ":")]


def curve(frame: pd.DataFrame, base: float) -> Drawing:
    risks = {"members": ("Members told from others (AUC)", 0.5), "secrets": ("Secrets told (risk)", 0.0),
             "disclosed_half": ("Disclosed by age, hgt, reg (%)", base)}  # fmt: skip
    ticks = {"tables": [1, 2, 5, 10], "bias": [0.25, 0.5, 1, 2, 5]}
    uses = {"tables": "S_pMSE of tables of two columns", "bias": "Mean bias of coefficients (SE)"}
    figure, axes = panels(6, 2, 1.9, looks(), sharex="col", sharey="row")
    places = [(risk, use) for risk in risks for use in uses]
    for axis, (risk, use) in zip(axes, places, strict=True):
        for mode, color in COLORS.items():
            own = frame[frame["mode"] == mode]
            for _, path in own[(own["protection"] == "")].groupby(["method", "cp"], dropna=False, sort=False):
                path = path.sort_values("minbucket")
                dashed = path["cp"].iloc[0] == 1e-3
                axis.plot(
                    path[use], path[risk], "--" if dashed else "-", color=PALETTE[color], linewidth=0.8, alpha=0.7
                )
                for row in path.to_dict("records"):
                    size = 3 + 1.4 * np.log10(row["minbucket"] if row["minbucket"] == row["minbucket"] else 3)
                    axis.plot(row[use], row[risk], MARKS[row["method"]], color=PALETTE[color], markersize=size,
                              markerfacecolor="white" if dashed else PALETTE[color])  # fmt: skip
            safe = own[own["protection"] != ""]
            axis.plot(
                safe[use], safe[risk], "*", color=PALETTE[color], markersize=7, markeredgecolor=INK, markeredgewidth=0.3
            )
        axis.axhline(risks[risk][1], color=INK, linewidth=0.8, linestyle=":")
        axis.set_xscale("log")
        axis.minorticks_off()
        axis.set_xticks(ticks[use], map(str, ticks[use]))
    for axis, risk in zip(axes[::2], risks, strict=True):
        axis.set_ylabel(risks[risk][0])
    for axis, use in zip(axes[-2:], uses, strict=True):
        axis.set_xlabel(f"{uses[use]} ← better")
    caption = (
        "Risk against use of 29 syntheses of the boys. Left is better, below safer. Lines join trees with leaves "
        "of at least 3, 10 and 30 boys (larger marks); open and dashed: pruned (cp .001); stars: with a protection."
    )
    return Drawing("curve", caption, "Risk against utility in six panels, linked and sequential in two colours", figure)


def copying(frame: pd.DataFrame) -> Drawing:
    handles = [handle(Style(PALETTE["vermilion"], "none", "o", "linked")),
               handle(Style(PALETTE["blue"], "none", "s", "sequential")), rule("nothing leaks", ":")]  # fmt: skip
    figure, (left, right) = panels(2, 2, 3.6, handles, sharey=True)
    linked = frame[frame["mode"] == "linked"].reset_index(drop=True)
    twins = frame.set_index("source")
    for place, row in linked.iterrows():
        twin = row["source"].replace("linked", "new")
        left.plot(100 * row["copied"], place, "o", color=PALETTE["vermilion"], markersize=4)
        right.plot(row["members"], place, "o", color=PALETTE["vermilion"], markersize=4)
        if twin in twins.index:
            left.plot(100 * twins.loc[twin, "copied"], place, "s", color=PALETTE["blue"], markersize=3.5)
            right.plot(twins.loc[twin, "members"], place, "s", color=PALETTE["blue"], markersize=3.5)
    left.set(yticks=range(len(linked)), yticklabels=[named(row) for _, row in linked.iterrows()])
    left.set_xlabel("Values that are the record's own (%)")
    right.set_xlabel("Members told from others (AUC)")
    right.axvline(0.5, color=INK, linewidth=0.7, linestyle=":")
    left.set_xlim(0, None)
    left.invert_yaxis()
    caption = (
        "What linked records keep: the share of values that are those of the same record in the data, mean over nine "
        "columns (left), beside what an attacker tells without regard to the order of records (right)."
    )
    return Drawing(
        "copying", caption, "Dots by method: linked records keep a quarter to a half of their values", figure
    )


def inference(frame: pd.DataFrame) -> Drawing:
    figure, axes = panels(2, 2, 4.0, [rule("nominal level")], sharex=True)
    for axis, (mode, color) in zip(axes, COLORS.items(), strict=True):
        own = frame[frame["mode"] == mode].reset_index(drop=True)
        axis.hlines(own.index, own["coverage_least"], own["coverage_most"], color=PALETTE[color], linewidth=1)
        axis.plot(own["coverage"], own.index, "o", color=PALETTE[color], markersize=4)
        axis.axvline(0.95, color=INK, linewidth=0.7)
        axis.set(title=mode, yticks=own.index, yticklabels=[named(row) for _, row in own.iterrows()])
        axis.set(xlabel="Coverage of 95 % intervals", xlim=(0, 1.02))
        axis.invert_yaxis()
    caption = (
        "Coverage of the published study's two models, mean and range over their 17 coefficients, pooled over five "
        "sets by Reiter (2003)."
    )
    return Drawing("coverage", caption, "Ranges of coverage by method, linked and sequential", figure)


def named(row: pd.Series) -> str:
    leaves = f" {row['minbucket']:.0f}" if row["minbucket"] == row["minbucket"] else ""
    pruned = ", pruned" if row["cp"] == 1e-3 else ""
    return f"{row['method']}{leaves}{pruned}{', ' + row['protection'] if row['protection'] else ''}"


# ---- page


def markdown(frame: pd.DataFrame, found: pd.DataFrame) -> str:
    base = found.loc[found["source"] == "other boys", "disclosed_half"].mean()
    lines = [
        "| | S_pMSE, 2-way | bias (SE) | coverage | own values, % | members, AUC | secrets, risk | disclosed, % |",
        "| --- |" + " ---: |" * 7,
        f"| *other boys* | | | | | .50 | 0 | {base:.1f} |",
    ]
    for _, row in frame.iterrows():
        name = f"{'linked' if row['mode'] == 'linked' else 'new'}: {named(row)}"
        covered = f"{row['coverage']:.3f} ({row['coverage_least']:.3f} – {row['coverage_most']:.3f})".replace("0.", ".")
        cells = [f"{row['tables']:.1f}", f"{row['bias']:.2f}", covered, f"{100 * row['copied']:.0f}",
                 f"{row['members']:.2f}"[1:], f"{row['secrets']:.2f}", f"{row['disclosed_half']:.1f}"]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    worst = frame[
        ["tables_mcse", "bias_mcse", "coverage_mcse", "members_mcse", "secrets_mcse", "disclosed_half_mcse"]
    ].max()
    note = (
        f"\nMonte Carlo errors are at most {worst['tables_mcse']:.2f} (S_pMSE), {worst['bias_mcse']:.2f} (bias), "
        f"{worst['coverage_mcse']:.3f} (coverage), {worst['members_mcse']:.3f} (AUC), {worst['secrets_mcse']:.3f} "
        f"(risk) and {worst['disclosed_half_mcse']:.1f} (disclosed); {int(frame['replicates'].max())} replicates, "
        f"{HALVES} halves.\n"
    )
    return "\n".join(lines) + "\n" + note


def main() -> None:
    config = compose(["experiment=privacy_utility"])
    if not (RESULTS / "leaks.csv").exists():
        leaks(config).to_csv(RESULTS / "leaks.csv", index=False, lineterminator="\n", float_format="%.6g")
    found = pd.read_csv(RESULTS / "leaks.csv")
    frame = points(config, found)
    frame.to_csv(RESULTS / "points.csv", index=False, lineterminator="\n", float_format="%.6g")
    write(RESULTS / "figures", lambda: list(drawings(frame, found)))
    page = (HERE / "README.md").read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    text = head + BEGIN + markdown(frame, found) + END + rest.partition(END)[2]
    (HERE / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
