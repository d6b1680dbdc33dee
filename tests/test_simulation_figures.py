"""The figures of a simulation study: what is drawn equals the numbers, with its Monte Carlo error, and can be read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.stats import binom, norm

from mice_sim.errors import MiceSimError
from mice_sim.report import grids, replicates, simulation, style
from mice_sim.report.html import inline_svg
from mice_sim.report.performance import failures, performance_figures, performance_tables
from mice_sim.report.style import Drawing
from mice_sim.report.sweep import build_sweep, pairing_statement

LEVEL = 0.8
Z = norm.ppf(0.9)
CSS = Path(simulation.__file__).parent / "templates" / "report.css"
LONG_METHODS = [
    "cart", "parametric", "sequential-cart-with-pmm-fallback", "joint_multivariate_normal_model", "forest", "latent",
    "polyreg+logreg", "very.long.method.name.with.options.m20.minbucket5",
]  # fmt: skip
LONG_TERMS = [*(f"x{i}" for i in range(10)), "gender:female", "as.factor(education)tertiary:poly(age, 2)1_and_more"]
AXES = {"data.n": [50, 200, 1000], "resampling.amputation.proportion": [0.1, 0.5], "synthesis.method": ["cart", "pmm"]}


def estimates(sources: list[str], terms: list[str], n: int = 40, truth: float = 0.5, seed: int = 1) -> pd.DataFrame:
    rng, frames = np.random.default_rng(seed), []
    for (j, source), term in product(enumerate(sources), terms):
        estimate, error = truth + 0.1 * j + rng.normal(size=n), rng.uniform(0.7, 1.2, n)
        limits = {"ci_lower": estimate - Z * error, "ci_upper": estimate + Z * error}
        labels = {"replicate": range(n), "source": source, "term": term}
        frames.append(pd.DataFrame({**labels, "estimate": estimate, "std_error": error, **limits, "truth": truth}))
    return pd.concat(frames, ignore_index=True)


def performance(frame: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (source, term), mine in frame.groupby(["source", "term"], sort=False):
        n, error, se = len(mine), mine["estimate"] - mine["truth"], mine["std_error"].mean()
        p = float(((mine["ci_lower"] < mine["truth"]) & (mine["truth"] < mine["ci_upper"])).mean())
        numbers = {
            "bias": (error.mean(), error.std() / n**0.5, 0.0), "emp_se": (error.std(), error.std() / 9, np.nan),
            "model_se": (se, 0.02, error.std()), "coverage": (p, (p * (1 - p) / n) ** 0.5, LEVEL),
        }  # fmt: skip
        rows += [(source, "linear", term, "estimate", measure, n, *given) for measure, given in numbers.items()]
    return pd.DataFrame(
        rows, columns=["source", "analysis", "term", "statistic", "measure", "n", "estimate", "mcse", "target"]
    )


def sweep_frame(axes: dict[str, list], sources: list[str], terms: list[str]) -> pd.DataFrame:
    frames = []
    for seed, point in enumerate(product(*axes.values())):
        found = performance(estimates(sources, terms, seed=seed))
        frames.append(
            pd.DataFrame({axis: [value] * len(found) for axis, value in zip(axes, point, strict=True)}).join(found)
        )
    return pd.concat(frames, ignore_index=True)


def of(frame: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    for column, value in wanted.items():
        frame = frame[frame[column].isin(value if isinstance(value, list) else [value])]
    return frame


def segments(axis: matplotlib.axes.Axes, label: str | None = None) -> np.ndarray:
    """Return every line of the collections with a label: (k, 2, 2)."""
    found = [c for c in axis.collections if isinstance(c, LineCollection) and label in (None, c.get_label())]
    return np.array([line for c in found for line in c.get_segments() if len(line) == 2])  # none where a number is NaN


def lines_at(axis: matplotlib.axes.Axes, horizontal: bool) -> list[float]:
    """Return where lines across the whole panel are."""
    found = []
    for line in axis.lines:
        x, y = map(np.asarray, line.get_data())
        if len(x) == 2 and list(x if horizontal else y) == [0, 1]:
            found.append(float(y[0] if horizontal else x[0]))
    return found


def curve(axis: matplotlib.axes.Axes, label: str) -> matplotlib.lines.Line2D:
    return next(line for line in axis.lines if line.get_label() == label)


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style.SETTINGS)
        yield


# ---- the look of sources


def test_ten_sources_differ_in_colour_marker_and_line_and_old_ones_keep_theirs():
    looks = style.styles(["original", "sample", "complete_cases", *LONG_METHODS])
    assert "original" not in looks
    for part in ("color", "marker"):
        assert len({getattr(look, part) for look in looks.values()}) == 10
    assert len({str(look.line) for look in looks.values()}) == 10
    two = style.styles(["bootstrap", "synthetic"])
    assert (two["bootstrap"].color, two["synthetic"].color) == ("#0072b2", "#d55e00")
    assert style.styles(["sample", "cart"])["cart"].color == "#d55e00"


def test_each_colour_is_a_variable_of_light_dark_and_printed_pages():
    css = CSS.read_text(encoding="utf-8")
    for name, colour in style.PALETTE.items():
        assert len(re.findall(rf"--{name}: #", css)) == 3
        assert css.count(f"--{name}: {colour}") == 2  # the dark page has a lighter one


def test_the_page_recolours_figures_of_many_methods(tmp_path):
    frame = performance(estimates(["sample", *LONG_METHODS], ["x"]))
    drawing = style.write(tmp_path, lambda: [simulation.lolly(frame, LEVEL)])[0]
    svg = str(inline_svg(tmp_path / "lolly.svg", drawing))
    assert not any(colour in svg for colour in [*style.PALETTE.values(), style.INK])
    assert "var(--olive)" in svg


def test_what_a_label_has_no_room_for_is_broken_after_marks_and_never_silently_lost():
    assert style.fitted("as.factor(education)tertiary", 20) == "as.factor(education)\ntertiary"
    assert style.fitted("var(cluster, (Intercept))", 24) == "var(cluster,\n(Intercept))"
    cut = style.fitted("a" * 40 + "z" * 40, 20, 2)
    assert "…" in cut
    assert all(len(line) <= 20 for line in cut.split("\n"))


# ---- zip plot


def test_a_zip_plot_ranks_intervals_by_their_distance_and_marks_those_that_miss():
    frame = estimates(["sample", "cart"], ["x"], n=60)
    figure = replicates.zip_plot(frame, LEVEL).figure
    for axis, source in zip(figure.axes, ["sample", "cart"], strict=True):
        mine = of(frame, source=source)
        order = ((mine["estimate"] - 0.5).abs() / mine["std_error"]).sort_values().index
        inside = ((mine["ci_lower"] < 0.5) & (mine["ci_upper"] > 0.5)).loc[order].to_numpy()
        centile = 100 * (np.arange(60) + 0.5) / 60
        for label, those in (("holds", inside), ("misses", ~inside)):
            found = segments(axis, label)
            np.testing.assert_allclose(found[:, :, 0], mine.loc[order[those], ["ci_lower", "ci_upper"]])
            np.testing.assert_allclose(found[:, 0, 1], centile[those])
        expected = [LEVEL, *style.wilson(np.array([inside.mean()]), np.array([60]), LEVEL).ravel()]
        np.testing.assert_allclose(lines_at(axis, horizontal=True), 100 * np.array(expected))
        assert lines_at(axis, horizontal=False) == [0.5]


def test_a_zip_plot_of_many_replicates_is_thinned_and_says_so(monkeypatch):
    monkeypatch.setattr(replicates, "MOST_MARKS", 50)
    drawing = replicates.zip_plot(estimates(["cart"], ["x"], n=10_000), LEVEL)
    assert len(segments(drawing.figure.axes[0])) == 50
    assert "Only 50 of 10,000 intervals" in drawing.caption


def test_where_the_truth_varies_by_replicate_intervals_are_drawn_about_it():
    frame = estimates(["cart"], ["x"], n=20).assign(truth=np.linspace(0, 1, 20))
    axis = replicates.zip_plot(frame, LEVEL).figure.axes[0]
    np.testing.assert_allclose(sorted(segments(axis)[:, 0, 0]), sorted(frame["ci_lower"] - frame["truth"]))
    assert lines_at(axis, horizontal=False) == [0]


def test_a_zip_plot_without_truth_or_intervals_is_refused():
    with pytest.raises(MiceSimError, match="true value"):
        replicates.zip_plot(estimates(["cart"], ["x"]).assign(truth=np.nan), LEVEL)


# ---- Bland-Altman


def test_a_bland_altman_plot_pairs_by_replicate_and_shows_both_errors():
    frame = estimates(["sample", "cart"], ["x"], n=30)
    frame.loc[frame.index[3], "estimate"] = np.nan
    shuffled = frame.sample(frac=1, random_state=1)
    drawing = replicates.bland_altman(shuffled, "sample", LEVEL)
    wide = frame.pivot(index="replicate", columns="source", values="estimate").dropna()
    d = wide["cart"] - wide["sample"]
    axis = drawing.figure.axes[0]
    x, y = curve(axis, "replicates").get_data()
    np.testing.assert_allclose(np.sort(x), np.sort(wide.mean(axis=1)))
    np.testing.assert_allclose(np.sort(y), np.sort(d))
    s, n = d.std(), len(d)
    np.testing.assert_allclose(lines_at(axis, True), [d.mean(), d.mean() - Z * s, d.mean() + Z * s])
    heights = [patch.get_height() for patch in axis.patches]
    error = s * np.sqrt(1 / n + Z**2 / (2 * (n - 1)))
    np.testing.assert_allclose(heights, 2 * Z * np.array([s / np.sqrt(n), error, error]))


def test_a_bland_altman_plot_needs_two_sources():
    with pytest.raises(MiceSimError, match="another source"):
        replicates.bland_altman(estimates(["sample"], ["x"]), "sample", LEVEL)


# ---- Monte Carlo error by replicates


def test_the_budget_ends_at_the_studys_own_errors_and_says_how_many_replicates_a_target_needs():
    frame = estimates(["cart"], ["x"], n=200)
    drawing = replicates.mcse_budget(frame, LEVEL, {"bias": 0.01})
    p = ((frame["ci_lower"] < 0.5) & (frame["ci_upper"] > 0.5)).mean()
    s = frame["estimate"].std()
    last = {"bias": s / 200**0.5, "emp_se": s / (2 * 199) ** 0.5, "coverage": (p * (1 - p) / 200) ** 0.5}
    for axis, expected in zip(drawing.figure.axes, last.values(), strict=True):
        r, mcse = curve(axis, "cart").get_data()
        assert (r[-1], mcse[-1]) == (200, pytest.approx(expected))
        theory = np.array(curve(axis, "1/√R").get_data())
        np.testing.assert_allclose(theory[1] * np.sqrt(theory[0]), expected * 200**0.5)
        assert axis.collections, "no Monte Carlo interval"
    first = drawing.figure.axes[0]
    needed = int(np.ceil(200 * (last["bias"] / 0.01) ** 2))
    assert lines_at(first, True) == [0.01]
    assert lines_at(first, False) == [needed]
    assert f"Bias needs {needed:,} replicates" in drawing.caption


def test_an_error_of_the_first_replicates_is_that_of_a_study_that_stopped_there():
    frame = estimates(["cart"], ["x"], n=200)
    whole = replicates.prefix_errors(frame)
    for r in whole.loc[whole["measure"] == "bias", "R"].iloc[[0, 10, 20]]:
        alone = replicates.prefix_errors(frame.iloc[:r])
        pd.testing.assert_frame_equal(
            whole[whole["R"] == r].reset_index(drop=True), alone[alone["R"] == r].reset_index(drop=True)
        )


# ---- lolly, forest, coverage


def test_a_lolly_goes_from_target_to_estimate_between_the_brackets_of_its_interval():
    frame = of(performance(estimates(["sample", "cart"], ["x"])), measure=["bias", "emp_se"])
    bias, emp_se = simulation.lolly(frame, LEVEL).figure.axes
    rows = of(frame, measure="bias")
    stems = segments(bias)
    np.testing.assert_allclose(stems[:, 0, 0], 0)
    np.testing.assert_allclose(stems[:, 1, 0], rows["estimate"])
    brackets = np.array([line.get_xdata() for line in bias.lines if line.get_label() == "_limits"]).reshape(2, 2)
    np.testing.assert_allclose(brackets[:, 0], rows["estimate"] - Z * rows["mcse"])
    np.testing.assert_allclose(brackets[:, 1], rows["estimate"] + Z * rows["mcse"])
    assert lines_at(bias, False) == [0]
    assert lines_at(emp_se, False) == []  # no target


def test_a_forest_shows_each_number_its_interval_and_its_own_target():
    frame = performance(estimates(["sample", "cart"], ["x", "y", "z"]))
    frame.loc[1, "estimate"] = np.nan
    axes = simulation.forest(frame, LEVEL).figure.axes
    for axis, measure in zip(axes, ["bias", "emp_se", "model_se", "coverage"], strict=True):
        rows = of(frame, measure=measure)
        lower, upper = simulation.limits(rows, LEVEL)
        shown = np.concatenate([curve(axis, label).get_xdata() for label in ("Samples", "cart")])
        np.testing.assert_allclose(shown, rows["estimate"])
        known = rows["estimate"].notna().to_numpy()
        spans = segments(axis)[-known.sum() :, :, 0]
        np.testing.assert_allclose(spans, np.stack([lower, upper]).T[known])
        if measure == "model_se":
            np.testing.assert_allclose(segments(axis)[: len(rows), 0, 0], rows["target"])
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["x", "y", "z"]


def test_limits_are_wilsons_for_proportions_and_normal_for_the_rest():
    rows = pd.DataFrame({"measure": ["coverage", "bias"], "n": 10, "estimate": [1.0, 1.0], "mcse": [0.0, 0.5]})
    lower, upper = simulation.limits(rows, LEVEL)
    assert lower[0] == pytest.approx(1 / (1 + Z**2 / 10))  # Wilson (1927) at p = 1
    assert upper[0] == pytest.approx(1)
    assert (lower[1], upper[1]) == pytest.approx((1 - 0.5 * Z, 1 + 0.5 * Z))


def test_the_band_of_coverage_is_binomial_about_the_studys_own_level_and_each_rows_n():
    frame = performance(estimates(["sample", "cart"], ["x", "y"]))
    frame.loc[frame["source"] == "cart", "n"] = 30
    drawing = simulation.coverage(frame, LEVEL)
    axis = drawing.figure.axes[0]
    bars = sorted((bar.get_y(), bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches)
    expected = [np.array(binom.interval(LEVEL, n, LEVEL)) / n for n in (40, 30, 40, 30)]
    np.testing.assert_allclose([bar[1:] for bar in bars], expected)
    assert lines_at(axis, False) == [LEVEL]
    rows = of(frame, measure="coverage")
    lower, upper = simulation.band(rows["n"].to_numpy(), LEVEL)
    outside = ((rows["estimate"] < lower) | (rows["estimate"] > upper)).sum()
    assert f"{outside} of 4 estimates lie outside" in drawing.caption


def test_the_term_that_is_shown_is_the_one_furthest_from_its_target():
    frame = performance(estimates(["sample", "cart"], ["x", "y"]))
    frame.loc[(frame["term"] == "y") & (frame["measure"] == "bias"), "estimate"] = 9.0
    assert simulation.telling_term(frame) == "y"
    assert simulation.telling_term(frame.assign(target=np.nan)) == "x"
    with pytest.raises(MiceSimError, match="shows one term"):
        simulation.lolly(frame, LEVEL)


# ---- sweeps


def test_a_nested_loop_runs_the_last_axis_fastest_and_leaves_a_gap_where_nothing_is_known():
    frame = of(sweep_frame(AXES, ["sample", "cart"], ["x"]), measure=["bias", "coverage"])
    gone = (frame["source"] == "cart") & (frame["data.n"] == 200) & (frame["synthesis.method"] == "pmm")
    shown = frame[~gone].sample(frac=1, random_state=1).sort_values("data.n", kind="stable")
    drawing = grids.nested_loop(pd.concat([frame[:1], shown, frame[:0]]).drop_duplicates(), list(AXES), LEVEL)
    *panels, legend = drawing.figure.axes
    assert len(panels) == 2
    for axis in panels:
        y = curve(axis, "cart").get_ydata()
        assert len(y) == 13
        assert np.isnan(y).sum() == 2
        assert len(axis.collections) == 2, "no Monte Carlo intervals"
    ordered = grids.nested_loop(frame, list(AXES), LEVEL).figure.axes
    for axis, measure in zip(ordered, ["bias", "coverage"], strict=False):
        rows = of(frame, measure=measure, source="cart")
        np.testing.assert_allclose(curve(axis, "cart").get_ydata()[:-1], rows["estimate"])
        lower, upper = simulation.limits(rows, LEVEL)
        reach = axis.collections[1].get_paths()[0].get_extents()
        assert (reach.ymin, reach.ymax) == pytest.approx((lower.min(), upper.max()))
    steps = [np.diff(curve(legend, axis).get_ydata()) for axis in AXES]
    assert [(np.abs(step) > 0).sum() for step in steps] == [2, 5, 11]


def test_a_heat_plots_cells_hold_their_numbers_and_are_neutral_at_the_target():
    frame = of(sweep_frame(AXES, ["sample", "cart"], ["x"]), measure="bias", **{"synthesis.method": "cart"})
    frame = frame.reset_index(drop=True)
    frame.loc[0, ["estimate", "mcse"]] = 0.0, 0.05
    frame.loc[frame.index[frame["source"] == "sample"][1:3], "estimate"] = 0.9, -0.9
    frame.loc[frame.index[frame["source"] == "cart"][0], "estimate"] = np.nan
    figure = grids.heat(frame, "data.n", "resampling.amputation.proportion", LEVEL).figure
    sample, cart = figure.axes[:2]
    assert to_hex(sample.collections[0].to_rgba(0.0)) == grids.TINTS[1]
    texts = [t for t in sample.texts]
    rows = of(frame, source="sample").sort_values(["data.n", "resampling.amputation.proportion"])
    for text, row in zip(texts, rows.itertuples(), strict=True):
        number, error = text.get_text().replace("−", "-").split("\n±")
        assert float(number) == pytest.approx(row.estimate, abs=0.051)
        assert float(error) == pytest.approx(row.mcse, abs=0.051)
        clear = abs(row.estimate) > Z * row.mcse
        assert text.get_fontweight() == ("bold" if clear else "normal")
    assert cart.texts[0].get_text() == "–"


def test_pairs_that_are_compared_tell_how_much_smaller_their_error_is(tmp_path):
    axes = {"data.n": [50, 200], "synthesis.m": [5, 10]}
    frame = sweep_frame(axes, ["sample", "cart"], ["x", "y"])
    pairs = frame.assign(difference=frame["estimate"], unpaired=frame["mcse"], ratio=np.linspace(1, 3, len(frame)))
    page = build_sweep(tmp_path, "A <sweep>", axes, frame, pairs).read_text(encoding="utf-8")
    assert "2.00 times that of the paired difference at the median (range 1.00 to 3.00)" in page
    assert "4.0 times as many replicates" in page
    assert "A &lt;sweep&gt;" in page
    assert not re.search(r"\ssrc\s*=|@import|<link", page)
    assert all((tmp_path / name).is_file() for name in re.findall(r'<a href="([^#"][^"]*)"', page))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables" / "performance.csv"), frame)
    assert len(pd.read_csv(tmp_path / "tables" / "comparisons.csv")) == len(pairs)
    names = {file.stem for file in (tmp_path / "figures").glob("*.svg")}
    expected = {"nested_loop", "heat1", "lolly", "forest"}
    assert names == {f"{name}_linear" for name in expected}
    assert "nothing to compare" in pairing_statement(pairs[:0])


def test_a_sweep_without_its_axis_or_its_level_is_refused(tmp_path):
    frame = sweep_frame({"data.n": [1, 2]}, ["cart"], ["x"])
    with pytest.raises(MiceSimError, match=r"no column 'synthesis.m'"):
        build_sweep(tmp_path, "", ["synthesis.m"], frame, frame)
    with pytest.raises(MiceSimError, match="give build_sweep the level"):
        build_sweep(tmp_path, "", ["data.n"], of(frame, measure="bias"), frame)


# ---- all of them


def every(sources: list[str], terms: list[str], n: int, axes: dict[str, list]) -> list[Drawing]:
    frame = estimates(sources, terms, n)
    found = performance(frame)
    config = {"pooling": {"level": LEVEL}, "analysis": {}, "until": {"bias": 0.001}}
    points = sweep_frame(axes, sources, terms[:2])
    loop = of(points, term=terms[0], measure=["bias", "coverage"])
    names = list(axes)
    return [
        *performance_figures(found, {"linear": frame}, config),
        grids.nested_loop(loop, names, LEVEL),
        grids.heat(of(loop, measure="coverage"), *names[:2], LEVEL, *names[2:3]),
        simulation.lolly(loop, LEVEL, names, name="lolly_points"),
        simulation.forest(of(points, measure="bias"), LEVEL, names, name="forest_points"),
    ]


@cache
def drawings(size: str) -> list[Drawing]:
    if size == "many":
        return every(["sample", *LONG_METHODS], LONG_TERMS, 40, AXES)
    return every(["sample", "cart"], ["x"], 3, {"data.n": [50, 200], "synthesis.m": [5, 10]})


@pytest.mark.parametrize("size", ["many", "few"])
def test_no_text_is_clipped_and_no_labels_overlap(size):
    for drawing in drawings(size):
        assert_readable(drawing.figure, drawing.name)


def assert_readable(figure: Figure, name: str) -> None:
    assert figure.get_figwidth() == style.WIDTH
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden, page = set(hidden_ticks(figure)), figure.bbox.padded(1)
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_visible() and t.get_text().strip()]
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts if id(t) not in hidden]
    for text, box in boxes:
        inside = page.x0 <= box.x0 <= box.x1 <= page.x1 and page.y0 <= box.y0 <= box.y1 <= page.y1
        assert inside, f"{name}: {text!r} is clipped"
    for (one, a), (other, b) in combinations(boxes, 2):
        wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide <= 1 or high <= 1, f"{name}: {one!r} and {other!r} overlap"


def hidden_ticks(figure: Figure) -> Iterator[int]:
    """The ids of tick labels that matplotlib keeps but does not draw: of ticks outside, and of axes that are off."""
    for axis in figure.axes:
        for side in (axis.xaxis, axis.yaxis):
            low, high = sorted(side.get_view_interval())
            room = 1e-9 * (high - low)
            for tick in (*side.get_major_ticks(), *side.get_minor_ticks()):
                if not axis.axison or not low - room <= tick.get_loc() <= high + room:
                    yield from (id(tick.label1), id(tick.label2))


@pytest.mark.parametrize("size", ["many", "few"])
def test_captions_say_what_is_drawn_over_how_many_replicates_and_never_95(size):
    for drawing in drawings(size):
        assert re.search(r"\b(40|3) replicates", drawing.caption), drawing.name
        assert "80 %" in drawing.caption, drawing.name
        assert len(drawing.alt) > 40
        words = [drawing.caption, *(t.get_text() for t in drawing.figure.findobj(matplotlib.text.Text))]
        assert not any(re.search(r"\b95\b|0\.95\b|1\.96", text) for text in words if text != "0.95"), drawing.name


def test_files_are_the_same_bytes_each_time(tmp_path):
    frame = estimates(["sample", "cart"], ["x"], 5)
    loop = of(sweep_frame({"a": [1, 2], "b": [1, 2]}, ["cart"], ["x"]), measure="bias")

    def draw() -> list[Drawing]:
        return [replicates.zip_plot(frame, LEVEL), grids.heat(loop, "a", "b", LEVEL)]

    for folder in ("one", "two"):
        style.write(tmp_path / folder, draw)
    digests = [
        {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (tmp_path / folder).iterdir()}
        for folder in ("one", "two")
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3 * len(draw())


def test_nothing_to_draw_is_refused_in_a_sentence():
    empty = performance(estimates(["cart"], ["x"])).assign(estimate=np.nan)
    for figure in (simulation.forest, simulation.lolly, simulation.coverage):
        with pytest.raises(MiceSimError, match="no number to draw"):
            figure(empty, LEVEL)
    with pytest.raises(MiceSimError, match="at least three replicates"):
        replicates.mcse_budget(estimates(["cart"], ["x"], n=2), LEVEL)


# ---- tables


def test_a_performance_table_sets_sources_below_each_other_and_targets_where_they_belong():
    table = performance_tables(performance(estimates(["sample", "cart"], ["x", "y"])))[0]
    assert [labels for labels, _ in table.rows] == [("x", "sample"), ("x", "cart"), ("y", "sample"), ("y", "cart")]
    assert dict(table.head)["Coverage"] == "0.8"
    assert dict(table.head)["Empirical SE"] == dict(table.head)["Model SE"] == ""
    model_se = [name for name, _ in table.head].index("Model SE")
    assert all(cells[model_se][2] for _, cells in table.rows)


def test_failures_are_told_by_analysis_and_source_with_the_worst_of_their_terms():
    rate = performance(estimates(["sample", "cart"], ["x", "y"])).drop_duplicates(["source", "term"])
    rate = rate.assign(measure="failure_rate", estimate=[0, 0, 0.025, 0.05], mcse=[0, 0, 0.01, 0.02])
    assert failures(rate) == [(("linear", "cart"), ("40", "0.0500", "0.0200"))]
    assert not performance_tables(rate)
