"""Rows in clusters: what the engine makes of cluster= and of codes, methods of clusters, trees that know clusters."""

import json
import time

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.data import Table
from mice_sim.study.config import compose
from mice_sim.study.replicate import Replicator
from mice_sim.synthesis.clusters import is_constant_within, means, means_of_each, number_in, value_of_each
from mice_sim.synthesis.methods import name_of
from mice_sim.synthesis.methods.two_level_cart import draw_effects, rows_of, variances
from mice_sim.synthesis.spec import specify

TREES = {"x": "2l.cart", "y": "2l.cart", "w": "2lonly.cart"}
MODES = [
    pytest.param(lambda data, **options: ms.impute(data, maxit=2, **options), id="impute"),
    pytest.param(lambda data, **options: ms.synthesize(data, mode="linked", maxit=2, **options), id="linked"),
    pytest.param(lambda data, **options: ms.synthesize(data, **options), id="sequential"),
    pytest.param(
        lambda data, **options: ms.synthesize(
            data, missing="two-step", imputation={"method": options["method"], "maxit": 2}, **options
        ),
        id="two-step",
    ),
]


def made(clusters: int = 60, size: int = 10, seed: int = 1) -> pd.DataFrame:
    """Rows in clusters: x at level 1, w and the factor f at level 2, y = x + w + an effect of the cluster + noise."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(clusters), size)
    w, effect, kind = rng.normal(size=clusters), rng.normal(size=clusters), rng.integers(3, size=clusters)
    x = rng.normal(size=g.size)
    y = x + w[g] + effect[g] + rng.normal(size=g.size)
    f = pd.Categorical.from_codes(kind[g], ["small", "medium", "large"], ordered=True)
    return pd.DataFrame({"g": g + 100, "w": w[g], "f": f, "x": x, "y": y})


@pytest.fixture(scope="module")
def complete() -> pd.DataFrame:
    return made()


@pytest.fixture(scope="module")
def holes(complete) -> pd.DataFrame:
    """Whole clusters without w or f, one with w in some rows only; y missing here and there, and in whole clusters."""
    data, rng = complete.copy(), np.random.default_rng(2)
    data.loc[data["g"] < 110, "w"] = np.nan
    data.loc[data["g"].between(105, 115), "f"] = np.nan
    data.loc[(data["g"] == 120) & (np.arange(len(data)) % 3 > 0), "w"] = np.nan
    data.loc[(rng.random(len(data)) < 0.3) | data["g"].between(130, 133), "y"] = np.nan
    return data


def icc(frame: pd.DataFrame, name: str, cluster: str = "g") -> float:
    """The share of a column's variance that is between clusters; of a factor's level numbers."""
    values = frame[name].cat.codes if isinstance(frame[name].dtype, pd.CategoricalDtype) else frame[name]
    there = values.notna()
    number = np.unique(frame.loc[there, cluster], return_inverse=True)[1]
    between, within = variances(values[there].to_numpy(float)[:, None], number)
    return float((between / (between + within))[0])


def average(statistic, result) -> float:
    return float(np.mean([statistic(frame) for frame in result.completed()]))


# ---- cluster= and the codes


def frame_of_codes(data: pd.DataFrame) -> pd.DataFrame:
    names = list(data)
    codes = pd.DataFrame(1, index=names, columns=names) - np.eye(len(names), dtype=int)
    codes["g"] = -2
    codes.loc["g", "g"] = 0
    codes.loc["y", "x"], codes.loc["y", "w"], codes.loc["x", "y"] = 4, 3, 2
    return codes


@pytest.mark.parametrize(
    "given",
    [
        lambda codes: {"predictor_matrix": codes},
        lambda codes: {"predictor_matrix": codes.to_numpy()},
        lambda codes: {"predictor_matrix": codes.iloc[::-1, ::-1], "cluster": "g"},
        lambda codes: {"predictor_matrix": codes.replace(-2, 0), "cluster": "g"},
        lambda codes: {"predictor_matrix": {"y": {"g": -2, "x": 4, "w": 3}, "x": {"y": 2}}},
        lambda codes: {"predictor_matrix": {"y": {"x": 4, "w": 3}, "x": {"y": 2}}, "cluster": "g"},
    ],
    ids=["frame", "array", "both", "cluster", "mapping", "mapping and cluster"],
)
def test_clusters_and_codes_can_be_said_in_many_ways_and_mean_one_thing(complete, given):
    spec = specify(Table.from_pandas(complete), **given(frame_of_codes(complete)))
    assert spec.cluster == 0
    assert spec.codes.tolist() == [
        [0, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 1, 0, 1, 1], [0, 1, 1, 0, 2], [0, 3, 1, 4, 0],
    ]  # fmt: skip
    assert [name_of(spec.methods[j]) for j in range(1, 5)] == ["2lonly.cart", "2lonly.cart", "2l.cart", "2l.cart"]


def test_every_kind_of_column_has_a_default_at_both_levels(complete):
    more = complete.assign(b=pd.Categorical(complete["x"] > 0), u=pd.Categorical(list("abc") * 200))
    more["b2"], more["u2"] = pd.Categorical(more["w"] > 0), pd.Categorical(np.where(more["w"] > 0, "p", more["f"]))
    imputing = specify(Table.from_pandas(more), mode="impute", cluster="g").methods
    names = {more.columns[j]: name_of(method) for j, method in imputing.items() if j}
    assert names == {
        "x": "2l.pmm", "y": "2l.pmm", "b": "2l.bin", "u": "2l.cart",
        "w": "2lonly.pmm", "f": "2lonly.cart", "b2": "2lonly.cart", "u2": "2lonly.cart",
    }  # fmt: skip
    for mode in ("linked", "sequential"):
        synthesising = specify(Table.from_pandas(more), mode=mode, cluster="g").methods
        names = {more.columns[j]: name_of(method) for j, method in synthesising.items() if j}
        assert set(names[n] for n in ("x", "y", "b", "u")) == {"2l.cart"}
        assert set(names[n] for n in ("w", "f", "b2", "u2")) == {"2lonly.cart"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cluster": "h"}, "The data has no column 'h'; known are g, w"),
        ({"cluster": "g", "predictor_matrix": {"y": {"x": -2}}}, "'g' and 'x' are both given as clusters; methods"),
        ({"cluster": "hole"}, "The cluster column 'hole' has 1 missing values; fill them or drop the rows."),
        ({"cluster": "g", "strata": "f"}, "so they can't share 'g'; leave out one."),
        ({"cluster": "g", "k": 7}, "The cluster column 'g' keeps its 600 values, so k can't be 7; leave k out."),
        ({"predictor_matrix": {"y": {"x": 5}}}, "holds 5 for 'x' predicting 'y'; use 0 or 1, and with"),
        ({"predictor_matrix": {"y": {"x": 2}}}, "its method 'cart' knows one level only; use 0 or 1, or a method"),
        ({"method": TREES | {"f": "sample"}}, "The method '2lonly.cart' of 'w' needs clusters; name their"),
        ({"cluster": "g", "formulas": {"y": "~ x"}}, "'y' has a formula, but its method '2l.cart' reads the"),
        ({"cluster": "g", "predictor_matrix": {"y": {"g": 1}}}, "predicting 'y', whose clusters it names; use -2 or"),
        ({"cluster": "g", "method": {"x": "2lonly.pmm"}}, "in g 100, so it can't be drawn for whole clusters;"),
        ({"cluster": "g", "visit_sequence": [*"ygwfx", "hole"], "where": [*"gyxwf", "hole"]},
         "The clusters of 'y', 'g', are visited later; visit 'g' first."),
        ({"cluster": "g", "method": {"f": "2lonly.norm"}}, "'2lonly.norm' can't draw 'f', which is ordered; use"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_of_clusters_is_refused(complete, options, words):
    data = complete.assign(hole=np.where(np.arange(600) == 3, np.nan, 1.5 + complete["g"] % 7))
    with pytest.raises(MiceSimError) as caught:
        ms.synthesize(data, 1, **{"method": {"g": "sample"} if "where" in options else None, **options})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_error_of_two_values_in_a_cluster_names_column_values_and_cluster(complete):
    schools = complete.assign(g=pd.Categorical("school " + complete["g"].astype(str)))
    schools.loc[25, "f"] = {"small": "large", "medium": "small", "large": "medium"}[schools.loc[25, "f"]]
    first, other = schools.loc[20, "f"], schools.loc[25, "f"]
    with pytest.raises(MiceSimError, match=f"Column 'f' is both {first} and {other} in g school 102, so it can't be"):
        ms.impute(schools, 1, method={"f": "2lonly.pmm"}, cluster="g")
    # By default such a column is drawn for rows.
    assert ms.synthesize(schools, 1, cluster="g", seed=1).summary().loc["f", "method"] == "2l.cart"


@pytest.mark.parametrize("run", MODES)
def test_clusters_keep_their_rows_in_every_mode(holes, run):
    for data in (holes, holes.assign(g=pd.Categorical(holes["g"].astype(str)))):
        result = run(data, m=2, method=TREES | {"f": "2lonly.cart"}, cluster="g", seed=1)
        assert all((frame["g"].to_numpy() == data["g"].to_numpy()).all() for frame in result.completed())
        assert result.summary().loc["g", "method"] == "kept"


def test_whether_clusters_are_numbers_or_names_changes_nothing(holes):
    options = {"method": TREES | {"f": "2lonly.cart"}, "cluster": "g", "seed": 1}
    named = holes.assign(g=pd.Categorical("s" + holes["g"].astype(str)))
    for run in (ms.impute, ms.synthesize):
        one, other = run(holes, 1, **options).completed(1), run(named, 1, **options).completed(1)
        pd.testing.assert_frame_equal(one.drop(columns="g"), other.drop(columns="g"))


def test_codes_of_the_cluster_column_in_other_models_are_free(complete):
    # A method for rows may have it as a predictor; then it has contrasts.
    data = complete.assign(g=pd.Categorical(complete["g"] // 20))
    spec = specify(Table.from_pandas(data), method={"x": "norm", "y": "2l.cart", "w": "cart", "f": "cart"}, cluster="g",
                   predictor_matrix={"x": {"g": 1}})  # fmt: skip
    assert sum(name.startswith("g") for name in spec.design.names) == 2


# ---- clusters as such


def test_positions_means_and_values_of_clusters():
    clusters = np.array([3.0, 1.0, 3.0, 7.0, 1.0])
    known = np.array([1.0, 3.0])
    assert number_in(known, clusters).tolist() == [1, 0, 1, -1, 0]
    assert number_in(np.zeros(0), clusters).tolist() == [-1] * 5
    values = np.array([[1.0, 0.1], [2.0, 0.1], [3.0, 0.1], [4.0, 0.7], [6.0, 0.1]])
    assert means(values, clusters, np.array([0, 3, 4])).tolist() == [[2.0, 0.1], [4.0, 0.7], [4.0, 0.1]]
    number = np.array([1, 0, 1, 2, 0])
    assert value_of_each(values[:, 1], number) == (pytest.approx([0.1, 0.1, 0.7]), None)
    assert value_of_each(values[:, 0], number)[1] == (0, 2.0, 6.0)
    # A thousand times 0.1 is not 100, but its mean is 0.1; and no sum overflows.
    assert (means_of_each(np.full((1000, 1), 0.1), np.arange(1000) % 7) == 0.1).all()
    assert means_of_each(np.full((40, 1), 1.7e308), np.zeros(40, int)).tolist() == [[1.7e308]]
    assert not is_constant_within(np.arange(4.0), np.arange(4.0))


# ---- columns of clusters


@pytest.mark.parametrize("run", MODES)
@pytest.mark.parametrize(
    ("w", "f"),
    [("2lonly.norm", "2lonly.cart"), ("2lonly.pmm", "2lonly.pmm"), ("2lonly.cart", "2lonly.cart"),
     ("2lonly.mean", "2lonly.mean")],
)  # fmt: skip
def test_a_cluster_has_one_value_and_a_factor_its_own_levels(holes, run, w, f):
    result = run(holes, m=2, method={"w": w, "f": f, "x": "cart", "y": "cart"}, cluster="g", seed=1)
    for frame in result.completed():
        # Kept missingness is a property of rows; what is there is one value.
        assert frame.groupby("g")[["w", "f"]].nunique().max().max() == 1
        assert frame["f"].dtype == holes["f"].dtype
        if result.mode != "sequential" or result.origin.missing == "two-step":
            assert not frame.isna().any().any()


@pytest.mark.parametrize("method", ["norm", "pmm", "cart"])
def test_a_method_of_clusters_is_the_method_of_rows_on_their_means(method):
    data = made(size=4)
    data.loc[data["g"] < 115, "w"] = np.nan
    small = data.drop(columns=["g", "f"]).groupby(data["g"]).mean()
    options = {"m": 3, "maxit": 1, "seed": 3, "where": "missing"}
    rows = ms.impute(data.drop(columns="f"), method={"w": f"2lonly.{method}"}, cluster="g", **options)
    clusters = ms.impute(small.reset_index(drop=True), method={"w": method, "x": "sample", "y": "sample"}, **options)
    for one, other in zip(rows.completed(), clusters.completed(), strict=True):
        np.testing.assert_allclose(one["w"].to_numpy()[::4], other["w"], rtol=1e-9)


def test_a_cluster_that_keeps_a_value_in_some_rows_has_it_in_all(holes, complete):
    result = ms.impute(holes, 2, method={"w": "2lonly.norm"}, cluster="g", seed=1)
    partly = holes["g"] == 120
    for frame in result.completed():
        assert (frame.loc[partly, "w"] == complete.loc[partly, "w"]).all()
    events = result.events[result.events["variable"] == "w"]
    assert set(events["what"]) == {"took 7 missing cells for known"}
    # A linked synthesis of some cells leaves the others of the cluster, and so all of them; of all cells, none.
    where = np.zeros(complete.shape, bool)
    where[complete["g"] <= 101, 1] = where[complete["g"] == 110, 1] = True
    where[complete.index[complete["g"] == 101][:5], 1] = False
    drawn = ms.synthesize(complete, 1, mode="linked", method={"w": "2lonly.norm"}, cluster="g", where=where, seed=1)
    changed = (drawn.completed(1)["w"] != complete["w"]).groupby(complete["g"]).sum()
    assert changed[changed > 0].to_dict() == {100: 10, 110: 10}


def test_ignored_rows_teach_nothing_but_are_known(complete):
    data, ignore = complete.copy(), (complete["g"] >= 150).to_numpy()
    data.loc[ignore, "w"] += 1000
    data.loc[(data["g"] < 105) | (ignore & (np.arange(len(data)) % 2 == 0)), "w"] = np.nan
    done = ms.impute(data, 1, method={"w": "2lonly.norm"}, cluster="g", ignore=ignore, seed=1).completed(1)["w"]
    assert (done[data["g"] < 105].abs() < 10).all()
    assert (done[ignore] > 900).all()


def test_2lonly_mean_fills_with_what_the_cluster_says():
    nan = np.nan
    levels = pd.CategoricalDtype(["low", "mid", "high"], ordered=True)
    data = pd.DataFrame(
        {
            "g": [1, 1, 1, 1, 2, 2, 2, 3, 3],
            "y": [1.0, 2.0, 6.0, nan, 5.0, nan, nan, nan, nan],
            "o": pd.Series(["low", "high", "high", None, "mid", "low", None, None, None], dtype=levels),
            "u": pd.Series(["a", "b", "b", None, "b", "a", None, None, None], dtype="category"),
        }
    )
    methods = dict.fromkeys("you", "2lonly.mean")
    done = ms.impute(data, 1, method=methods, cluster="g", seed=1).completed(1)
    assert done["y"].tolist() == pytest.approx([1, 2, 6, 3, 5, 5, 5, 3.5, 3.5])
    assert done["o"].tolist() == ["low", "high", "high", "high", "mid", "low", "low", "mid", "mid"]
    assert done["u"].tolist() == ["a", "b", "b", "b", "b", "a", "a", "b", "b"]
    # New clusters are not those of the data, so they have what all have.
    new = ms.synthesize(data.iloc[:3].assign(g=[1, 1, 2]), 1, method=methods, cluster="g", seed=1).completed(1)
    assert new["y"].tolist() == pytest.approx([3, 3, 3])


def test_proper_draws_of_clusters_bootstrap_the_clusters():
    data = made(clusters=40, size=5)[["g", "w"]]
    spread = [
        np.var([frame["w"].mean() for frame in ms.synthesize(data, 400, cluster="g", proper=p, seed=1).completed()])
        for p in (False, True)
    ]
    # b = 2ū where parameters are drawn, ū where they are not.
    assert spread[1] / spread[0] == pytest.approx(2, abs=0.55)
    assert spread[0] == pytest.approx(data["w"].var() / 40, rel=0.3)


# ---- 2l.cart


def test_variances_are_those_of_an_analysis_of_variance():
    number = np.array([0, 0, 1, 1])
    between, within = variances(np.array([[1.0, 4.0], [3.0, 2.0], [5.0, 3.0], [7.0, 3.0]]), number)
    assert between.tolist() == [7, 0]
    assert within.tolist() == [2, 1]
    assert variances(np.array([[1.0], [3.0]]), np.array([0, 1])) == (pytest.approx([0]), pytest.approx([2]))
    assert variances(np.array([[1.0], [3.0]]), np.array([0, 0])) == (pytest.approx([0]), pytest.approx([2]))


def test_effects_are_drawn_from_their_posterior():
    residuals, number = np.array([[1.0], [3.0], [-2.0]]), np.array([0, 0, 1])
    rng = np.random.default_rng(1)
    draws = np.array([draw_effects(residuals, number, np.array([1.0]), np.array([2.0]), rng) for _ in range(20000)])
    np.testing.assert_allclose(draws.mean(axis=0)[:, 0], [1, -2 / 3], atol=4 * 0.8 / 20000**0.5)
    np.testing.assert_allclose(draws.var(axis=0)[:, 0], [1 / 2, 2 / 3], rtol=0.04)
    assert not draw_effects(residuals, number, np.zeros(1), np.zeros(1), rng).any()


def test_chosen_clusters_bring_all_their_rows():
    rows, copy = rows_of(np.array([2, 0, 2]), np.array([0, 2, 1, 2, 0, 2]))
    assert rows.tolist() == [1, 3, 5, 0, 4, 1, 3, 5]
    assert copy.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]


@pytest.fixture(scope="module")
def pupils() -> pd.DataFrame:
    return ms.load_dataset("popmis")[["school", "popular", "sex", "texp"]]


def test_imputed_popularity_is_as_alike_within_schools_as_it_should_be(pupils):
    """.58 in the complete data (Oberman); trees that do not look at clusters lose a third of it."""
    trees = {"popular": "2l.cart"}
    result = ms.impute(pupils, 5, maxit=1, method=trees, cluster="school", seed=1)
    assert average(lambda d: icc(d, "popular", "school"), result) == pytest.approx(0.58, abs=0.04)
    single = ms.impute(pupils, 5, maxit=1, method={"popular": "cart"}, cluster="school", seed=1)
    assert average(lambda d: icc(d, "popular", "school"), single) < 0.45
    # Each value is one that somebody has.
    assert np.isin(result.sets[:, 1], pupils["popular"].dropna()).all()


def test_what_makes_imputed_pupils_popular_is_what_made_the_real_ones(pupils):
    """The effects in the complete data (Oberman); texp says less of girls."""
    result = ms.impute(pupils, 5, maxit=1, method={"popular": "2l.cart"}, cluster="school", seed=1)
    pooled = ms.pool(result.fit("popular ~ sex * texp + (1 + sex | school)", model="mixed"))
    truth = [3.314, 1.330, 0.110, -0.034]
    assert (np.abs(pooled["estimate"][:4] - truth) < 2 * pooled["std_error"][:4]).all()


@pytest.mark.parametrize("mode", ["linked", "sequential"])
def test_synthetic_pupils_are_as_alike_within_schools_as_real_ones(pupils, mode):
    known = pupils.dropna()
    result = ms.synthesize(known, 5, mode=mode, cluster="school", seed=1)
    single = ms.synthesize(known, 5, mode=mode, method="cart", cluster="school", seed=1)
    truth = icc(known, "popular", "school")
    assert truth == pytest.approx(0.56, abs=0.01)
    assert average(lambda d: icc(d, "popular", "school"), result) == pytest.approx(truth, abs=0.06)
    assert average(lambda d: icc(d, "popular", "school"), single) < 0.45
    assert average(lambda d: d["popular"].corr(d["sex"]), result) > 0.2
    assert average(lambda d: d["popular"].corr(d["texp"]), result) == pytest.approx(
        known["popular"].corr(known["texp"]), abs=0.12
    )


@pytest.fixture(scope="module")
def graded() -> pd.DataFrame:
    """A binary, an ordered and an unordered factor that clusters differ in."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(80), 25)
    x, effect = rng.normal(size=g.size), 1.2 * rng.normal(size=(3, 80))[:, g]
    latent = 0.7 * x + effect[0] + rng.logistic(size=g.size)
    kind = (np.array([0 * x, 0.5 * x, -0.5 * x]) + effect + rng.gumbel(size=(3, g.size))).argmax(axis=0)
    grade = pd.cut(latent, [-np.inf, -2, -0.5, 0.5, 2, np.inf], labels=list("abcde"))
    yes = pd.Categorical(latent > 0)
    return pd.DataFrame(
        {"g": g, "x": x, "yes": yes, "grade": grade, "kind": pd.Categorical.from_codes(kind, list("pqr"))}
    )


@pytest.mark.parametrize("name", ["yes", "grade", "kind"])
def test_factors_are_as_alike_within_clusters_as_in_the_data(graded, name):
    data, rng = graded[["g", "x", name]], np.random.default_rng(6)
    lost = data.copy()
    lost.loc[rng.random(len(data)) < 0.4, name] = None
    truth = icc(data, name)
    assert truth > 0.15
    for run, table in ((ms.impute, lost), (ms.synthesize, data)):
        options = {"cluster": "g", "seed": 1}
        drawn = average(lambda d: icc(d, name), run(table, 5, method={name: "2l.cart", "x": "2l.cart"}, **options))
        single = average(lambda d: icc(d, name), run(table, 5, method={name: "cart", "x": "cart"}, **options))
        assert drawn == pytest.approx(truth, rel=0.25)
        assert single < 0.6 * truth


def test_where_clusters_do_not_differ_none_are_invented():
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"g": np.repeat(np.arange(100), 20), "x": rng.normal(size=2000), "y": rng.normal(size=2000)})
    assert average(lambda d: icc(d, "y"), ms.synthesize(data, 10, cluster="g", seed=1)) < 0.05


def test_leaves_do_not_single_out_small_clusters():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(300), 4)
    data = pd.DataFrame({"g": g, "w": rng.normal(size=300)[g], "x": rng.normal(size=1200), "y": rng.normal(size=1200)})
    result = ms.synthesize(data, 6, cluster="g", seed=1)
    # The means of four rows differ by chance alone, which is not what clusters are like.
    assert average(lambda d: (icc(d, "x") + icc(d, "y")) / 2, result) < 0.06


def test_how_cluster_means_go_together_is_kept(complete):
    def between(frame: pd.DataFrame) -> float:
        by_cluster = frame.groupby("g")[["w", "y"]].mean()
        return by_cluster["w"].corr(by_cluster["y"])

    assert average(between, ms.synthesize(complete, 10, cluster="g", seed=1)) == pytest.approx(
        between(complete), abs=0.15
    )


def test_new_clusters_are_not_the_old_ones(complete):
    def resemblance(result) -> float:
        real = complete.groupby("g")["y"].mean()
        return float(np.mean([real.corr(frame.groupby("g")["y"].mean()) for frame in result.completed()]))

    assert abs(resemblance(ms.synthesize(complete, 10, cluster="g", seed=1))) < 0.15
    assert resemblance(ms.synthesize(complete, 3, cluster="g", mode="linked", seed=1)) > 0.9
    # Where other columns keep their values, rows are those of the data, and so are clusters.
    assert resemblance(ms.synthesize(complete, 3, cluster="g", where=["y"], seed=1)) > 0.9


def test_clusters_without_a_value_differ_as_the_others_do(complete):
    data = complete.copy()
    empty = data["g"] >= 140
    data.loc[empty, "y"] = np.nan
    result = ms.impute(data, 10, method={"y": "2l.cart"}, cluster="g", seed=1)
    assert average(lambda d: icc(d[empty], "y"), result) == pytest.approx(icc(complete, "y"), abs=0.12)
    # What is known of them, their w, still tells something.
    by_cluster = [frame[empty].groupby("g")[["w", "y"]].mean() for frame in result.completed()]
    assert np.mean([means["w"].corr(means["y"]) for means in by_cluster]) > 0.4


# ---- edges


@pytest.mark.parametrize("run", MODES)
@pytest.mark.parametrize(
    "clusters",
    [
        pytest.param(lambda g: np.arange(g.size), id="of one row"),
        pytest.param(lambda g: np.zeros(g.size), id="only one"),
        pytest.param(lambda g: np.where(g < 102, g, np.arange(g.size) + 1000), id="mostly of one row"),
        pytest.param(lambda g: g % 2, id="two"),
    ],
)
def test_odd_clusters_do_no_harm(holes, run, clusters):
    data = holes[["g", "x", "y"]].assign(g=clusters(holes["g"].to_numpy()))
    for frame in run(data, m=2, method={"x": "2l.cart", "y": "2l.cart"}, cluster="g", seed=1).completed():
        assert np.isin(frame["y"].dropna(), holes["y"].dropna()).all()
        assert frame["y"].std() == pytest.approx(holes["y"].std(), rel=0.25)


@pytest.mark.parametrize("method", ["2lonly.norm", "2lonly.pmm", "2lonly.cart", "2lonly.mean"])
def test_one_cluster_with_a_value_is_enough_to_go_on(complete, method):
    data = complete[["g", "w", "x"]].copy()
    data.loc[data["g"] > 100, "w"] = np.nan
    done = ms.impute(data, 1, method={"w": method}, cluster="g", seed=1).completed(1)
    assert done["w"].tolist() == pytest.approx([data.loc[0, "w"]] * len(data))


def test_columns_missing_in_whole_clusters_and_here_and_there_are_filled_together():
    data, rng = made(clusters=40), np.random.default_rng(3)
    lost = data.copy()
    lost.loc[data["g"] % 5 == 0, "x"] = np.nan
    lost.loc[(data["g"] % 5 == 1) | (rng.random(len(data)) < 0.2), "y"] = np.nan
    lost.loc[data["g"] % 7 == 0, ["w", "f"]] = np.nan
    result = ms.impute(lost, 3, method=TREES | {"f": "2lonly.pmm"}, cluster="g", seed=1)
    for frame in result.completed():
        assert not frame.isna().any().any()
        assert frame["x"].corr(frame["y"]) > 0.3
        assert frame.groupby("g")[["w", "f"]].nunique().max().max() == 1


def test_missingness_of_a_column_of_clusters_may_be_of_clusters_or_of_rows(holes):
    """Whole clusters lack f, one lacks w in some rows only."""
    result = ms.synthesize(holes, 2, cluster="g", seed=1)
    for frame in result.completed():
        assert frame["f"].isna().groupby(frame["g"]).nunique().max() == 1
        assert 0 < frame["w"].isna().mean() < 0.5
        assert frame.groupby("g")["w"].nunique().max() == 1


def test_ten_thousand_clusters_take_one_design_column_and_little_time():
    data = made(clusters=10_000, size=3).assign(g=lambda d: pd.Categorical(d["g"]))
    lost = data.copy()
    rng = np.random.default_rng(4)
    lost.loc[np.isin(data["g"], rng.choice(10_000, 3_000, replace=False) + 100), "w"] = np.nan
    lost.loc[rng.random(len(data)) < 0.3, "y"] = np.nan
    start = time.process_time()
    result = ms.impute(lost, 1, maxit=1, method={"w": "2lonly.pmm", "y": "2l.cart"}, cluster="g", seed=1)
    assert time.process_time() - start < 10
    assert result.spec.design.names == ("g", "w", "f.L", "f.Q", "x", "y")
    done = result.completed(1)
    assert done.groupby("g", observed=True)["w"].nunique().max() == 1
    assert icc(done, "y") == pytest.approx(icc(data, "y"), abs=0.08)


# ---- the engine's other rooms


def test_a_saved_synthesizer_is_given_the_clusters(complete, tmp_path):
    named = complete.assign(g=pd.Categorical("s" + complete["g"].astype(str)))
    synthesizer = ms.Synthesizer(cluster="g", m=2, seed=1).fit(named)
    with pytest.raises(MiceSimError, match="The columns g were not synthesised; pass them with given=frame"):
        synthesizer.generate(1)
    # Nothing predicts w, whose donors are clusters.
    assert {name: synthesizer.card["columns"][name]["fewest_donors"] for name in ("w", "y")} == {"w": 60, "y": 5}
    synthesizer.save(tmp_path / "pupils.npz")
    given = named[["g"]].iloc[np.random.default_rng(1).permutation(len(named))[:250]]
    one = synthesizer.generate(2, given=given, seed=3).completed(2)
    other = ms.load_synthesizer(tmp_path / "pupils.npz").generate(2, given=given, seed=3).completed(2)
    pd.testing.assert_frame_equal(one, other)
    assert (one["g"].to_numpy() == given["g"].to_numpy()).all()
    assert one.groupby("g", observed=True)[["w", "f"]].nunique().max().max() == 1


def test_the_same_seed_gives_the_same_sets_however_many(holes):
    options = {"cluster": "g", "method": TREES | {"f": "2lonly.cart"}, "seed": 4}
    few, more = (ms.impute(holes, m, **options).completed(1) for m in (1, 3))
    pd.testing.assert_frame_equal(few, more)


def test_a_study_knows_clusters_and_compares_methods_for_them():
    config = compose(
        [
            "data=two_level", "data.clusters=12", "data.size=8", "data.rows=2000", "resampling=fresh",
            "+resampling/amputation=mar", "resampling.amputation.patterns=[[y],[x]]", "synthesis=impute",
            "synthesis.m=2", "synthesis.maxit=1", "+synthesis.cluster=cluster", "+synthesis.variants.default={}",
            "+synthesis.variants.trees={method: {x: 2l.cart, y: 2l.cart}}",
            "+synthesis.variants.single={method: cart, cluster: null}", "analysis=line", "pooling.linear=rubin1987",
        ]
    )  # fmt: skip
    study = Replicator(config.key())
    names = {v: [name_of(spec.methods[j]) for j in (1, 2, 3)] for v, spec in study.methods.items()}
    assert names == {
        "default": ["2lonly.cart", "2l.pmm", "2l.pmm"],
        "trees": ["2lonly.cart", "2l.cart", "2l.cart"],
        "single": ["cart", "cart", "cart"],
    }
    rows = study.run(0)
    assert rows.failures == []
    assert np.isfinite(rows.value).all()


# ---- beside mice


@pytest.fixture(scope="module")
def r_level_2() -> dict:
    return json.loads((ORACLES / "level_2.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("method", ["norm", "pmm"])
def test_draws_for_clusters_are_distributed_as_those_of_mice(r_level_2, method):
    z, spread = level_2_z(r_level_2, method)
    assert np.abs(z).max() < 4
    assert np.mean(z**2) < 1 + 4 * np.sqrt(2 / z.size)
    np.testing.assert_allclose(spread, 1, atol=4 * np.sqrt(1 / 400))


def level_2_z(r_level_2: dict, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the z of the means drawn for clusters, and the ratios of their standard deviations to mice's."""
    data = ms.load_dataset("popmis")[["school", "texp", "sex", "teachpop"]]
    first = np.flatnonzero(~data["school"].duplicated() & (data["school"] % 5 == 0))
    data.loc[data["school"] % 5 == 0, "texp"] = np.nan
    made = ms.impute(data, 400, maxit=1, method={"texp": f"2lonly.{method}"}, cluster="school", seed=1)
    drawn = made.sets[:, 1, first]
    theirs = {what: np.array(values) for what, values in r_level_2[method].items()}
    z = (drawn.mean(axis=0) - theirs["mean"]) / np.sqrt((drawn.var(axis=0) + theirs["sd"] ** 2) / 400)
    return z, drawn.std(axis=0) / theirs["sd"]


@pytest.mark.parametrize("name", ["texp", "teachpop"])
def test_clusters_are_filled_with_the_means_that_mice_takes(r_level_2, name):
    data = ms.load_dataset("popmis")[["school", name]]
    holes = (data["school"] <= 4) & (np.arange(len(data)) % 2 == 1)
    data.loc[holes, name] = np.nan
    done = ms.impute(data, 1, method={name: "2lonly.mean"}, cluster="school", seed=1).completed(1)
    np.testing.assert_allclose(done.loc[holes, name], r_level_2["mean"][name], rtol=1e-12)
