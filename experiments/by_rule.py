"""What each combining rule does with each kind of sets: tables and a figure of a study whose analyses differ in rules.

    mice-sim run experiment=incomplete_boys
    python experiments/by_rule.py incomplete_boys

Reads the study's configuration, tables/performance.csv and events; writes by_rule.csv and figures/by_rule beside them,
and the tables into the README of the study's folder here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from mice_sim.pooling import RULES
from mice_sim.report.style import INK, Drawing, Style, handle, offsets, panels, rule, styles, write

HERE = Path(__file__).parent
BEGIN, END = "<!-- by_rule.py begins -->\n", "<!-- by_rule.py ends -->"
SAMPLES = ("bootstrap", "sample", "complete_cases")
OWN = "the samples' own standard errors"
SHOWN = {"coverage": "Coverage", "be_coverage": "Coverage, bias eliminated"}


def summary(results: Path) -> pd.DataFrame:
    """Return each measure (least, mean, most over the coefficients) by model, source and rule."""
    config = yaml.safe_load((results / "config.yaml").read_text(encoding="utf-8"))
    events = pd.read_parquet(results / "events.parquet")
    events = events[events["what"].str.startswith("pooled by")]
    refused = set(zip(events["variable"], events["source"], strict=True))
    rows = pd.read_csv(results / "tables" / "performance.csv")
    measures = [*SHOWN, "relative_error"]
    rows = rows[(rows["statistic"] == "estimate") & rows["measure"].isin(measures)]
    found: dict[tuple[str, str, str], dict] = {}
    for (analysis, source), part in rows.groupby(["analysis", "source"], sort=False):
        given = config["analysis"][analysis]
        name = OWN if source in SAMPLES else config["pooling"][analysis]
        proviso = name in RULES and RULES[name].proviso  # what an origin does not say, and what does not hold here
        row = {"valid": (analysis, source) not in refused and not proviso, "replicates": int(part["n"].min())}
        for measure, own in part.groupby("measure"):
            about = {"least": own["estimate"].min(), "mean": own["estimate"].mean(), "most": own["estimate"].max()}
            row |= {f"{measure}_{what}": value for what, value in {**about, "mcse": own["mcse"].max()}.items()}
        found[given["formula"], source, name] = row  # the samples' rows are the same under every rule
    index = pd.MultiIndex.from_tuples(found, names=["model", "source", "rule"])
    return pd.DataFrame(list(found.values()), index=index).reset_index()


def markdown(frame: pd.DataFrame) -> str:
    texts = []
    for measure, title in SHOWN.items():
        for model, rows in frame.groupby("model", sort=False):
            names = [name for name in dict.fromkeys(rows["rule"]) if name != OWN]
            lines = [f"| {title}, `{model}` | {' | '.join(names)} |", "| --- |" + " --- |" * len(names)]
            for source, part in rows[rows["rule"] != OWN].groupby("source", sort=False):
                cells = {row["rule"]: _cell(row, measure) for row in part.to_dict("records")}
                lines.append(f"| {source} | {' | '.join(cells.get(name, '–') for name in names)} |")
            samples = rows[rows["rule"] == OWN].to_dict("records")
            own = "; ".join(f"{row['source'].replace('_', ' ')} {_cell(row, measure, False)}" for row in samples)
            most = rows[f"{measure}_mcse"].max()
            texts.append("\n".join(lines) + f"\n\nIn comparison: {own}. Monte Carlo errors: at most {most:.3f}.\n")
    return "\n".join(texts).replace(" 0.", " .").replace("(0.", "(.").replace("*0.", "*.")


def _cell(row: dict, measure: str, marked: bool = True) -> str:
    text = f"{row[f'{measure}_mean']:.3f} ({row[f'{measure}_least']:.3f} – {row[f'{measure}_most']:.3f})"
    return f"**{text}**" if marked and row["valid"] else text


def draw(frame: pd.DataFrame, level: float = 0.95) -> list[Drawing]:
    names = [name for name in dict.fromkeys(frame["rule"]) if name != OWN]
    looks = {name: look for name, look in styles(["bootstrap", *names]).items() if name != "bootstrap"}
    looks[OWN] = Style(INK, "-", "o", OWN)
    handles = [handle(look, solid=True) for look in looks.values()] + [rule("nominal level")]
    models, sources = list(dict.fromkeys(frame["model"])), list(dict.fromkeys(frame["source"]))
    figure, axes = panels(len(models) * len(SHOWN), 2, 0.36 * len(sources) + 0.6, handles, sharey=True, sharex="row")
    places = {source: -i for i, source in enumerate(sources)}
    shifts = dict(zip(names, offsets(len(names), 0.8)[::-1], strict=True)) | {OWN: 0.0}
    drawn = [(measure, model) for measure in SHOWN for model in models]
    for axis, (measure, model) in zip(axes, drawn, strict=True):
        for name, look in looks.items():
            own = frame[(frame["rule"] == name) & (frame["model"] == model)]
            y = own["source"].map(places) + shifts[name]
            axis.hlines(y, own[f"{measure}_least"], own[f"{measure}_most"], color=look.color, linewidth=0.9)
            for x, height, valid in zip(own[f"{measure}_mean"], y, own["valid"], strict=True):
                fill = look.color if valid else "white"
                axis.plot(x, height, look.marker, color=look.color, markerfacecolor=fill, markersize=3.5)
        axis.axvline(level, color=INK, linewidth=0.7)
        axis.set_xlabel(SHOWN[measure])
        axis.set_title(model)
        axis.set_yticks(list(places.values()), [source.replace("_", " ") for source in sources])
    caption = (
        "Mean and range over the coefficients of the coverage of 95 % intervals. Filled marks: the rule is valid for "
        "such sets."
    )
    return [Drawing("by_rule", caption, caption, figure)]


def main(study: str) -> None:
    results, readme = HERE.parent / "results" / study, HERE / study / "README.md"
    frame = summary(results)
    frame.to_csv(results / "by_rule.csv", index=False, lineterminator="\n", float_format="%.6g")
    write(results / "figures", lambda: draw(frame))
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    readme.write_text(before + BEGIN + markdown(frame) + END + rest.partition(END)[2], encoding="utf-8")
    print(np.round(frame.select_dtypes("number"), 3).set_axis(frame["source"] + " " + frame["rule"]).to_string())


if __name__ == "__main__":
    main(sys.argv[1])
