"""What each combining rule does with each kind of sets, by their number: tables and figures of three studies.

    mice-sim run -m experiment=pooling_rules
    mice-sim run experiment=pooling_rules_one_set
    mice-sim run -m experiment=pooling_rules_boys
    python experiments/pooling_rules/run.py

Reads tables/performance.csv of the three; writes by_rule.csv and figures of results/pooling_rules, and the tables into
the README of this folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.report.style import INK, LINES, MARKERS, PALETTE, Drawing, Style, handle, panels, rule, write
from mice_sim.study.config import compose
from mice_sim.study.replicate import Replicator

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results"
STUDIES = {"pooling_rules": "normal", "pooling_rules_one_set": "normal", "pooling_rules_boys": "boys"}
KINDS = {
    "new_fixed": "New, fixed parameters",
    "new_drawn": "New, drawn parameters",
    "new_fixed_twice": "New, fixed, k = 2n",
    "y_fixed": "y replaced, fixed",
    "y_drawn": "y replaced, drawn",
    "part_fixed": "y of 30 % replaced, fixed",
    "part_drawn": "y of 30 % replaced, drawn",
    "linked_drawn": "Linked, all replaced in turn",
    "imputed": "Imputed",
    "two_steps": "Two steps, r = 5",
    "two_steps_one": "Two steps, r = 1, fixed",
    "two_steps_one_drawn": "Two steps, r = 1, drawn",
    "one_step_y": "One step, y replaced, fixed",
    "one_step_y_drawn": "One step, y replaced, drawn",
    "linked_trees": "Boys: linked trees",
    "sequential_trees": "Boys: trees in sequence",
}
RULES = ["rubin1987", "reiter2003", "raab2016_simple", "raab2016_proper", "reiter2002", "one_synthesis", "reiter2004"]
WHOLE = ["population", "population_simple", "population_proper", "vinkvanbuuren2014", "reiter2003"]
LOOKS = {
    name: Style(list(PALETTE.values())[i % len(PALETTE)], LINES[i], MARKERS[i], name)
    for i, name in enumerate(dict.fromkeys([*RULES, *WHOLE]))
}


# ---- numbers


def rows_of(study: str) -> pd.DataFrame:
    """Return coverage and relative error of the standard error by kind of sets, rule, question, m and term."""
    config = compose([f"experiment={study}"])
    frame = pd.read_csv(RESULTS / study / "tables" / "performance.csv")
    frame = frame[(frame["statistic"] == "estimate") & frame["source"].isin(KINDS)]
    m = frame["synthesis.m"] if "synthesis.m" in frame else config.synthesis["m"]
    keys = ["study", "m", "source", "analysis", "term"]
    frame = frame.assign(study=study, m=m)
    wide = frame.pivot(index=keys, columns="measure", values=["estimate", "mcse", "n"])
    found = pd.DataFrame({"coverage": wide["estimate", "coverage"], "coverage_mcse": wide["mcse", "coverage"]})
    # Error about the truth, which differs from replicate to replicate where the sample is the population.
    root = np.sqrt(wide["estimate", "mse"])
    ratio = wide["estimate", "model_se"] / root
    parts = (wide["mcse", measure] / wide["estimate", measure] for measure in ("model_se", "mse"))
    about = np.sqrt(sum((part * weight) ** 2 for part, weight in zip(parts, (1, 0.5), strict=True)))
    found = found.assign(error=ratio - 1, error_mcse=ratio * about, bias=wide["estimate", "bias"] / root)
    found = found.assign(replicates=wide["n", "coverage"]).reset_index()
    found["rule"] = found["analysis"].map(lambda name: rule_of(config, name))
    found["question"] = found["analysis"].map(
        lambda name: "sample" if config.analysis[name].get("truth") == "sample" else "population"
    )
    refused = refusals(study)
    found["valid"] = [(source, name) not in refused for source, name in found[["source", "analysis"]].to_numpy()]
    found.loc[(found["question"] == "sample") & (found["rule"] == "reiter2003"), "valid"] = False
    return found


def rule_of(config: Any, name: str) -> str:
    return str(config.pooling.get(name, config.pooling.get(config.analysis[name]["kind"])))


def refusals(study: str) -> set[tuple[str, str]]:
    """Return the kinds of sets and analyses whose rule the engine says is not valid."""
    shared = Replicator(compose([f"experiment={study}"]).key())
    events = shared.original().events
    return {(event["source"], event["variable"]) for event in events if event["what"].startswith("pooled by")}


def summary() -> pd.DataFrame:
    """Return each measure over the coefficients: mean, least and most, and the largest Monte Carlo error."""
    rows = pd.concat([rows_of(study) for study in STUDIES], ignore_index=True)
    rows["model"] = np.where(rows["study"] == "pooling_rules_boys", rows["analysis"].str.partition("_")[0], "linear")
    keys = ["study", "source", "model", "question", "rule", "valid", "m"]
    found = rows.groupby(keys, sort=False).agg(
        coverage=("coverage", "mean"), least=("coverage", "min"), most=("coverage", "max"),
        coverage_mcse=("coverage_mcse", "max"), error=("error", "mean"), error_least=("error", "min"),
        error_most=("error", "max"), error_mcse=("error_mcse", "max"), bias=("bias", lambda b: b.abs().max()),
        replicates=("replicates", "min"),
    )  # fmt: skip
    return found.reset_index()


# ---- figures


def drawings(frame: pd.DataFrame) -> Iterator[Drawing]:
    normal = frame[frame["study"] != "pooling_rules_boys"]
    kinds = [kind for kind in KINDS if kind in set(normal["source"])]
    ask = normal["question"] == "population"
    yield by_number(normal[ask], kinds, RULES, "coverage", (0.62, 1.0), "coverage", "Coverage of 95 % intervals")
    yield by_number(normal[ask], kinds, RULES, "error", (-0.5, 1.05), "se", "Relative error of the standard error")
    complete = ["new_fixed", "new_drawn", "new_fixed_twice", "y_fixed", "part_drawn", "linked_drawn"]
    yield by_number(
        normal[~ask], complete, WHOLE, "coverage", (0.62, 1.0), "whole_coverage", "Coverage of 95 % intervals"
    )
    boys = frame[(frame["study"] == "pooling_rules_boys")]
    yield of_boys(boys)


def by_number(
    frame: pd.DataFrame,
    kinds: list[str],
    rules: list[str],
    measure: str,
    limits: tuple[float, float],
    name: str,
    label: str,
) -> Drawing:
    there = [r for r in rules if (frame["rule"] == r).any()]
    target = 0.95 if measure == "coverage" else 0.0
    handles = [
        *(handle(LOOKS[r], solid=True) for r in there),
        rule("nominal level" if measure == "coverage" else "no error"),
    ]
    figure, axes = panels(len(kinds), 3, 1.6, handles, sharex=True, sharey=True)
    for axis, kind in zip(axes, kinds, strict=True):
        axis.axhline(target, color=INK, linewidth=0.7)
        for r in there:
            lines(axis, frame[(frame["source"] == kind) & (frame["rule"] == r)], r, measure, limits)
        axis.set(title=KINDS[kind], xscale="log", ylim=limits)
        axis.set_xticks([1, 2, 5, 20, 50], ["1", "2", "5", "20", "50"])
        axis.minorticks_off()
    figure.supxlabel("Number of sets m", fontsize=8)
    figure.supylabel(label, fontsize=8)
    caption = (
        f"{label} by kind of sets, rule and number of sets; means over coefficients. Filled marks: the rule is valid "
        "for such sets, with a 95 % Monte Carlo interval. Marks at the edge lie beyond it."
    )
    return Drawing(name, caption, caption, figure)


def lines(axis: Any, rows: pd.DataFrame, r: str, measure: str, limits: tuple[float, float]) -> None:
    rows = rows.dropna(subset=[measure]).sort_values("m")
    if rows.empty:
        return
    valid, look = bool(rows["valid"].all()), LOOKS[r]
    y = rows[measure].clip(*limits)
    axis.plot(
        rows["m"], y, look.marker, color=look.color, linestyle="-" if valid else (0, (1, 2)),
        linewidth=1.5 if valid else 0.8, markersize=4 if valid else 3.2, clip_on=False,
        markerfacecolor=look.color if valid else "white", alpha=1 if valid else 0.75, zorder=3 if valid else 2,
    )  # fmt: skip
    if valid:
        error = 1.96 * rows[f"{measure}_mcse"]
        axis.fill_between(rows["m"], (y - error).clip(*limits), (y + error).clip(*limits), color=look.color, alpha=0.15)


def of_boys(frame: pd.DataFrame) -> Drawing:
    """Draw the range over coefficients, by rule, of the published study's two models."""
    titles = {"linear": "hgt ~ age + phb", "ordinal": "gen ~ age + hc + reg"}
    kinds = {"linked_trees": "Linked", "sequential_trees": "Sequence"}
    sizes = sorted(frame["m"].unique())
    asked = [("population", [r for r in RULES if r in set(frame["rule"])]), ("sample", WHOLE[:2] + WHOLE[3:4])]
    places = [(question, r) for question, names in asked for r in names]
    looks = [
        Style(color, "-", mark, f"m = {m}") for m, color, mark in zip(sizes, PALETTE.values(), MARKERS, strict=False)
    ]
    figure, axes = panels(
        4, 2, 2.5, [*(handle(look) for look in looks), rule("nominal level")], sharex=True, sharey=True
    )
    for axis, (kind, model) in zip(axes, [(k, t) for k in kinds for t in titles], strict=True):
        for i, (question, r) in enumerate(places):
            own = frame[(frame["source"] == kind) & (frame["model"] == model) & (frame["question"] == question)]
            for shift, m, look in zip(np.linspace(-0.25, 0.25, len(sizes)), sizes, looks, strict=True):
                row = own[(own["rule"] == r) & (own["m"] == m)]
                if len(row):
                    fill = look.color if row["valid"].all() else "white"
                    axis.hlines(i + shift, row["least"], row["most"], color=look.color, linewidth=1)
                    axis.plot(
                        row["coverage"], i + shift, look.marker, color=look.color, markersize=3.5, markerfacecolor=fill
                    )
        axis.axvline(0.95, color=INK, linewidth=0.7)
        axis.axhline(len(asked[0][1]) - 0.5, color=INK, linewidth=0.5, linestyle=":")
        names = [f"{r}{' (of the sample)' if question == 'sample' else ''}" for question, r in places]
        axis.set(title=f"{kinds[kind]}: {titles[model]}", yticks=range(len(places)), yticklabels=names)
    axes[0].invert_yaxis()
    for axis in axes[2:]:
        axis.set_xlabel("Coverage of 95 % intervals")
    caption = (
        "Deep trees on bootstrap samples of the boys: mean and range over the coefficients of coverage by rule and "
        "number of sets. Filled: the rule is valid for such sets. Below the dotted line: the truth is the sample's."
    )
    return Drawing("boys", caption, caption, figure)


# ---- page


def table(frame: pd.DataFrame, question: str, rules: list[str], m: int, measure: str) -> str:
    rows = frame[(frame["question"] == question) & (frame["m"] == m)]
    there = [r for r in rules if (rows["rule"] == r).any()]
    lines = [f"| m = {m} | {' | '.join(there)} |", "| --- |" + " --- |" * len(there)]
    for (kind, model), own in rows.groupby(["source", "model"], sort=False):
        cells = {row["rule"]: cell(row, measure) for row in own.to_dict("records")}
        name = KINDS[str(kind)] + (f", {model}" if kind in ("linked_trees", "sequential_trees") else "")
        lines.append(f"| {name} | {' | '.join(cells.get(r, '–') for r in there)} |")
    return "\n".join(lines) + "\n"


def cell(row: dict[str, Any], measure: str) -> str:
    if np.isnan(row[measure]):
        return "–"
    text = f"{row[measure]:.3f}" if measure == "coverage" else f"{100 * row[measure]:+.0f} %"
    text = text.replace("-", "−").removeprefix("0") if measure == "coverage" else text.replace("-", "−")
    return f"**{text}**" if row["valid"] else text


def page(frame: pd.DataFrame) -> dict[str, str]:
    normal, boys = frame[frame["study"] != "pooling_rules_boys"], frame[frame["study"] == "pooling_rules_boys"]
    few, many = (int(f(normal["m"][normal["m"] > 1])) for f in (min, max))

    def said(part: pd.DataFrame) -> str:
        several = part.loc[part["m"] > 1, "replicates"].min()
        alone = part.loc[part["m"] == 1, "replicates"]
        more = f", {alone.min():.0f} for m = 1" if len(alone) else ""
        worst = part["coverage_mcse"].max()
        return f"Monte Carlo errors of a coefficient: at most {worst:.3f} ({several:.0f} replicates{more}).\n"

    coverage = [table(normal, "population", RULES, m, "coverage") for m in (1, few, 5, many)]
    whole = [table(normal, "sample", WHOLE, m, "coverage") for m in (1, few, 5, many)]
    error = [table(normal, "population", RULES, m, "error") for m in (5, many)]
    return {
        "coverage": "\n".join(coverage) + "\n" + said(normal[normal["question"] == "population"]),
        "errors": "\n".join(error),
        "whole": "\n".join(whole) + "\n" + said(normal[normal["question"] == "sample"]),
        "boys": table(boys, "population", RULES, 5, "coverage") + "\n" + table(boys, "sample", WHOLE, 5, "coverage")
        + "\n" + said(boys),
    }  # fmt: skip


def put(text: str, name: str, what: str) -> str:
    begin, end = f"<!-- {name} begins -->\n", f"<!-- {name} ends -->"
    head, _, rest = text.partition(begin)
    return head + begin + what + end + rest.partition(end)[2]


def main() -> None:
    frame = summary()
    frame.to_csv(RESULTS / "pooling_rules" / "by_rule.csv", index=False, lineterminator="\n", float_format="%.6g")
    write(RESULTS / "pooling_rules" / "figures", lambda: list(drawings(frame)))
    text = (HERE / "README.md").read_text(encoding="utf-8")
    for name, what in page(frame).items():
        text = put(text, name, what)
    (HERE / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
