"""Synthesise pupils in schools by the latent-normal joint model, as Goldstein did with the National Pupil Database.

    python experiments/goldstein/run.py

The pupils are simulated from the first column of his Table 1. Writes tables/table_1.csv and the figures of
results/goldstein, and the table into the README of this folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mice_sim as ms
from mice_sim.report.style import INK, PALETTE, Drawing, Style, handle, panels, rule, write

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results" / "goldstein"
BEGIN, END = "<!-- run.py begins -->\n", "<!-- run.py ends -->"
PUPILS, SCHOOLS, M, SEED = 9084, 464, 10, 2026
MODEL = "ks4 ~ ks2 + female + eal + fsm + (1 | school)"
TERMS = ["(Intercept)", "ks2", "female1", "eal1", "fsm1", "var(school, (Intercept))", "var(residual)"]
NAMES = ["Intercept", "KS2 score", "female", "English as an additional language", "eligible for free school meals",
         "level-2 variance", "level-1 variance"]  # fmt: skip
# Goldstein's Table 1: estimates and standard errors of the original data, of one synthetic set, of ten.
PUBLISHED = pd.DataFrame(
    [
        (-4.497, 0.046, -4.543, 0.046, -4.504, 0.057), (0.955, 0.010, 0.966, 0.010, 0.957, 0.012),
        (0.179, 0.013, 0.181, 0.013, 0.188, 0.018), (0.251, 0.024, 0.251, 0.023, 0.238, 0.031),
        (-0.268, 0.015, -0.271, 0.015, -0.274, 0.019), (0.063, 0.005, 0.054, 0.005, 0.061, 0.008),
        (0.336, 0.005, 0.340, 0.005, 0.338, 0.006),
    ],
    index=TERMS,
    columns=["original", "original_se", "one", "one_se", "ten", "ten_se"],
)  # fmt: skip
# What his standard errors say of the covariates: var(x) = var(residual) / (n · SE²), and the response has mean 0.
SHARES = {"female": 0.5, "eal": 0.07, "fsm": 0.21}
KS2 = (4.656, 0.61)
RULES = ["rubin1987", "raab2016_proper", "rrr2003"]


def pupils(seed: int) -> pd.DataFrame:
    """Return pupils drawn from the model whose estimates are those of the original data."""
    rng = np.random.default_rng(seed)
    beta, (between, within) = PUBLISHED["original"].to_numpy()[:5], PUBLISHED["original"].to_numpy()[5:]
    school = np.sort(np.append(np.arange(SCHOOLS), rng.integers(SCHOOLS, size=PUPILS - SCHOOLS)))
    ks2 = rng.normal(*KS2, PUPILS)
    groups = {name: (rng.random(PUPILS) < share).astype(int) for name, share in SHARES.items()}
    fixed = beta[0] + beta[1] * ks2 + sum(b * x for b, x in zip(beta[2:], groups.values(), strict=True))
    ks4 = fixed + rng.normal(0, between**0.5, SCHOOLS)[school] + rng.normal(0, within**0.5, PUPILS)
    factors = {name: pd.Categorical(x, categories=[0, 1]) for name, x in groups.items()}
    return pd.DataFrame({"school": school, "ks4": ks4, "ks2": ks2, **factors})


def fitted(made: Any) -> Any:
    return made.fit(MODEL, model="mixed")


def table(data: pd.DataFrame) -> pd.DataFrame:
    """Return estimates and standard errors by term: of the pupils, of one set, of all sets by several rules."""
    original = fitted(ms.impute(data, m=2, method="sample", maxit=1, seed=1)).estimates[0]
    drawn = ms.synthesize(data, m=M, method="joint", cluster="school", seed=SEED)
    fixed = ms.synthesize(data, m=M, method="joint", cluster="school", proper=False, seed=SEED)
    first, fits = fitted(drawn).estimates[0], fitted(drawn)
    at = [list(original.terms).index(term) for term in TERMS]
    columns = {
        "original": original.estimate[at], "original_se": original.variance[at] ** 0.5,
        "one": first.estimate[at], "one_se": first.variance[at] ** 0.5,
        "ten": fits.q.mean(axis=0)[at],
    }  # fmt: skip
    for name in RULES:
        columns[f"{name}_se"] = ms.pool(fits, rule=name, force=True).loc[TERMS, "std_error"].to_numpy()
    columns["fixed_rubin1987_se"] = (
        ms.pool(fitted(fixed), rule="rubin1987", force=True).loc[TERMS, "std_error"].to_numpy()
    )
    return pd.DataFrame(columns, index=pd.Index(TERMS, name="term"))


def figures(found: pd.DataFrame) -> list[Drawing]:
    looks = {
        "published, ten sets": (PUBLISHED["ten_se"] / PUBLISHED["original_se"], "grey", "D"),
        "Rubin 1987": (found["rubin1987_se"] / found["original_se"], "vermilion", "o"),
        "Rubin 1987, parameters fixed": (found["fixed_rubin1987_se"] / found["original_se"], "orange", "s"),
        "Raab et al. 2016": (found["raab2016_proper_se"] / found["original_se"], "blue", "^"),
        "Raghunathan et al. 2003": (found["rrr2003_se"] / found["original_se"], "green", "v"),
    }
    styles = {name: Style(PALETTE[color], "", marker, name) for name, (_, color, marker) in looks.items()}
    figure, (axis,) = panels(1, 1, 2.6, [*(handle(style) for style in styles.values()), rule("as the original data's")])
    for ratio, color, marker in looks.values():
        axis.plot(ratio, np.arange(len(ratio)), marker, color=PALETTE[color], markersize=4.5, alpha=0.9)
    axis.axvline(1, color=INK, linewidth=0.7)
    axis.set(xlabel="Standard error of ten synthetic sets, over that of the original data", yticks=range(len(NAMES)))
    axis.set_yticklabels(NAMES)
    axis.invert_yaxis()
    caption = "How much larger standard errors are from ten synthetic sets, published and by four rules."
    return [Drawing("standard_errors", caption, "Ratios of standard errors by term and rule", figure)]


def markdown(found: pd.DataFrame) -> str:
    cell = "{:.3f} ({:.3f})".format
    lines = [
        "| | original, published | ours | one set, published | ours | ten sets, published | ours, Rubin | Raab | RRR |",
        "| --- |" + " ---: |" * 8,
    ]
    for term, name in zip(TERMS, NAMES, strict=True):
        theirs, ours = PUBLISHED.loc[term], found.loc[term]
        pairs = [
            part for which in ("original", "one") for part in (cell(theirs[which], theirs[f"{which}_se"]),
                                                               cell(ours[which], ours[f"{which}_se"]))
        ]  # fmt: skip
        pairs += [cell(theirs["ten"], theirs["ten_se"])]
        pairs += [cell(ours["ten"], ours[f"{rule_}_se"]) for rule_ in RULES]
        lines.append(f"| {name} | " + " | ".join(pairs) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    found = table(pupils(SEED))
    (RESULTS / "tables").mkdir(parents=True, exist_ok=True)
    found.to_csv(RESULTS / "tables" / "table_1.csv", float_format="%.6g")
    write(RESULTS / "figures", lambda: figures(found))
    page = (HERE / "README.md").read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    page = head + BEGIN + markdown(found) + END + rest.partition(END)[2]
    (HERE / "README.md").write_text(page, encoding="utf-8")
    print(markdown(found))


if __name__ == "__main__":
    main()
