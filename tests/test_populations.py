"""Where samples come from: populations and their truth, samplers, and what is made missing."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES, quantiles
from scipy.special import expit

from mice_sim import MiceSimError, load_dataset, streams
from mice_sim.analysis import MODELS, ModelFormula
from mice_sim.data import Table, read_table
from mice_sim.data.ampute import TYPES, Amputation, ampute, logistic
from mice_sim.study.config import compose
from mice_sim.study.populations import Population, make_population
from mice_sim.study.resampling import Sampler, make, make_amputer

BOYS = {"kind": "packaged", "name": "boys_complete"}
MVN = {"kind": "mvn", "names": ["x", "w", "y"], "mean": [1, -2, 10], "sd": [1, 2, 3], "rows": 50}
MATRIX = [[1, 0.5, 0.3], [0.5, 1, -0.2], [0.3, -0.2, 1]]
LINEAR = {"kind": "model", "base": BOYS, "model": "linear", "formula": "hgt ~ age + phb", "rows": 1000}
ORDINAL = {"kind": "model", "base": BOYS, "model": "ordinal", "formula": "gen ~ age + reg", "rows": 1000}
CLUSTERED = {
    "kind": "two_level",
    "clusters": 20,
    "size": [4, 16],
    "covariates": {
        "x": {"level": 1, "kind": "normal", "mean": 1, "sd": 2},
        "b": {"level": 1, "kind": "binary", "probability": 0.3},
        "w": {"level": 2, "kind": "normal"},
    },
    "coefficients": {"(Intercept)": 3, "x": 0.5, "w": -1, "x:w": 0.2},
    "sd_residual": 2,
    "icc": 0.3,
    "rows": 1000,
}


def fit(model: str, formula: str, table: Table) -> np.ndarray:
    return MODELS[model](ModelFormula.parse(formula, table.columns), table.values).estimate


def z_scores(estimates: np.ndarray, truth) -> np.ndarray:
    """How far the means of the estimates (replicates, terms) are from the truth, in standard errors."""
    return (estimates.mean(axis=0) - truth) / (estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates)))


def covariance(sd, correlation) -> np.ndarray:
    return np.outer(sd, sd) * np.array(correlation)


# ---- data


def test_packaged_data_are_their_own_truth(boys, truth):
    population = make_population(BOYS, 1)
    assert (population.reference.values == truth.values).all()
    assert (population.n, population.draw, population.known_truth("linear", "hgt ~ age")) == (748, None, None)


def test_a_file_keeps_its_types_or_takes_those_of_its_schema(boys, truth, tmp_path):
    boys.to_parquet(tmp_path / "boys.parquet")
    boys[["age", "hgt"]].to_csv(tmp_path / "numbers.csv", index=False)
    boys[["age", "gen"]].to_csv(tmp_path / "boys.csv", index=False)
    (tmp_path / "boys.yaml").write_text(
        "columns:\n  age: {kind: continuous}\n  gen: {kind: ordered, levels: [G1, G2, G3, G4, G5]}\n"
    )

    def reference(name: str, schema: str | None = None) -> Table:
        config = {"kind": "file", "path": str(tmp_path / name), "schema": schema and str(tmp_path / schema)}
        return make_population(config, 1).reference

    for table in (reference("boys.parquet"), reference("numbers.csv"), reference("boys.csv", "boys.yaml")):
        chosen = [truth.index(name) for name in table.names]
        assert (table.values == truth.values[chosen]).all()
        assert [(c.kind, c.levels) for c in table.columns] == [
            (truth.columns[j].kind, truth.columns[j].levels) for j in chosen
        ]


@pytest.mark.parametrize(
    ("file", "text", "schema", "words"),
    [
        ("my.csv", "x,g\n1,low\n", None, "Column 'g' of my.csv holds text such as 'low'; describe it in a schema"),
        ("my.csv", "x,g\n1,low\n", "x: {kind: continuous}\n  g: {kind: continuous}", "'g' of my.csv holds text"),
        (
            "my.csv",
            "x,g\n1,low\n",
            "x: {kind: continuous}",
            "'g' is not in both the file my.csv and its schema my.yaml",
        ),
        ("my.csv", "x\n1\n", "x: {kind: numeric}", "'x' of the schema my.yaml has the kind 'numeric'"),
        ("my.csv", "x\n1\n", "x: {kind: ordered}", "'x' of the schema my.yaml is ordered; list its levels"),
        ("my.csv", "x\n1\n", "{", "my.yaml, line 2: the file can't be read as YAML"),
        ("my.csv", "x\n1\n", "", "my.yaml' describes no columns"),
        ("my.csv", "x,y\n1,2\n3,\n", None, "my.csv' has missing values; a study needs complete reference data"),
        ("my.csv", "", None, "my.csv' can't be read as csv"),
        ("my.parquet", "x\n1\n", None, "my.parquet' can't be read as parquet"),
        ("my.xlsx", "x\n1\n", None, "ends in none of .csv, .parquet, .sav"),
        ("my.csv", None, None, "There is no file"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_by_name(tmp_path, file, text, schema, words):
    if text is not None:
        (tmp_path / file).write_text(text)
    if schema is not None:
        (tmp_path / "my.yaml").write_text(f"columns:\n  {schema}\n")
    described = None if schema is None else str(tmp_path / "my.yaml")
    with pytest.raises(MiceSimError, match=r"^[A-Z].*[.]$") as caught:
        make_population({"kind": "file", "path": str(tmp_path / file), "schema": described}, 1)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_packaged_schema_is_kept_with_the_data(boys):
    assert load_dataset("boys").attrs["schema"]["columns"]["hgt"]["unit"] == "cm"
    assert load_dataset("popmis").attrs["schema"]["columns"]["texp"]["unit"] == "years"
    with pytest.raises(MiceSimError, match=r"no schema 'nowhere\.yaml'"):
        read_table("boys.csv", "nowhere.yaml")


# ---- multivariate normal


def test_exemplary_normal_data_have_exactly_the_parameters():
    x = make_population({**MVN, "correlation": MATRIX}, 1).reference.values
    assert x.shape == (3, 50)
    assert x.mean(axis=1) == pytest.approx([1, -2, 10], abs=1e-12)
    assert np.cov(x) == pytest.approx(covariance([1, 2, 3], MATRIX), abs=1e-12)


def test_a_linear_model_on_exemplary_data_is_the_true_one():
    population = make_population({**MVN, "correlation": MATRIX}, 1)
    s = covariance([1, 2, 3], MATRIX)
    slopes = np.linalg.solve(s[:2, :2], s[:2, 2])
    expected = [10 - slopes @ [1, -2], *slopes]
    assert fit("linear", "y ~ x + w", population.reference) == pytest.approx(expected, abs=1e-12)


def test_draws_from_a_normal_population_follow_it():
    population = make_population({**MVN, "correlation": MATRIX}, 1)
    rng = np.random.default_rng(1)
    draws = [population.draw(200, rng).values for _ in range(400)]
    moments = np.array([[*x.mean(axis=1), *np.cov(x)[np.triu_indices(3)]] for x in draws])
    truth = [1, -2, 10, *covariance([1, 2, 3], MATRIX)[np.triu_indices(3)]]
    assert np.abs(z_scores(moments, truth)).max() < 3.5
    # Normal in shape too: skew 0, kurtosis 3.
    z = np.hstack([(x - [[1], [-2], [10]]) / [[1], [2], [3]] for x in draws])
    assert np.abs((z**3).mean(axis=1)).max() < 4 * np.sqrt(15 / z.shape[1])
    assert np.abs((z**4).mean(axis=1) - 3).max() < 4 * np.sqrt(96 / z.shape[1])


def test_one_number_stands_for_all_means_sds_and_correlations():
    x = make_population({"kind": "mvn", "names": ["x", "y"], "correlation": 0.4, "sd": 2}, 1).reference.values
    assert np.cov(x) == pytest.approx(np.array([[4, 1.6], [1.6, 4]]))
    assert x.shape == (2, 1000)


# ---- models


@pytest.fixture(scope="module")
def tall(tmp_path_factory) -> dict:
    """The boys with a two-level column, as a file."""
    boys = load_dataset("boys_complete")
    late = np.where(boys["phb"].cat.codes + (np.arange(748) % 3) > 2, "yes", "no")
    boys["late"] = pd.Categorical(late, ["no", "yes"])
    path = tmp_path_factory.mktemp("tall") / "tall.parquet"
    boys.to_parquet(path)
    logistic = {"model": "logistic", "formula": "late ~ age + reg"}
    return {"kind": "model", "base": {"kind": "file", "path": str(path)}, "rows": 1000, **logistic}


def generators(tall: dict) -> list[dict]:
    return [
        LINEAR,
        LINEAR | {"coefficients": {"age": 2, "(Intercept)": 0}, "sigma": 3},
        LINEAR | {"formula": "wgt ~ age * reg"},
        tall,
        tall | {"coefficients": {"age": 0.1, "regsouth": 1, "(Intercept)": -0.5}},
        ORDINAL,
        ORDINAL | {"coefficients": {"age": 0.2, "G1|G2": 1, "G2|G3": 1.5, "G3|G4": 2.5, "G4|G5": 3.5}},
    ]


@pytest.mark.parametrize("which", range(7))
def test_estimates_on_fresh_samples_are_the_true_coefficients_on_average(tall, which):
    config = generators(tall)[which]
    population = make_population(config, 1)
    truth = population.known_truth(config["model"], config["formula"])
    for term, value in config.get("coefficients", {}).items():
        assert truth[term] == value
    # Maximum likelihood is biased by 1/n: samples are large, so that it stays below the Monte Carlo error.
    sample = make({"kind": "fresh", "n": 6000}, population, seed=1)
    estimates = np.array([fit(config["model"], config["formula"], sample(r)) for r in range(60)])
    assert np.abs(z_scores(estimates, list(truth.values()))).max() < 3.5


def test_fitted_coefficients_and_residual_sd_are_those_of_the_base(truth):
    population = make_population(LINEAR, 1)
    formula = ModelFormula.parse(LINEAR["formula"], truth.columns)
    known = population.known_truth("linear", "hgt ~ age+phb")
    assert tuple(known) == formula.names
    assert list(known.values()) == MODELS["linear"](formula, truth.values).estimate.tolist()

    def residuals(table: Table) -> np.ndarray:
        model = ModelFormula.parse(LINEAR["formula"], table.columns)
        return table.values[model.response] - model.matrix(table.values) @ list(known.values())

    variance = (residuals(truth) ** 2).sum() / (748 - 7)
    fresh = residuals(population.draw(100_000, np.random.default_rng(1)))
    assert (fresh**2).mean() / variance == pytest.approx(1, abs=4 * np.sqrt(2 / 100_000))


def test_a_model_keeps_its_columns_and_resamples_its_predictors_together(truth):
    table = make_population(LINEAR, 1).draw(500, np.random.default_rng(1))
    assert table.names == ["age", "hgt", "phb"]
    pairs = set(zip(*truth.values[[truth.index("age"), truth.index("phb")]], strict=True))
    drawn = list(zip(*table.values[[0, 2]], strict=True))
    assert set(drawn) <= pairs
    assert 748 * (1 - np.exp(-500 / 748)) == pytest.approx(len(set(drawn)), abs=40)


# ---- two levels


def two_level_parts(draws: list[Table], beta: dict) -> list[tuple[np.ndarray, ...]]:
    """Per draw: the cluster, x, and what is left of y without the fixed effects."""
    parts = []
    for table in draws:
        model = ModelFormula.parse("y ~ x + b + w + x:w", table.columns)
        left = table.values[-1] - model.matrix(table.values) @ [beta[name] for name in model.names]
        parts.append((table.values[0], table.values[1], left))
    return parts


def test_fixed_effects_of_two_level_data_are_true_on_average():
    population = make_population(CLUSTERED, 1)
    truth = population.known_truth("linear", "y ~ x + b + w + x:w")
    assert truth == {"(Intercept)": 3, "x": 0.5, "b1": 0, "w": -1, "x:w": 0.2}
    sample = make({"kind": "fresh"}, population, seed=1)
    estimates = np.array([fit("linear", "y ~ x + b + w + x:w", sample(r)) for r in range(400)])
    assert np.abs(z_scores(estimates, list(truth.values()))).max() < 3.5


def test_clusters_have_the_sizes_and_variances_asked_for():
    population = make_population(CLUSTERED, 1)
    rng = np.random.default_rng(1)
    draws = [population.draw(population.n, rng) for _ in range(300)]
    sizes = np.bincount(draws[0].values[0].astype(int))
    assert (sizes[0], sizes[-1], sizes.size, sizes.sum()) == (4, 16, 20, population.n)
    assert (np.abs(np.diff(sizes) - 12 / 19) < 1).all()
    found = []
    for cluster, _, left in two_level_parts(draws, population.known_truth("linear", "y ~ x + b + w + x:w")):
        frame = pd.DataFrame({"cluster": cluster, "left": left}).groupby("cluster")["left"]
        within = (frame.var() * (frame.size() - 1)).sum() / (sizes.sum() - 20)
        # The mean square of a cluster's mean is sd_cluster² + sd_residual² / size.
        between = (frame.mean() ** 2 - 4 / frame.size()).mean()
        found.append([within, between])
    assert np.abs(z_scores(np.array(found), [4, 4 * 0.3 / 0.7])).max() < 3.5


def test_slopes_vary_between_clusters_as_asked():
    config = {k: v for k, v in CLUSTERED.items() if k != "icc"} | {"sd_cluster": 0.5, "sd_slope": {"x": 1.5}}
    population = make_population(config, 1)
    rng = np.random.default_rng(1)
    draws = [population.draw(population.n, rng) for _ in range(300)]
    parts = two_level_parts(draws, population.known_truth("linear", "y ~ x + b + w + x:w"))
    # The mean square of what is left is sd_cluster² + sd_residual² + sd_slope² x².
    squares = np.array([np.polyfit(x**2, left**2, 1) for _, x, left in parts])
    assert np.abs(z_scores(squares, [1.5**2, 0.25 + 4])).max() < 3.5


def test_covariates_live_on_their_level():
    table = make_population(CLUSTERED, 1).draw(200, np.random.default_rng(1))
    assert table.names == ["cluster", "x", "b", "w", "y"]
    assert [c.kind for c in table.columns] == ["unordered", "continuous", "binary", "continuous", "continuous"]
    frame = pd.DataFrame(table.values.T, columns=table.names)
    values = frame.groupby("cluster").nunique()
    assert (values["w"] == 1).all()
    assert (values["x"] > 1).all()
    reference = make_population(CLUSTERED | {"rows": 50_000}, 1).reference.values
    assert reference[1].mean() == pytest.approx(1, abs=4 * 2 / np.sqrt(50_000))
    assert reference[1].std() == pytest.approx(2, rel=4 / np.sqrt(2 * 50_000))
    assert reference[2].mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 50_000))
    # w has one value a cluster and sample; clusters are 250 samples of 20.
    assert np.unique(reference[3]).size == 250 * 20
    assert np.unique(reference[3]).std() == pytest.approx(1, rel=4 / np.sqrt(2 * 5000))


# ---- wrong configurations of populations


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"kind": "mnv"}, "no data kind 'mnv'; did you mean 'mvn'?"),
        (BOYS | {"names": "x"}, "data has no key 'names'; did you mean 'name'?"),
        ({"kind": "packaged"}, "data lacks the key 'name'"),
        ({"kind": "file", "path": None}, "data lacks the key 'path'"),
        (MVN | {"sds": 2}, "data has no key 'sds'; did you mean 'sd'?"),
        (MVN | {"names": ["x", "x"]}, "data.names is ['x', 'x']; list different column names"),
        (MVN | {"mean": [1, 2]}, "data.mean has 2 numbers for 3 names"),
        (MVN | {"sd": [1, 2, 0]}, "data.sd of 'y' is 0; give a number above 0"),
        (MVN | {"sd": "big"}, "data.sd of 'x' is 'big'"),
        (MVN | {"sd": float("nan")}, "data.sd of 'x' is nan"),
        (MVN | {"correlation": [[1, 0.5], [0.5, 1]]}, "data.correlation is not 3 × 3"),
        (MVN | {"correlation": [[1, 0.5, 0], [0.4, 1, 0], [0, 0, 1]]}, "not symmetric with ones on its diagonal"),
        (MVN | {"correlation": -0.6}, "data.correlation is not positive definite (its smallest eigenvalue is -0.2)"),
        (MVN | {"rows": 3}, "data.rows is 3; give a whole number of at least 4"),
        (LINEAR | {"model": "poisson"}, "no data.model 'poisson'"),
        (LINEAR | {"base": {"kind": "mvn"}}, "no data.base kind 'mvn'; known are packaged, file"),
        (LINEAR | {"base": "boys"}, "no data.base kind 'boys'"),
        (LINEAR | {"formula": "hgt ~ agee"}, "'agee'; did you mean 'age'?"),
        (LINEAR | {"formula": "~ age"}, "has no response"),
        (LINEAR | {"formula": "log(hgt) ~ age"}, "draws 'log(hgt)'; its left side must be a column"),
        (LINEAR | {"formula": "hgt ~ ns(age, 3)"}, "'ns(age, 3)', which depends on the data"),
        (LINEAR | {"formula": "gen ~ age"}, "the model needs a continuous one"),
        (LINEAR | {"coefficients": {"agee": 1}}, "data.coefficients has no key 'agee'; did you mean 'age'?"),
        (LINEAR | {"coefficients": {"age": "1"}}, "data.coefficients of 'age' is '1'"),
        (LINEAR | {"sigma": -1}, "data.sigma is -1; give a number above 0"),
        (ORDINAL | {"sigma": 1}, "data.sigma belongs to linear models"),
        (ORDINAL | {"coefficients": {"G1|G2": 99}}, "cut-points of data.coefficients do not rise"),
        (CLUSTERED | {"clusters": 1}, "data.clusters is 1; give a whole number of at least 2"),
        (CLUSTERED | {"size": [9, 3]}, "data.size is [9, 3]; give the smaller size first"),
        (CLUSTERED | {"size": 2.5}, "data.size is 2.5"),
        (CLUSTERED | {"sd_cluster": 1}, "either sd_cluster or icc; give one of them"),
        (CLUSTERED | {"icc": None}, "either sd_cluster or icc; give one of them"),
        (CLUSTERED | {"icc": 1}, "data.icc is 1; give a number of at least 0 and below 1"),
        (CLUSTERED | {"covariates": {}}, "data.covariates is {}; write {x: {level: 1, kind: normal}}"),
        (CLUSTERED | {"covariates": {"y": {"level": 1, "kind": "normal"}}}, "data.covariates holds 'y'"),
        (CLUSTERED | {"covariates": {"x": {"level": 3, "kind": "normal"}}}, "data.covariates.x.level is 3"),
        (CLUSTERED | {"covariates": {"x": {"level": 1, "kind": "norml"}}}, "did you mean 'normal'?"),
        (CLUSTERED | {"covariates": {"x": {"level": 1, "kind": "binary", "sd": 1}}}, "covariates.x has no key 'sd'"),
        (CLUSTERED | {"coefficients": {"v": 1}}, "data.coefficients names 'v', but there is no covariate 'v'"),
        (CLUSTERED | {"sd_slope": {"w": 1}}, "data.sd_slope has no key 'w'; known are x, b"),
        (CLUSTERED | {"sd_slope": 1}, "data.sd_slope is 1; write keys and values"),
    ],
)
def test_a_wrong_population_is_refused_in_one_sentence(config, words):
    with pytest.raises(MiceSimError) as caught:
        make_population(config, 1)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value)[-1] in ".?"


# ---- samplers

SAMPLERS = [
    ({"kind": "bootstrap"}, BOYS),
    ({"kind": "r_bootstrap", "seed": 123}, BOYS),
    ({"kind": "subsample", "n": 100}, BOYS),
    ({"kind": "fresh", "n": 100}, MVN),
    ({"kind": "fresh"}, LINEAR),
    ({"kind": "fresh"}, CLUSTERED),
    ({"kind": "bootstrap", "n": 30, "amputation": {"mechanism": "MAR", "proportion": 0.3}}, CLUSTERED),
]


def sampler(resampling: dict, data: dict, seed: int) -> Sampler:
    """The samples of a study, with what is missing in them."""
    population = make_population(data, seed)
    sample = make(resampling, population, seed)
    ampute = make_amputer(resampling, population.reference.columns, seed)
    return sample if ampute is None else lambda replicate: ampute(replicate, sample(replicate))


def same(one: Table, other: Table) -> bool:
    return np.array_equal(one.values, other.values, equal_nan=True)


@pytest.mark.parametrize(("resampling", "data"), SAMPLERS)
def test_a_sample_depends_on_seed_and_replicate_alone(resampling, data):
    one, again = (sampler(resampling, data, 7) for _ in range(2))
    forwards = [one(r) for r in range(4)]
    backwards = [again(r) for r in (3, 2, 1, 0)][::-1]
    assert all(map(same, forwards, backwards))
    assert not same(forwards[0], forwards[1])
    if resampling["kind"] != "r_bootstrap":
        assert not same(forwards[0], sampler(resampling, data, 8)(0))


def test_bootstrap_rows_are_those_of_their_stream(truth):
    sample = make({"kind": "bootstrap", "n": None}, make_population(BOYS, 5), 5)
    for r in range(3):
        rows = streams.stream(5, "bootstrap", r).integers(748, size=748)
        assert same(sample(r), truth.take(rows))


def test_a_subsample_takes_every_row_as_often_and_none_twice():
    frame = pd.DataFrame({"row": np.arange(40)})
    population = Population(Table.from_pandas(frame), 40)
    sample = make({"kind": "subsample", "n": 10}, population, 1)
    rows = np.array([sample(r).values[0] for r in range(2000)]).astype(int)
    assert all(np.unique(drawn).size == 10 for drawn in rows)
    assert np.abs(np.bincount(rows.ravel(), minlength=40) - 500).max() < 4 * np.sqrt(2000 * 0.25 * 0.75)


def test_samples_are_as_large_as_asked_or_as_the_population_says():
    sizes = [make(resampling, make_population(data, 1), 1)(0).n_rows for resampling, data in SAMPLERS]
    assert sizes == [748, 748, 100, 100, 748, make_population(CLUSTERED, 1).n, 30]


@pytest.mark.parametrize(
    ("resampling", "data", "words"),
    [
        ({"kind": "jackknife"}, BOYS, "no resampling kind 'jackknife'"),
        ({"kind": "bootstrap", "size": 3}, BOYS, "resampling has no key 'size'"),
        ({"kind": "bootstrap", "n": 1}, BOYS, "resampling.n is 1; give a whole number of at least 2"),
        ({"kind": "r_bootstrap", "n": 10}, BOYS, "resampling has no key 'n'"),
        ({"kind": "r_bootstrap", "seed": "x"}, BOYS, "resampling.seed is 'x'"),
        ({"kind": "r_bootstrap"}, MVN, "takes mere data, and this is generated; choose resampling=fresh"),
        ({"kind": "subsample"}, BOYS, "A subsample of 748 of 748 rows leaves none out; give a smaller resampling.n"),
        ({"kind": "fresh"}, BOYS, "Mere data has no fresh rows; choose resampling=bootstrap"),
        ({"kind": "fresh", "n": 10}, CLUSTERED, "resampling.n is 10, but clusters and their sizes make 200 rows"),
        ({"kind": "bootstrap", "amputation": "MAR"}, BOYS, "resampling.amputation is 'MAR'; write keys and values"),
        ({"kind": "bootstrap", "amputation": {"prop": 0.3}}, BOYS, "resampling.amputation has no key 'prop'"),
        (
            {"kind": "bootstrap", "amputation": {"patterns": [["hgtt"]]}},
            BOYS,
            "'hgtt' to ampute by; did you mean 'hgt'?",
        ),
    ],
)
def test_a_wrong_resampling_is_refused_in_one_sentence(resampling, data, words):
    with pytest.raises(MiceSimError) as caught:
        sampler(resampling, data, 1)
    assert words in str(caught.value)


# ---- amputation


@pytest.fixture(scope="module")
def normal() -> Table:
    return Table.from_pandas(quantiles())


R_AMPUTED = json.loads((ORACLES / "ampute.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("setting", R_AMPUTED)
def test_values_go_missing_as_in_r(normal, setting):
    assert amputed_z(normal, setting).max() < 3.5


def amputed_z(normal: Table, setting: str) -> np.ndarray:
    """Return |z| of the share of missing values and of the means and squares of the rows that miss some."""
    theirs = R_AMPUTED[setting]
    amputation = Amputation.of(normal.columns, **theirs["options"])
    x = normal.values
    z = ((x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, ddof=1, keepdims=True)).T
    rng = np.random.default_rng(1)
    seen: dict[str, list] = {"share": [], "mean": [], "square": []}
    for _ in range(150):
        missing = np.isnan(amputation(normal, rng).values)
        hit = missing[missing.any(axis=1)]
        seen["share"].append(missing.mean(axis=1))
        seen["mean"].append([z[rows].mean(axis=0) for rows in hit])
        seen["square"].append([(z[rows] ** 2).mean(axis=0) for rows in hit])
    found = []
    for what, values in seen.items():
        ours, expected = np.array(values), np.array(theirs[what], dtype=float)
        expected_se = np.array(theirs[f"{what}_se"], dtype=float)
        if what != "share":
            expected, expected_se = (v[~np.isnan(v).any(axis=1)] for v in (expected, expected_se))
        assert ours.shape[1:] == expected.shape
        se = np.hypot(ours.std(axis=0) / np.sqrt(150), expected_se)
        # R finds the shift on other normal numbers, to three decimals: that is worth up to 0.003.
        found.append(((np.abs(ours.mean(axis=0) - expected) - 0.003) / (se + 1e-12)).ravel())
    return np.concatenate(found)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("proportion", [0.001, 0.3, 0.999])
def test_the_expected_proportion_is_met_exactly(kind, proportion):
    z = np.random.default_rng(1).exponential(size=200) ** 2
    assert logistic(TYPES[kind](z), proportion).mean() == pytest.approx(proportion, abs=1e-12)
    assert logistic(np.zeros(5), proportion) == pytest.approx(proportion, abs=1e-12)


def test_the_probability_is_a_logistic_function_of_the_score(normal):
    # Schouten, Lugtig & Vink (2018): expit(z + b), expit(-z + b), expit(-|z| + 0.75 + b), expit(|z| - 0.75 + b).
    x = normal.values
    z = (x[1] - x[1].mean()) / x[1].std(ddof=1)
    curves = {"RIGHT": z, "LEFT": -z, "MID": -np.abs(z) + 0.75, "TAIL": np.abs(z) - 0.75}
    for kind, curve in curves.items():
        amputation = Amputation.of(normal.columns, proportion=0.4, patterns=[["a"]], weights={"b": 2}, types=kind)
        probability = amputation.probability(normal, np.zeros(997, dtype=int))
        shift = np.log(probability / (1 - probability)) - curve
        assert np.ptp(shift) < 1e-9
        assert expit(curve + shift[0]).mean() == pytest.approx(0.4, abs=1e-12)


def test_weights_count_standardised_values(normal):
    amputation = Amputation.of(normal.columns, patterns=[["a"]], weights=[{"b": 1, "c": -2}])
    stretched = Table(normal.columns, normal.values * [[1], [1000], [0.1], [1]] + 50)
    rows = np.zeros(997, dtype=int)
    assert amputation.probability(stretched, rows) == pytest.approx(amputation.probability(normal, rows), abs=1e-9)


def test_default_weights_are_what_the_pattern_keeps_or_removes(normal):
    patterns = [["a"], ["b", "c"]]
    mar, mnar = (Amputation.of(normal.columns, patterns=patterns, mechanism=m).weights for m in ("MAR", "MNAR"))
    assert mar.tolist() == [[0, 1, 1, 1], [1, 0, 0, 1]]
    assert mnar.tolist() == [[1, 0, 0, 0], [0, 1, 1, 0]]
    assert Amputation.of(normal.columns).patterns.tolist() == np.eye(4, dtype=bool).tolist()
    shared = Amputation.of(normal.columns, patterns=patterns, weights={"a": 1, "d": 3}).weights
    assert shared.tolist() == [[0, 0, 0, 3], [1, 0, 0, 3]]


def test_columns_go_missing_in_their_patterns_as_often_as_asked(normal):
    options = {"patterns": [["a"], ["b", "c"]], "frequencies": [3, 1], "proportion": 0.4, "mechanism": "MCAR"}
    rng = np.random.default_rng(1)
    missing = np.hstack([np.isnan(ampute(normal, rng, **options).values) for _ in range(100)])
    rows = missing.shape[1]
    assert not (missing[0] & missing[1]).any()
    assert (missing[1] == missing[2]).all()
    assert not missing[3].any()
    for share, expected in ((missing[0].mean(), 0.3), (missing[1].mean(), 0.1)):
        assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / rows))


def test_a_higher_proportion_adds_to_what_is_missing_and_zero_removes_nothing(normal):
    for mechanism in ("MCAR", "MAR", "MNAR"):
        none, some, more = (
            np.isnan(ampute(normal, np.random.default_rng(1), proportion=p, mechanism=mechanism).values)
            for p in (0, 0.2, 0.6)
        )
        assert not none.any()
        assert (some <= more).all()
        assert some.sum() < more.sum()


def test_what_stays_is_untouched_and_factors_take_part(truth):
    for mechanism in ("MAR", "MNAR"):
        table = ampute(truth, np.random.default_rng(1), mechanism=mechanism)
        missing = np.isnan(table.values)
        assert (table.values[~missing] == truth.values[~missing]).all()
        assert missing.any(axis=1).all()
        assert missing.any(axis=0).mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 748))
        assert table.columns == truth.columns


def test_rows_with_the_same_score_go_missing_with_the_proportion():
    table = Table.from_pandas(pd.DataFrame({"x": [0.1] * 40, "y": np.arange(40)}))
    amputation = Amputation.of(table.columns, proportion=0.3, patterns=[["y"]])
    assert amputation.probability(table, np.zeros(40, dtype=int)) == pytest.approx(0.3)
    only = amputation.probability(table.take(np.array([3])), np.zeros(1, dtype=int))
    assert only == pytest.approx(0.3)


def test_an_amputed_sample_is_the_complete_one_with_holes_of_its_own_stream():
    population = make_population(BOYS, 1)
    config = {"kind": "bootstrap", "amputation": {"mechanism": "MNAR", "patterns": [["hgt"], ["wgt", "bmi"]]}}
    complete = make(config, population, 1)
    assert same(complete(3), make({"kind": "bootstrap"}, population, 1)(3))
    amputed = make_amputer(config, population.reference.columns, 1)(3, complete(3))
    assert same(amputed, ampute(complete(3), streams.stream(1, "amputation", 3), **config["amputation"]))
    assert np.isnan(amputed.values).any()
    assert make_amputer({"kind": "bootstrap"}, population.reference.columns, 1) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mechanism": "MARR"}, "no missing data mechanism 'MARR'; did you mean 'MAR'?"),
        ({"proportion": 30}, "The proportion to ampute is 30; give a number from 0 to below 1"),
        ({"patterns": ["a", "b"]}, "list the columns that go missing together: [[x], [y, z]]"),
        ({"patterns": [["a"], ["e"]]}, "There is no column 'e'"),
        ({"patterns": [["a", "b", "c", "d"]]}, "removes every column, which can't be MAR"),
        ({"frequencies": [1, 2]}, "give a positive number for each of the 4 patterns"),
        ({"mechanism": "MCAR", "weights": {"a": 1}}, "Weights have no part in MCAR"),
        ({"patterns": [["a"]], "weights": [{"a": 1}]}, "Column 'a' is weighed in a pattern that removes it"),
        ({"patterns": [["a"]], "weights": {"a": 1}}, "The weights of a pattern are all 0"),
        ({"patterns": [["a"]], "weights": [{"b": 1}, {"b": 2}]}, "or a list of such, one for each pattern"),
        ({"patterns": [["a"]], "weights": {"b": "much"}}, "The weight of 'b' is 'much'"),
        ({"types": "TAILS"}, "no amputation type 'TAILS'; did you mean 'TAIL'?"),
        ({"types": ["TAIL", "MID"]}, "There are 2 types for 4 patterns"),
    ],
)
def test_a_wrong_amputation_is_refused_in_one_sentence(normal, options, words):
    with pytest.raises(MiceSimError) as caught:
        ampute(normal, np.random.default_rng(1), **options)
    assert words in str(caught.value)
    assert str(caught.value)[-1] in ".?"


def test_incomplete_data_are_not_amputed(normal):
    holes = ampute(normal, np.random.default_rng(1))
    with pytest.raises(MiceSimError, match="has missing values; complete it first"):
        ampute(holes, np.random.default_rng(1))


# ---- conf/


@pytest.mark.parametrize(
    ("overrides", "rows"),
    [
        ([], 748),
        (["resampling=bootstrap", "resampling.n=90"], 90),
        (["resampling=subsample", "resampling.n=200"], 200),
        (["data=mvn", "resampling=fresh", "resampling.n=200", "data.correlation=0.3"], 200),
        (["data=model_linear", "resampling=fresh", "data.rows=900", "+data.coefficients.age=10"], 748),
        (["data=model_ordinal", "resampling=fresh", "data.rows=900"], 748),
        (["data=two_level", "resampling=fresh", "data.icc=0.4", "data.size=[5, 35]"], 1000),
        (["+resampling/amputation=mcar", "resampling.amputation.proportion=0.3"], 748),
        (["+resampling/amputation=mar", "resampling.amputation.patterns=[[hgt], [wgt, bmi]]"], 748),
        (["resampling=r_bootstrap", "+resampling/amputation=mnar"], 748),
    ],
)
def test_the_files_of_conf_make_samples(overrides, rows):
    config = compose(overrides)
    sample = sampler(config.resampling, config.data, config.seed)(0)
    assert sample.n_rows == rows
    assert np.isnan(sample.values).any() == any("amputation" in override for override in overrides)


def test_rs_bootstrap_is_configured_as_it_was_published():
    assert compose(["resampling=r_bootstrap"]).resampling == {"kind": "r_bootstrap", "seed": 123}
