"""The tables of a study: full precision for files, rounded cells for readers, Monte Carlo errors in both.

The Monte Carlo standard errors are those of `study.measures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mice_sim.analysis import MODELS
from mice_sim.data import load_dataset
from mice_sim.errors import MiceSimError
from mice_sim.report.published import load_published
from mice_sim.report.style import SAMPLES, in_order
from mice_sim.study.measures import MEASURES, mean_mcse, sd_mcse, share_mcse
from mice_sim.study.summary import Summary

DISCRIMINATION = ("estimate", "std_error", "statistic", "df", "p_value")
MODEL_NAMES = {"ordinal": "Proportional-odds"}
MOST_DECIMALS = 5
MOST_SIDE_BY_SIDE = 3  # sources; more of them stand below each other
IN_PARENTHESES = "Monte Carlo standard errors in parentheses."
HEADERS = {
    "n": "n", "sd": "SD", "std_error": "SE", "p_value": "p", "df": "df", "mean_std_error": "SE", "mean_df": "df",
    "mean_count": "Mean", "sd_count": "SD", "mcnemarpvalue": "McNemar p value",
    "true_minus_synthetic": "True − synthetic", "mse": "MSE", "rmse": "RMSE",
    "relative_error": "Relative error of SE (%)", "pmse": "pMSE", "s_pmse": "S pMSE", "specks": "SPECKS", "auc": "AUC",
    **{name: name for name in ("repU", "iS", "DiS", "DiSCO", "DiSDiO", "CAPd", "DCAP")},
    "s_pmse_oneway": "S pMSE, one-way", "s_pmse_twoway": "S pMSE, two-way",
}  # fmt: skip


class Key(NamedTuple):
    """What a number is about; the same words as in `agreement.csv`."""

    source: str
    term: str
    statistic: str


class Cell(NamedTuple):
    """A rounded number and its Monte Carlo standard error, which is "" if there can be none."""

    key: Key
    value: str
    mcse: str


class Row(NamedTuple):
    stub: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ReportTable:
    """A table as a file and as something to read.

    kind : the kind of its analysis. published, figure : what the published study calls it, and the figure of
        the same numbers, such as "table2" and "figure1"; "" where there is none.
    title, note : the caption. frame : one row for each (term, source); beside each statistic its `…_mcse`.
    stub, head : the names of the label columns; the (group, name) of the number columns.
    """

    name: str
    kind: str
    published: str
    figure: str
    title: str
    note: str
    frame: pd.DataFrame
    stub: tuple[str, ...]
    head: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]

    @property
    def numbered_title(self) -> str:
        """The title with its number in the published study, if it has one there."""
        number = paper_name(self.published)
        if self.published.startswith("figure"):
            return f"{self.title} (the numbers of {number})"
        return f"{number}. {self.title}" if number else self.title


def report_tables(summary: Summary, config: Mapping[str, Any]) -> list[ReportTable]:
    """Return the tables of a study, in the order of its analyses."""
    names = _published_names(config)
    columns = data_columns(config)
    present = set(summary.rows["analysis"])
    found = []
    for name, analysis in config["analysis"].items():
        for part, kind in _parts(name, str(analysis["kind"])):
            if part in present:  # counts of data without categories have no rows, for one
                frame, layout = MAKERS.get(kind, MODEL if kind in MODELS else MAKERS["descriptives"])
                wide = frame(summary, part)
                stub, head, labels = layout(wide, columns)
                title, note = _title(kind, analysis), _note(kind, summary.replicates)
                numbers, known = _rows(wide, labels), names.get(part, [])
                figure = next((name for name in known if name.startswith("figure")), "")
                published = next(iter(known), "")
                found.append(ReportTable(part, kind, published, figure, title, note, wide, stub, head, numbers))
    return found


def data_columns(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the schema says of the data's columns; nothing if the data is no packaged one."""
    try:
        return load_dataset(config["data"]["name"]).attrs["schema"]["columns"]
    except (KeyError, MiceSimError):
        return {}


def _published_names(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return {analysis: the published tables and figures that show it}."""
    study = config["report"].get("published")
    names: dict[str, list[str]] = {}
    for name, shown in load_published(study).tables.items() if study else ():
        names.setdefault(shown["analysis"], []).append(name)
    return names


def _parts(name: str, kind: str) -> list[tuple[str, str]]:
    return [(name, kind), ("confusion", "confusion")] if kind == "discrimination" else [(name, kind)]


# ---- full precision: one frame for each kind of analysis


def descriptives_frame(summary: Summary, name: str) -> pd.DataFrame:
    """Univariate statistics of the original data, and their means over replicates."""
    rows = _rows_of(summary, name)
    return _wide([_truths(rows), _means(rows)], rows)


def counts_frame(summary: Summary, name: str) -> pd.DataFrame:
    """Rows in each category: the mean and the spread over replicates."""
    rows = _rows_of(summary, name)
    return _wide([_truths(rows, "mean_count"), _means(rows, "mean_count"), _spreads(rows, "sd_count")], rows)


def correlations_frame(summary: Summary, name: str) -> pd.DataFrame:
    """Correlations, and true − synthetic, which has the sign of the paper and not that of a bias."""
    rows = _rows_of(summary, name)
    synthetic = _biases(rows[~rows["source"].isin(SAMPLES)], "true_minus_synthetic")
    return _wide([_truths(rows), _means(rows), synthetic.assign(value=-synthetic["value"])], rows)


def model_frame(summary: Summary, name: str) -> pd.DataFrame:
    """Estimate, bias, empirical standard error, coverage, mean standard error and mean df of each term."""
    rows = _rows_of(summary, name)
    estimates, errors, df = (rows[rows["statistic"] == s] for s in ("estimate", "std_error", "df"))
    coverage = summary.coverage[summary.coverage["analysis"] == name]
    pieces = [_truths(estimates), _means(estimates), _biases(estimates, "bias"), _spreads(estimates, "emp_se"),
              _coverages(coverage), _means(errors, "mean_std_error"), _means(df, "mean_df")]  # fmt: skip
    return _wide(pieces, estimates)


def discrimination_frame(summary: Summary, name: str) -> pd.DataFrame:
    """The pooled model that tells synthetic from true records, averaged over replicates."""
    rows = _rows_of(summary, name)
    pieces = [_means(rows[rows["statistic"] == statistic]) for statistic in DISCRIMINATION]
    return _wide(pieces, rows[rows["statistic"] == "estimate"])


def confusion_frame(summary: Summary, name: str) -> pd.DataFrame:
    """How well that model classifies, averaged over replicates."""
    rows = _rows_of(summary, name)
    return _wide([_means(rows)], rows)


def _rows_of(summary: Summary, name: str) -> pd.DataFrame:
    return summary.rows[summary.rows["analysis"] == name]


def _piece(rows: pd.DataFrame, value: Any, mcse: Any, statistic: str | None) -> pd.DataFrame:
    labels = {"source": rows["source"], "term": rows["term"], "statistic": statistic or rows["statistic"]}
    return pd.DataFrame({**labels, "value": value, "mcse": mcse})


def _truths(rows: pd.DataFrame, statistic: str | None = None) -> pd.DataFrame:
    known = rows.dropna(subset="truth").drop_duplicates(["term", "statistic"]).assign(source="original")
    return _piece(known, known["truth"], 0.0, statistic)  # the original data is fixed


def _means(rows: pd.DataFrame, statistic: str | None = None) -> pd.DataFrame:
    return _piece(rows, rows["mean"], mean_mcse(rows["sd"], rows["n"]), statistic)


def _biases(rows: pd.DataFrame, statistic: str) -> pd.DataFrame:
    return _piece(rows, rows["mean"] - rows["truth"], mean_mcse(rows["sd"], rows["n"]), statistic)


def _spreads(rows: pd.DataFrame, statistic: str) -> pd.DataFrame:
    with np.errstate(invalid="ignore"):  # where all replicates failed
        return _piece(rows, rows["sd"], sd_mcse(rows["sd"], rows["n"]), statistic)


def _coverages(rows: pd.DataFrame) -> pd.DataFrame:
    return _piece(rows, rows["coverage"], share_mcse(rows["coverage"], rows["n"]), "coverage")


def _wide(pieces: list[pd.DataFrame], counted: pd.DataFrame) -> pd.DataFrame:
    """One row for each (term, source), each statistic beside its `…_mcse`, and how many replicates counted."""
    long = pd.concat(pieces)
    n = counted.groupby(["term", "source"])["n"].min()
    present = set(zip(long["term"], long["source"], strict=True))
    sources = in_order(long["source"])
    index = [(t, s) for t in dict.fromkeys(long["term"]) for s in sources if (t, s) in present]
    columns = {"replicates": n.reindex(pd.MultiIndex.from_tuples(index)).astype("Int64").array}
    for statistic, rows in long.groupby("statistic", sort=False):
        numbers = rows.set_index(["term", "source"])[["value", "mcse"]].reindex(index)
        columns |= {str(statistic): numbers["value"].array, f"{statistic}_mcse": numbers["mcse"].array}
    return pd.DataFrame({"term": [t for t, _ in index], "source": [s for _, s in index], **columns})


# ---- layouts: which number stands where

Head = tuple[tuple[str, str], ...]
Labels = list[tuple[tuple[str, ...], list[Key]]]
Layout = tuple[tuple[str, ...], Head, Labels]


def _descriptives_layout(frame: pd.DataFrame, columns: Mapping[str, Mapping[str, Any]]) -> Layout:
    statistics = _statistics(frame)
    labels: Labels = []
    for term, source in zip(frame["term"], frame["source"], strict=True):
        categorical = columns.get(term, {}).get("kind", "continuous") != "continuous"
        stub = (f"{term} *" if categorical else term, source)
        labels.append((stub, [Key(source, term, statistic) for statistic in statistics]))
    return ("Variable", "Data"), tuple(("", header(s)) for s in statistics), labels


# Which numbers of a source a table shows: those of the original, of the samples, of the syntheses.
Shown = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def _term_layout(stub: str, shown: Shown, last: tuple[str, ...], frame: pd.DataFrame, _: Any) -> Layout:
    """One row a term, sources side by side and `last` at the end; one row a term and source if they are many."""
    sources = in_order(frame["source"])
    of = {s: shown[0] if s == "original" else shown[1] if s in SAMPLES else shown[2] for s in sources}
    given = {s: frame[frame["source"] == s] for s in sources}
    wanted = [(s, name) for s in sources for name in of[s] if given[s][name].notna().any()]
    methods = [s for s in sources if s != "original" and s not in SAMPLES]
    wanted += [(s, name) for s in methods for name in last if given[s][name].notna().any()]
    terms = list(dict.fromkeys(frame["term"]))
    if len(sources) > MOST_SIDE_BY_SIDE:
        names = tuple(dict.fromkeys(name for _, name in wanted))
        present = zip(frame["term"], frame["source"], strict=True)
        rows: Labels = [((t, s), [Key(s, t, name) for name in names]) for t, s in present]
        return (stub, "Data"), tuple(("", header(name)) for name in names), rows
    grouped = len({s for s, _ in wanted}) > 1
    bare = last if len(methods) == 1 else ()  # such a name says by itself whose number it is
    head = tuple(("" if name in bare or not grouped else s.capitalize(), header(name)) for s, name in wanted)
    return (stub,), head, [((t,), [Key(s, t, name) for s, name in wanted]) for t in terms]


def _statistic_layout(frame: pd.DataFrame, _: Any) -> Layout:
    """One row a statistic, as a single term has them all."""
    sources = in_order(frame["source"])
    head = tuple(("", "Value" if len(sources) == 1 else s.capitalize()) for s in sources)
    term = frame["term"].iloc[0]
    labels: Labels = [((header(name),), [Key(s, term, name) for s in sources]) for name in _statistics(frame)]
    return ("Statistic",), head, labels


_COUNTS = ("mean_count", "sd_count")
_counts_layout = partial(_term_layout, "Category", (_COUNTS, _COUNTS, _COUNTS), ())
_correlations_layout = partial(
    _term_layout, "Pair", (("correlation",), ("correlation",), ("correlation",)), ("true_minus_synthetic",)
)
_model_layout = partial(
    _term_layout, "Term", (("estimate",), ("bias", "coverage"), ("bias", "coverage", "mean_std_error", "mean_df")), ()
)
_discrimination_layout = partial(_term_layout, "Term", ((), (), DISCRIMINATION), ())

MAKERS: dict[str, tuple[Callable[[Summary, str], pd.DataFrame], Callable[..., Layout]]] = {
    "descriptives": (descriptives_frame, _descriptives_layout),
    "counts": (counts_frame, _counts_layout),
    "correlations": (correlations_frame, _correlations_layout),
    "discrimination": (discrimination_frame, _discrimination_layout),
    "confusion": (confusion_frame, _statistic_layout),
}  # what is not here is a regression model, or a statistic that someone has registered
MODEL = (model_frame, _model_layout)


def _statistics(frame: pd.DataFrame) -> list[str]:
    return [name.removesuffix("_mcse") for name in frame.columns if name.endswith("_mcse")]


def header(statistic: str) -> str:
    """Return a statistic's name for readers."""
    label = MEASURES[statistic].label if statistic in MEASURES else statistic.replace("_", " ").capitalize()
    return HEADERS.get(statistic, label)


# ---- cells: rounding


def _rows(frame: pd.DataFrame, labels: Labels) -> tuple[Row, ...]:
    digits = {name: decimals(frame[name], frame[f"{name}_mcse"]) for name in _statistics(frame)}
    at = {key: i for i, key in enumerate(zip(frame["source"], frame["term"], strict=True))}

    def cell(key: Key) -> Cell:
        if (key.source, key.term) not in at:
            return Cell(key, fixed(np.nan, 0), "")
        row = frame.iloc[at[key.source, key.term]]
        mcse = "" if key.source == "original" else fixed(row[f"{key.statistic}_mcse"], digits[key.statistic], "")
        return Cell(key, fixed(row[key.statistic], digits[key.statistic]), mcse)

    return tuple(Row(stub, tuple(cell(key) for key in keys)) for stub, keys in labels)


def decimals(value: pd.Series, mcse: pd.Series) -> int:
    """Return as many decimals as let the smallest Monte Carlo error show one digit."""
    positive = mcse[mcse > 0]
    if positive.empty:
        return 0 if (value.dropna() % 1 == 0).all() else 3
    return int(np.clip(-np.floor(np.log10(positive.min())), 0, MOST_DECIMALS))


def fixed(number: float, decimals: int, missing: str = "–") -> str:
    """Return a number with so many decimals, a true minus sign, and never a minus zero."""
    if not np.isfinite(number):
        return missing
    text = f"{number:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def groups(head: Iterable[tuple[str, str]]) -> list[tuple[str, int]]:
    """Return the (group, width) of neighbouring number columns; empty if no column has a group."""
    runs: list[tuple[str, int]] = []
    for group, _ in head:
        if runs and runs[-1][0] == group:
            runs[-1] = (group, runs[-1][1] + 1)
        else:
            runs.append((group, 1))
    return runs if any(group for group, _ in runs) else []


# ---- captions


def paper_name(published: str) -> str:
    """Return "Table 2" for "table2"."""
    word = published.rstrip("0123456789")
    return f"{word.capitalize()} {published.removeprefix(word)}" if published else ""


def _title(kind: str, analysis: Mapping[str, Any]) -> str:
    titles = {
        "descriptives": "Univariate descriptives",
        "counts": "Rows in each category",
        "correlations": "Correlations of the continuous variables",
        "discrimination": "Telling synthetic from true records",
        "confusion": "Synthetic and true records, classified",
        "copies": "Share of values that are the same record's own",
        "utility": "Utility of the synthetic sets",
        "disclosure": "Disclosure by the synthetic sets (%)",
    }
    if kind not in MODELS:
        return titles.get(kind, kind.capitalize())
    return f"{MODEL_NAMES.get(kind, kind.capitalize())} regression, {analysis.get('formula', '')}"


def _note(kind: str, replicates: int) -> str:
    notes = {
        "descriptives": "The original data's, and means over {}. An asterisk (*) marks a categorical variable, "
        "which counts as its level numbers.",
        "counts": "The original data's, and mean and standard deviation over {}.",
        "correlations": "The original data's, and means over {}.",
        "discrimination": "A pooled logistic regression on all variables; means over {}.",
        "confusion": "By that regression; means over {}.",
        "copies": "Means over {}.",
        "disclosure": "Of the sample that the sets were made from, by target; measures of synthpop. Means over {}.",
        "utility": "Against the sample that the sets were made from; S is 1 in a right synthesis with fixed "
        "parameters. Means over {}.",
    }
    model = "Estimates in the original data; means, biases and coverages of the confidence interval over {}."
    number = f"{replicates} replicate{'s' * (replicates != 1)}"
    return notes.get(kind, model if kind in MODELS else notes["correlations"]).format(number)


# ---- files


def write_tables(directory: Path, tables: Iterable[ReportTable]) -> None:
    """Write each table as `<name>.csv` and `.md`."""
    directory.mkdir(parents=True, exist_ok=True)
    for table in tables:
        texts = {"csv": to_csv(table), "md": to_markdown(table)}
        for extension, text in texts.items():
            (directory / f"{table.name}.{extension}").write_text(text, encoding="utf-8", newline="\n")


def to_csv(table: ReportTable) -> str:
    return table.frame.to_csv(index=False, lineterminator="\n")


def to_markdown(table: ReportTable) -> str:
    """Return a Markdown table, Monte Carlo standard errors in parentheses."""
    head = [*table.stub, *(f"{group} {name}".strip() for group, name in table.head)]
    lines = [head, [*["---"] * len(table.stub), *["---:"] * len(table.head)]]
    for row in table.rows:
        lines.append([*row.stub, *(f"{c.value} ({c.mcse})" if c.mcse else c.value for c in row.cells)])
    body = ("| " + " | ".join(text.replace("|", r"\|").replace("*", r"\*") for text in line) + " |" for line in lines)
    caption = f"**{table.numbered_title}.** {table.note.replace('*', chr(92) + '*')} {IN_PARENTHESES}"
    return f"{caption}\n\n" + "\n".join(body) + "\n"
