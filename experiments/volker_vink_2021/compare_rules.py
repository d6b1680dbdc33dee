"""What the old rule does: the published study under mice 3.13 and under mice 3.15, replicate by replicate.

    mice-sim run experiment=volker_vink_2021
    mice-sim run experiment=volker_vink_2021_mice315
    python experiments/volker_vink_2021/compare_rules.py

Reads both studies' stored replicates (same samples, same random streams) and writes rules.csv and
rules.png beside the second study, and the table into the README of this folder. Differences carry
their paired Monte Carlo standard error.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from mice_sim.study.store import Store

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results"
OLD, NEW = RESULTS / "volker_vink_2021", RESULTS / "volker_vink_2021_mice315"
STATISTICS = ("estimate", "std_error", "df", "ci_lower", "ci_upper")
COLOURS = {"mice-3.13": "#d55e00", "mice-3.15": "#0072b2"}


def read(directory: Path) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Return the pooled models' statistics (replicates × coefficients), and the coefficients' labels."""
    store = Store(directory)
    config = store.config()
    labels = store.labels()
    rows = {
        s: np.flatnonzero(
            (labels["source"] == "synthetic")
            & labels["analysis"].isin(["linear", "ordinal"])
            & (labels["statistic"] == s)
        )
        for s in STATISTICS
    }
    values = np.concatenate([block for _, block, _ in store.blocks(config["replicates"])])
    terms = labels.loc[rows["estimate"], ["analysis", "term"]].reset_index(drop=True)
    truth = store.original().query("statistic == 'estimate'").set_index(["analysis", "term"])["value"]
    out = {s: values[:, at] for s, at in rows.items()}
    out["truth"] = truth.reindex(pd.MultiIndex.from_frame(terms)).to_numpy()
    out["between"] = between(out, config["synthesis"]["m"])
    out["covered"] = (out["ci_lower"] < out["truth"]) & (out["truth"] < out["ci_upper"])
    return out, terms


def between(values: dict[str, np.ndarray], m: int) -> np.ndarray:
    """The between-synthesis variance b, from T = ū + b/m and ν = (m−1)(1 + mū/b)² (Reiter 2003)."""
    share = 1 / (np.sqrt(values["df"] / (m - 1)) - 1)  # b/(mū)
    return m * share / (1 + share) * values["std_error"] ** 2


def compare(old: dict, new: dict, terms: pd.DataFrame) -> pd.DataFrame:
    """One row a coefficient: both rules, and their paired difference with its standard error."""
    replicates = len(old["estimate"])
    table = terms.copy()
    measures = {
        "between": (old["between"], new["between"]),
        "std_error": (old["std_error"], new["std_error"]),
        "coverage": (old["covered"].astype(float), new["covered"].astype(float)),
        "bias": (old["estimate"] - old["truth"], new["estimate"] - new["truth"]),
    }
    for name, (a, b) in measures.items():
        table[f"{name}_313"], table[f"{name}_315"] = a.mean(axis=0), b.mean(axis=0)
        table[f"{name}_difference"] = (a - b).mean(axis=0)
        table[f"{name}_difference_mcse"] = (a - b).std(axis=0, ddof=1) / np.sqrt(replicates)
    a, b = measures["between"]
    table["between_ratio"] = a.mean(axis=0) / b.mean(axis=0)
    # The delta method for a ratio of two paired means.
    residual = a - table["between_ratio"].to_numpy() * b
    table["between_ratio_mcse"] = residual.std(axis=0, ddof=1) / np.sqrt(replicates) / b.mean(axis=0)
    return table


def draw(table: pd.DataFrame, path: Path) -> None:
    """Left: by how much the old rule inflates b. Right: coverage under both rules."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.2, 4.6), sharey=True, layout="constrained")
    y = np.arange(len(table))[::-1] - 1.0 * (table["analysis"] == "ordinal")
    left.errorbar(
        table["between_ratio"], y, xerr=1.96 * table["between_ratio_mcse"], fmt="o", ms=4, color="black", capsize=2
    )
    left.axvline(1, lw=0.8, color="0.5")
    left.set_xlabel("between-synthesis variance b,\nmice 3.13 over mice 3.15")
    right.axvline(0.95, lw=0.8, color="0.5")
    for rule, column, shift in (("mice-3.13", "coverage_313", 0.13), ("mice-3.15", "coverage_315", -0.13)):
        p = table[column]
        error = 1.96 * np.sqrt(p * (1 - p) / 1000)
        right.errorbar(
            p, y + shift, xerr=error, fmt="o", ms=4, color=COLOURS[rule], capsize=2, label=rule.replace("-", " ")
        )
    right.set_xlabel("coverage of 95 % intervals,\nwith 95 % Monte Carlo intervals")
    right.legend(frameon=False, loc="upper left", handlelength=1.2)
    left.set_yticks(y, table["term"])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    for title, row in (("hgt ~ age + phb", 0), ("gen ~ age + hc + reg", 7)):
        left.text(0.98, y.iloc[row] + 0.55, title, transform=left.get_yaxis_transform(), ha="right", style="italic")
    left.set_ylim(y.min() - 0.6, y.max() + 1.3)
    figure.savefig(path, dpi=200, metadata={"Software": None})


def escape(term: str) -> str:
    return term.replace("|", " \\| ")


def model_means(table: pd.DataFrame, old: dict, new: dict) -> pd.DataFrame:
    """Means over each model's coefficients; the coverage difference is paired by replicate."""
    means = table.groupby("analysis", sort=False)[["between_ratio", "coverage_313", "coverage_315"]].mean()
    for model in means.index:
        own = (table["analysis"] == model).to_numpy()
        difference = (old["covered"][:, own].astype(float) - new["covered"][:, own]).mean(axis=1)
        means.loc[model, "coverage_difference"] = difference.mean()
        means.loc[model, "coverage_difference_mcse"] = difference.std(ddof=1) / np.sqrt(difference.size)
    return means


def markdown(table: pd.DataFrame, means: pd.DataFrame) -> str:
    """The table of the README."""
    lines = [
        "| model | term | b, 3.13 / 3.15 | mean SE, 3.13 | 3.15 | difference ± MCSE "
        "| coverage, 3.13 | 3.15 | difference ± MCSE |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in table.itertuples():
        digits = 5 if r.std_error_313 < 0.1 else 4
        lines.append(
            f"| {r.analysis} | {escape(r.term)} | {r.between_ratio:.2f} ± {r.between_ratio_mcse:.2f} "
            f"| {r.std_error_313:.{digits}f} | {r.std_error_315:.{digits}f} "
            f"| {r.std_error_difference:+.{digits}f} ± {r.std_error_difference_mcse:.{digits}f} "
            f"| {r.coverage_313:.3f} | {r.coverage_315:.3f} "
            f"| {r.coverage_difference:+.3f} ± {r.coverage_difference_mcse:.3f} |"
        )
    for r in means.itertuples():
        lines.append(
            f"| **{r.Index}** | **mean** | **{r.between_ratio:.2f}** | | | "
            f"| {r.coverage_313:.3f} | {r.coverage_315:.3f} "
            f"| **{r.coverage_difference:+.3f} ± {r.coverage_difference_mcse:.3f}** |"
        )
    return "\n".join(lines)


def main() -> None:
    (old, terms), (new, _) = read(OLD), read(NEW)
    table = compare(old, new, terms)
    table.to_csv(NEW / "rules.csv", index=False)
    draw(table, NEW / "rules.png")
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition("<!-- rules -->")
    after = rest.partition("<!-- end of rules -->")[2]
    readme.write_text(
        f"{before}<!-- rules -->\n{markdown(table, model_means(table, old, new))}\n<!-- end of rules -->{after}",
        encoding="utf-8",
    )
    print(f"wrote {NEW / 'rules.csv'}, {NEW / 'rules.png'} and the table in {readme}")


if __name__ == "__main__":
    main()
