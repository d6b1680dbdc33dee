"""What every combining rule does with every kind of sets: coverage over the coefficients of each model.

    mice-sim run experiment=incomplete_boys
    python experiments/incomplete_boys/by_rule.py

Reads the study's configuration, tables/performance.csv and events, and writes by_rule.csv and the figure by_rule beside
them, and the tables into the README of this folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from mice_sim.report.style import INK, Drawing, Style, handle, offsets, panels, rule, styles, write

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results" / "incomplete_boys"
MEASURES = ("coverage", "relative_error", "bias", "emp_se")
BEGIN, END = "<!-- by_rule.py begins -->\n", "<!-- by_rule.py ends -->"
SAMPLES = ("bootstrap", "complete_cases")
OWN = "own standard error"


def summary() -> pd.DataFrame:
    """Return coverage (least, mean, most over the coefficients) by model, source and rule."""
    config = yaml.safe_load((RESULTS / "config.yaml").read_text(encoding="utf-8"))
    rows = pd.read_csv(RESULTS / "tables" / "performance.csv")
    rows = rows[(rows["statistic"] == "estimate") & rows["measure"].isin(MEASURES)]
    events = pd.read_parquet(RESULTS / "events.parquet")
    refused = events[events["what"].str.startswith("pooled by")]
    refused = set(zip(refused["variable"], refused["source"], strict=True))
    found = []
    for (analysis, source), part in rows.groupby(["analysis", "source"], sort=False):
        kind, used = config["analysis"][analysis]["kind"], config["pooling"][analysis]
        if source in SAMPLES:
            if not analysis.endswith("rubin"):
                continue
            used = OWN
        wide = part.pivot(index="term", columns="measure", values="estimate")
        mcse = part.pivot(index="term", columns="measure", values="mcse")
        found.append(
            {
                "model": kind, "source": source, "rule": used, "valid": (analysis, source) not in refused,
                "replicates": int(part["n"].min()),
                "least": wide["coverage"].min(), "mean": wide["coverage"].mean(), "most": wide["coverage"].max(),
                "mcse": mcse["coverage"].max(), "relative_error": wide["relative_error"].mean(),
                "bias": (wide["bias"].abs() / wide["emp_se"]).max(),
            }
        )  # fmt: skip
    return pd.DataFrame(found)


def markdown(frame: pd.DataFrame) -> str:
    texts = []
    for model, rows in frame.groupby("model", sort=False):
        rules = [r for r in dict.fromkeys(rows["rule"]) if r != OWN]
        lines = [f"| {model} | {' | '.join(rules)} |", "| --- |" + " --- |" * len(rules)]
        for source, part in rows.groupby("source", sort=False):
            if source in SAMPLES:
                continue
            cells = {r.rule: _cell(r) for r in part.itertuples()}
            lines.append(f"| {source} | {' | '.join(cells.get(name, '') for name in rules)} |")
        samples = [f"{r.source} {_cell(r, False)}" for r in rows.itertuples() if r.source in SAMPLES]
        texts.append("\n".join(lines) + f"\n\n({'; '.join(samples)})\n")
    return "\n".join(texts)


def _cell(row, marked: bool = True) -> str:
    text = f"{row.mean:.3f} ({row.least:.3f} – {row.most:.3f})".replace("0.", ".")
    return f"**{text}**" if marked and row.valid else text


def draw(frame: pd.DataFrame, level: float = 0.95) -> list[Drawing]:
    rules = [r for r in dict.fromkeys(frame["rule"]) if r != OWN]
    looks: dict[str, Style] = {OWN: styles(["bootstrap"])["bootstrap"]} | {
        name: look for name, look in styles(["bootstrap", *rules]).items() if name != "bootstrap"
    }
    looks[OWN] = Style(INK, "-", "o", "the samples' own standard errors")
    sources = list(dict.fromkeys(frame["source"]))
    handles = [handle(look, solid=True) for look in looks.values()] + [rule("nominal level")]
    figure, axes = panels(2, 2, 4.6, handles, sharey=True)
    places = {source: -i for i, source in enumerate(sources)}
    shifts = dict(zip(rules, offsets(len(rules), 0.8)[::-1], strict=True)) | {OWN: 0.0}
    for axis, (model, rows) in zip(axes, frame.groupby("model", sort=False), strict=True):
        for name, look in looks.items():
            own = rows[rows["rule"] == name]
            y = own["source"].map(places) + shifts[name]
            axis.hlines(y, own["least"], own["most"], color=look.color, linewidth=1)
            filled = np.where(own["valid"], look.color, "white")
            for x, height, fill in zip(own["mean"], y, filled, strict=True):
                axis.plot(x, height, look.marker, color=look.color, markerfacecolor=fill, markersize=4)
        axis.axvline(level, color=INK, linewidth=0.7)
        axis.set_xlabel("Coverage, mean and range over the coefficients")
        axis.set_title({"linear": "hgt ~ age + phb", "ordinal": "gen ~ age + hc + reg"}[model])
    axes[0].set_yticks(list(places.values()), [source.replace("_", " ") for source in places])
    caption = "Coverage of 95 % intervals; filled marks are rules that are valid for the sets."
    return [Drawing("by_rule", caption, caption, figure)]


if __name__ == "__main__":
    frame = summary()
    frame.to_csv(RESULTS / "by_rule.csv", index=False, lineterminator="\n", float_format="%.6g")
    write(RESULTS / "figures", lambda: draw(frame))
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(text.split(BEGIN)[0] + BEGIN + markdown(frame) + END + text.split(END)[1], encoding="utf-8")
    print(frame.to_string())
