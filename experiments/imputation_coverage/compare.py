"""Hold the sweep against the tables of van Buuren (2018), Flexible Imputation of Missing Data, section 3.2 to 3.4.

    mice-sim run -m experiment=imputation_coverage
    mice-sim run -m experiment=imputation_coverage_midastouch
    python experiments/imputation_coverage/compare.py

Reads the sweeps' tables/performance.csv and published.csv beside this file, writes agreement.csv beside the first sweep
and the table into the README of this folder. The published numbers' Monte Carlo error is ours, scaled to their number
of simulations, and that of rounding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results" / "imputation_coverage"
AXES = {"resampling.amputation.patterns": "missing", "resampling.n": "n"}
KEYS = ["missing", "n", "method", "measure"]
BEGIN, END = "<!-- compare.py begins -->\n", "<!-- compare.py ends -->"


def found() -> pd.DataFrame:
    """Return ours: KEYS, replicates, ours, mcse."""
    folders = (RESULTS, RESULTS.with_name("imputation_coverage_midastouch"))
    rows = pd.concat([pd.read_csv(folder / "tables" / "performance.csv") for folder in folders])
    rows["resampling.n"] = rows["resampling.n"].fillna(50)
    rows = rows.drop_duplicates([*AXES, "source", "analysis", "term", "statistic", "measure"])
    rows = rows.rename(columns={"n": "replicates", "source": "method", **AXES})
    rows = rows[(rows["term"] == "x") & rows["measure"].isin(["bias", "coverage", "width", "mse"])].copy()
    rows["missing"] = rows["missing"].str.extract("([xy])")
    squares = rows["measure"] == "mse"
    root = np.sqrt(rows["estimate"].where(squares))
    rows["ours"] = root.fillna(rows["estimate"])
    rows["mcse"] = (rows["mcse"] / (2 * root)).where(squares, rows["mcse"])
    rows["measure"] = rows["measure"].replace("mse", "rmse")
    return rows[[*KEYS, "replicates", "ours", "mcse"]]


def compared() -> pd.DataFrame:
    """Return a row for each published number with ours and z."""
    published = pd.read_csv(HERE / "published.csv", dtype={"published": str, "table": str})
    frame = published.merge(found(), on=KEYS)
    decimals = frame["published"].str.partition(".")[2].str.len()
    frame["published"] = frame["published"].astype(float)
    theirs = frame["mcse"] * np.sqrt(frame["replicates"] / frame["simulations"])
    frame["published_mcse"] = np.sqrt(theirs**2 + 10.0 ** (-2 * decimals) / 12)
    frame["z"] = (frame["ours"] - frame["published"]) / np.hypot(frame["mcse"], frame["published_mcse"])
    return frame


def markdown(frame: pd.DataFrame) -> str:
    lines = [
        "| missing | n | method | bias | coverage | width | RMSE |",
        "| --- | ---: | --- | --- | --- | --- | --- |",
    ]
    for (_, missing, n, method), rows in frame.groupby(["table", "missing", "n", "method"], sort=False):
        cells = [_cell(row) for row in rows.itertuples()]
        lines.append(f"| {missing} | {n} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(row) -> str:
    mark = f" (z {row.z:.1f})" if abs(row.z) > 4 else ""
    return f"{row.published:g} / {row.ours:.4f}{mark}".replace("-", "−")


if __name__ == "__main__":
    frame = compared()
    frame.to_csv(RESULTS / "agreement.csv", index=False, lineterminator="\n", float_format="%.6g")
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    readme.write_text(before + BEGIN + markdown(frame) + END + after, encoding="utf-8")
    outside = frame[frame["z"].abs() > 4]
    print(f"{len(frame)} numbers, {len(outside)} with |z| > 4; largest {frame['z'].abs().max():.2f}")
    print(frame.loc[frame["z"].abs() > 3, [*KEYS, "published", "ours", "mcse", "z"]].to_string())
