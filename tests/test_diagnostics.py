"""The figures of data and of what was drawn for them: they show the numbers, all of them, and can be read."""

from __future__ import annotations

import io
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.integrate import trapezoid

from mice_sim import MiceSimError, load_dataset
from mice_sim.assessment import convergence, flux, md_pattern
from mice_sim.data import Table
from mice_sim.origin import Origin
from mice_sim.report import diagnostics
from mice_sim.report.style import PALETTE, WIDTH

BLUE, VERMILION = PALETTE["blue"], PALETTE["vermilion"]


def imputed(frame: pd.DataFrame, m: int = 5, iterations: int = 6, seed: int = 1) -> SimpleNamespace:
    """A result as `impute` returns it: missing cells are drawn from the observed values."""
    rng, table = np.random.default_rng(seed), Table.from_pandas(frame)
    where = np.isnan(table.values)
    sets = np.repeat(table.values[None], m, axis=0)
    for j, (values, cells) in enumerate(zip(table.values, where, strict=True)):
        for one in sets[:, j]:
            one[cells] = rng.choice(values[~cells], cells.sum())
    drawn = where.any(axis=1)[:, None, None]
    mean, sd = (np.where(drawn, rng.normal(size=(len(where), iterations, m)), np.nan) for _ in "ab")
    chain = SimpleNamespace(mean=mean, sd=sd)
    origin = Origin("impute", "imputed", True, False, table.n_rows, table.n_rows, m)
    return SimpleNamespace(original=table, sets=sets, where=where, chain=chain, origin=origin)


def sequential(frame: pd.DataFrame, rows: int, m: int = 3) -> SimpleNamespace:
    """A result of sequential synthesis, with any number of rows and missing values kept."""
    rng, table = np.random.default_rng(2), Table.from_pandas(frame)
    sets = np.stack([table.values[:, rng.integers(0, table.n_rows, rows)] for _ in range(m)])
    origin = Origin("sequential", "kept", False, True, table.n_rows, rows, m)
    return SimpleNamespace(original=table, sets=sets, where=None, chain=None, origin=origin)


@pytest.fixture(scope="module")
def incomplete() -> pd.DataFrame:
    return load_dataset("boys")


@pytest.fixture(scope="module")
def result(incomplete) -> SimpleNamespace:
    return imputed(incomplete)


def of_colour(axis, colour: str) -> list:
    """The lines of points or curves of a colour."""
    return [line for line in axis.lines if to_hex(line.get_color()) == colour]


def render(figure: Figure) -> bytes:
    canvas, out = FigureCanvasAgg(figure), io.BytesIO()
    canvas.print_png(out)
    return out.getvalue()


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


EVERY = {
    "pattern": lambda r, frame: diagnostics.plot_pattern(frame),
    "flux": lambda r, frame: diagnostics.plot_flux(frame),
    "traces": lambda r, frame: diagnostics.plot_traces(r),
    "convergence": lambda r, frame: diagnostics.plot_convergence(r),
    "strip": lambda r, frame: diagnostics.plot_strip(r),
    "box": lambda r, frame: diagnostics.plot_box(r),
    "density": lambda r, frame: diagnostics.plot_density(r),
    "scatter": lambda r, frame: diagnostics.plot_scatter(r, "age", "gen"),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_figure_is_a_page_wide_says_all_inside_it_and_is_the_same_again(name, result, incomplete):
    figure = EVERY[name](result, incomplete)
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() <= WIDTH
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black"}):
        again = EVERY[name](result, incomplete)
        assert matplotlib.rcParams["font.size"] == 20
    assert render(figure) == render(again)
    drawn = figure.get_tightbbox().extents
    assert (drawn[:2] > -0.01).all()
    assert (drawn[2:] < figure.get_size_inches() + 0.01).all()


# ---- what is missing


def test_a_pattern_plot_shows_every_pattern_and_count(incomplete):
    table = md_pattern(incomplete)
    axis, right, below = diagnostics.plot_pattern(incomplete).axes
    assert [t.get_text() for t in axis.get_xticklabels()] == list(table.columns[:-1])
    assert [t.get_text() for t in axis.get_yticklabels()] == [str(n) for n in table.index[:-1]]
    assert [t.get_text() for t in right.get_yticklabels()] == [str(n) for n in table["missing"].iloc[:-1]]
    assert [t.get_text() for t in below.get_xticklabels()] == [str(n) for n in table.iloc[-1, :-1]]
    assert "1,622 values missing in all" in below.get_xlabel()
    cells = {(round(p.get_y() + 0.45), round(p.get_x() + 0.47)): to_hex(p.get_facecolor()) for p in axis.patches}
    for (row, column), colour in cells.items():
        assert colour == (BLUE if table.iloc[row, column] else VERMILION)
    assert len(cells) == 13 * 9


def test_a_pattern_plot_says_what_it_leaves_out(incomplete):
    axis, _, below = diagnostics.plot_pattern(incomplete, most=3).axes
    assert [t.get_text() for t in axis.get_yticklabels()] == ["223", "437", "43"]
    assert "10 rarer patterns with 45 rows are not shown" in below.get_xlabel()
    assert "rarer" not in diagnostics.plot_pattern(incomplete).axes[2].get_xlabel()


@pytest.mark.parametrize("columns", [9, 40])
def test_a_flux_plot_names_every_point(incomplete, columns):
    rng = np.random.default_rng(3)
    crowd = pd.DataFrame(
        np.where(rng.random((300, columns)) < rng.random(columns) * 0.3, np.nan, 1),
        columns=[f"a_rather_long_name_{i}" for i in range(columns)],
    )
    for frame in (incomplete, crowd):
        figure = diagnostics.plot_flux(frame)
        (points,) = (line for line in figure.axes[0].lines if line.get_marker() == "o")
        np.testing.assert_array_equal(points.get_xydata(), flux(frame)[["influx", "outflux"]])
        written = ", ".join(words(figure)).split(", ")
        assert set(frame.columns) <= set(written)
        render(figure)
        labels = [t.get_window_extent() for t in figure.axes[0].texts]
        overlapping = [(a, b) for i, a in enumerate(labels) for b in labels[:i] if a.shrunk(1, 0.8).overlaps(b)]
        assert not overlapping
        assert (figure.get_tightbbox().extents[2:] < figure.get_size_inches() + 0.01).all()


def test_without_missing_values_there_is_no_flux_to_draw(boys):
    with pytest.raises(MiceSimError, match="no missing values"):
        diagnostics.plot_flux(boys)


# ---- chains


def test_traces_are_the_chain_statistics(result):
    figure = diagnostics.plot_traces(result, ["hgt", "gen"])
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["hgt: mean", "hgt: sd", "gen: mean", "gen: sd"]
    for axis in figure.axes:
        name, parameter = axis.get_title().split(": ")
        chains = getattr(result.chain, parameter)[result.original.index(name)]
        np.testing.assert_array_equal(np.transpose([line.get_ydata() for line in axis.lines]), chains)
    assert len(diagnostics.plot_traces(result).axes) == 2 * 8  # all but age
    assert [w for w in words(figure) if w.startswith("Chain")] == [f"Chain {i}" for i in range(1, 6)]


def test_the_plot_of_convergence_shows_its_numbers(result):
    frame = convergence(result, "sd")
    for axis, what in zip(diagnostics.plot_convergence(result, "sd").axes, ("ac", "rhat"), strict=True):
        shown = np.concatenate([line.get_ydata() for line in axis.lines[:-1]])
        known = frame[(frame["variable"] != "age") & (frame["iteration"] > 1)]  # there is none for the first iteration
        np.testing.assert_array_equal(shown, known[what])


# ---- drawn values beside observed ones


def test_a_strip_shows_every_observed_and_drawn_value(result):
    figure = diagnostics.plot_strip(result)
    assert [axis.get_title() for axis in figure.axes] == ["hgt", "wgt", "bmi", "hc", "gen", "phb", "tv", "reg"]
    for axis in figure.axes:
        j = result.original.index(axis.get_title())
        cells, factor = result.where[j], result.original.columns[j].is_factor
        groups = [result.original.values[j][~cells], *result.sets[:, j, cells]]
        assert [to_hex(line.get_color()) for line in axis.lines] == [BLUE, *[VERMILION] * 5]
        for place, (line, values) in enumerate(zip(axis.lines, groups, strict=True)):
            shown = line.get_ydata()
            np.testing.assert_array_equal(np.sort(shown.round() if factor else shown), np.sort(values))
            assert np.abs(line.get_xdata() - place).max() < 0.35
    assert "Imputed" in words(figure)


def test_of_many_points_evenly_spaced_ones_are_shown():
    frame = pd.DataFrame({"x": np.arange(100_000.0), "y": np.arange(100_000.0)})
    made = sequential(frame, 50_000)
    made.sets[:] = np.arange(50_000.0)
    for line in diagnostics.plot_strip(made, "x").axes[0].lines:
        shown = line.get_ydata()
        assert len(shown) == diagnostics.POINTS
        assert shown.max() - shown.min() == pytest.approx(len(frame) if shown.max() > 60_000 else 50_000, abs=1)
        assert np.ptp(np.diff(shown)) <= 1


def test_densities_have_the_area_of_a_density_and_shares_add_up(result):
    figure = diagnostics.plot_density(result)
    for axis in figure.axes:
        j = result.original.index(axis.get_title())
        drawn = of_colour(axis, VERMILION)
        assert len(drawn) == 5
        if result.original.columns[j].is_factor:
            levels = result.original.columns[j].n_levels
            observed = result.original.values[j][~result.where[j]]
            heights = [bar.get_height() for bar in axis.patches]
            np.testing.assert_allclose(heights, [(observed == level).mean() for level in range(levels)])
            for line, values in zip(drawn, result.sets[:, j, result.where[j]], strict=True):
                np.testing.assert_allclose(line.get_ydata(), [(values == level).mean() for level in range(levels)])
        else:
            groups = [result.original.values[j][~result.where[j]], *result.sets[:, j, result.where[j]]]
            for line, values in zip(axis.lines, groups, strict=True):
                x, density = line.get_data()
                assert trapezoid(density, x) == pytest.approx(1, abs=0.01)
                assert trapezoid(density * x, x) == pytest.approx(values.mean(), rel=0.01)


def test_boxes_are_quartiles_of_continuous_columns(result):
    figure = diagnostics.plot_box(result)
    assert [axis.get_title() for axis in figure.axes] == ["hgt", "wgt", "bmi", "hc", "tv"]
    for axis in figure.axes:
        j = result.original.index(axis.get_title())
        groups = [result.original.values[j][~result.where[j]], *result.sets[:, j, result.where[j]]]
        for patch, values in zip(axis.patches, groups, strict=True):
            edges = patch.get_path().vertices[:, 1]
            np.testing.assert_allclose([edges.min(), edges.max()], np.quantile(values, [0.25, 0.75]))


def test_a_scatter_plot_tells_drawn_pairs_from_observed_ones(result):
    observed, *sets = diagnostics.plot_scatter(result, "age", "hc", sets=[2, 5]).axes
    age, hc = (result.original.index(name) for name in ("age", "hc"))
    missing = result.where[hc]
    np.testing.assert_array_equal(observed.lines[0].get_xydata(), result.original.values[[age, hc]][:, ~missing].T)
    for axis, number in zip(sets, (2, 5), strict=True):
        assert axis.get_title() == f"Set {number}"
        (kept,), (drawn,) = of_colour(axis, BLUE), of_colour(axis, VERMILION)
        np.testing.assert_array_equal(kept.get_xydata(), observed.lines[0].get_xydata())
        np.testing.assert_array_equal(drawn.get_xydata(), result.sets[number - 1][[age, hc]][:, missing].T)


def test_sequential_sets_of_any_size_with_missing_values_are_drawn_whole(incomplete):
    made = sequential(incomplete, 1000)
    strip = diagnostics.plot_strip(made, ["tv"]).axes[0]
    tv = made.original.index("tv")
    for line, values in zip(strip.lines, [made.original.values[tv], *made.sets[:, tv]], strict=True):
        np.testing.assert_array_equal(np.sort(line.get_ydata()), np.sort(values[~np.isnan(values)]))
    for draw in (diagnostics.plot_strip, diagnostics.plot_box, diagnostics.plot_density):
        assert "Synthetic" in words(draw(made))
    scatter = diagnostics.plot_scatter(made, "age", "hgt")
    assert not any(len(line.get_xdata()) for axis in scatter.axes[1:] for line in of_colour(axis, BLUE))


def test_odd_data_can_be_drawn():
    levels = [f"a level with a long name {i}" for i in range(30)]
    frame = pd.DataFrame(
        {
            "constant": [2.0] * 9 + [np.nan],
            "huge": [*np.arange(9) * 1e150, np.nan],
            "tiny": [*np.arange(9) * 1e-150, np.nan],
            "one": [np.nan] * 9 + [1],
            "levels": pd.Categorical([*levels[:9], None], categories=levels),
            "größe in cm $x$": pd.Categorical([*"ab" * 4, "a", None], ordered=True),
        }
    )
    made = imputed(frame, m=2)
    for draw in (diagnostics.plot_strip, diagnostics.plot_box, diagnostics.plot_density):
        render(draw(made))
    render(diagnostics.plot_traces(imputed(frame, m=12), ["constant"]))
    render(diagnostics.plot_scatter(made, "levels", "one"))
    render(diagnostics.plot_pattern(frame))
    render(diagnostics.plot_flux(frame))
    empty = sequential(pd.DataFrame({"none": [np.nan] * 4, "x": range(4)}), 4)
    for draw in (diagnostics.plot_strip, diagnostics.plot_box, diagnostics.plot_density):
        render(draw(empty))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda r: diagnostics.plot_strip(r, ["hgtt"]), "no column 'hgtt'; did you mean 'hgt'?"),
        (lambda r: diagnostics.plot_density(r, "age"), "Column 'age' has no drawn values; leave it out"),
        (lambda r: diagnostics.plot_box(r, ["gen"]), "Column 'gen' has no continuous drawn values; leave it out"),
        (lambda r: diagnostics.plot_traces(r, ["age"]), "Column 'age' has no chains; leave it out"),
        (lambda r: diagnostics.plot_strip(r, sets=[6]), "There is no set 6; sets are numbered 1 to 5"),
        (lambda r: diagnostics.plot_scatter(r, "age", "hgt", [0]), "There is no set 0; sets are numbered 1 to 5"),
        (lambda r: diagnostics.plot_scatter(r, "age", "z"), "no column 'z'"),
    ],
)
def test_what_can_not_be_drawn_is_said_in_one_sentence(result, draw, message):
    with pytest.raises(MiceSimError) as caught:
        draw(result)
    assert message in str(caught.value)


def test_results_without_draws_or_chains_are_refused(boys, incomplete):
    complete = imputed(boys)
    for draw in (diagnostics.plot_strip, diagnostics.plot_box, diagnostics.plot_density, diagnostics.plot_traces):
        with pytest.raises(MiceSimError, match="there is nothing to draw"):
            draw(complete)
    with pytest.raises(MiceSimError, match="No cell was drawn"):
        diagnostics.plot_convergence(complete)
    for draw in (diagnostics.plot_traces, diagnostics.plot_convergence):
        with pytest.raises(MiceSimError, match="not drawn by iterating"):
            draw(sequential(incomplete, 10))
