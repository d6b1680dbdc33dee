"""`mice-sim schema`, `synthesize` and `impute` on people's own files, and the imputer for pipelines."""

from __future__ import annotations

import datetime
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pyreadstat
import pytest
import yaml
from click.testing import CliRunner, Result
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from mice_sim import MiceSimError, cli_people, impute, load_dataset, synthesize
from mice_sim.data import read_table
from mice_sim.people import options_of, read_people
from mice_sim.sklearn import MiceImputer

N = 120


@pytest.fixture
def people(tmp_path) -> Path:
    """A CSV file with an identifier, a date, text levels, a missing code, a spike and missing values."""
    rng = np.random.default_rng(1)
    income = np.where(rng.random(N) < 0.3, 0.0, np.round(np.exp(rng.normal(8, 1, N)), 1))
    frame = pd.DataFrame(
        {
            "id": [f"P{i:03d}" for i in range(N)],
            "age": np.where(np.arange(N) % 10 == 3, 999, rng.integers(18, 90, N)),
            "sex": rng.choice(["f", "m"], N),
            "born": pd.date_range("1950-01-01", periods=N).strftime("%Y-%m-%d"),
            "income": np.where(np.arange(N) % 12 == 5, -9, income),
            "region": np.where(np.arange(N) % 8 == 1, None, rng.choice(["north", "east", "süd"], N)),
        }
    )
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


@pytest.fixture
def ready(people) -> Path:
    """The same with a schema beside it that its owner has looked over."""
    run("schema", people)
    schema = people.with_name("people.schema.yaml")
    schema.write_text(schema.read_text(encoding="utf-8").replace("kind: date", "drop: true"), encoding="utf-8")
    return people


def run(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(getattr(cli_people, command), [str(a) for a in arguments])


def outputs(result: Result, folder: Path) -> set[str]:
    assert result.exception is None, result.exception
    return {path.name for path in folder.iterdir()}


# ---- schema


def test_schema_drafts_what_is_to_be_looked_over(people):
    result = run("schema", people)
    assert result.exit_code == 0
    said = result.output.splitlines()
    assert said[0].endswith("people.schema.yaml.")
    assert [line.split(":")[0].strip() for line in said[1:]] == ["id", "age", "born", "income"]
    columns = yaml.safe_load(people.with_name("people.schema.yaml").read_text(encoding="utf-8"))["columns"]
    assert columns == {
        "id": {"drop": "identifier"},
        "age": {"kind": "continuous", "missing": [999]},
        "sex": {"kind": "binary", "levels": ["f", "m"]},
        "born": {"kind": "date"},
        "income": {"kind": "continuous", "missing": [-9], "spike": [0]},
        "region": {"kind": "unordered", "levels": ["east", "north", "süd"]},
    }


def test_schema_never_writes_over_one_that_is_there(people):
    run("schema", people)
    before = people.with_name("people.schema.yaml").read_bytes()
    with pytest.raises(MiceSimError, match="already; edit it"):
        raise run("schema", people).exception
    assert people.with_name("people.schema.yaml").read_bytes() == before


@pytest.mark.parametrize("command", ["synthesize", "impute"])
def test_a_file_that_leaves_questions_open_gets_a_schema_first(people, command):
    result = run(command, people)
    assert isinstance(result.exception, MiceSimError)
    assert "look at what it says of 'id', 'age', 'born', 'income', correct it" in str(result.exception)
    assert {path.name for path in people.parent.iterdir()} == {"people.csv", "people.schema.yaml"}
    with pytest.raises(MiceSimError, match=r"'born' of the schema people\.schema\.yaml holds dates"):
        raise run(command, people).exception


def test_a_draft_can_be_taken_as_it_is(people):
    frame = pd.read_csv(people).drop(columns="born")
    frame.to_csv(people, index=False)
    result = run("impute", people, "--yes", "--m", 1, "--maxit", 1)
    assert result.exception is None
    assert {path.name for path in people.parent.iterdir()} == {"people.csv", "people_imputed"}


# ---- synthesize


def test_synthesize_writes_new_records_without_the_real_ones(ready):
    result = run("synthesize", ready, "--m", 2, "--seed", 1, "--k", 50)
    folder = ready.with_name("people_synthetic")
    assert outputs(result, folder) == {
        "people_1.csv", "people_2.csv", "people_long.csv", "schema.yaml", "options.yaml", "report.md",
    }  # fmt: skip
    first, long = pd.read_csv(folder / "people_1.csv"), pd.read_csv(folder / "people_long.csv")
    assert list(first) == ["age", "sex", "income", "region"]
    assert len(first) == 50
    assert long[".imp"].tolist() == [1] * 50 + [2] * 50
    pd.testing.assert_frame_equal(long[long[".imp"] == 1].drop(columns=[".imp", ".id"]).reset_index(drop=True), first)
    real = pd.read_csv(ready)
    assert set(first["income"]) & {0, -9} == {0, -9}
    assert set(first["age"]) <= set(real["age"])
    assert 999 in set(long["age"])
    assert 0 < first["region"].isna().sum() < 25


def test_synthesize_reports_what_was_done_to_each_column(ready):
    result = run("synthesize", ready, "--m", 2, "--seed", 1)
    report = (ready.with_name("people_synthetic") / "report.md").read_text(encoding="utf-8")
    for text in (report, result.output):
        assert "2 synthetic sets of 120 records, from 120 in people.csv." in text
        assert "seed 1." in text
        assert "raab2016_simple" in text
    assert "| income | continuous | cart | age, sex | 120 | drawn apart: 0, -9 |" in report
    assert "| id |  | left out |  | 0 | identifier |" in report
    assert "| born |  | left out |  | 0 | dropped by the schema |" in report


def test_the_same_seed_gives_the_same_files(ready):
    for name in ("a", "b"):
        assert run("synthesize", ready, "--m", 1, "--seed", 7, "--output", ready.parent / name).exception is None
    for name in ("people_1.csv", "people_long.csv", "report.md", "options.yaml"):
        assert (ready.parent / "a" / name).read_bytes() == (ready.parent / "b" / name).read_bytes()


def test_a_seed_is_chosen_and_told_where_none_is_given(ready):
    run("synthesize", ready, "--m", 1)
    folder = ready.with_name("people_synthetic")
    seed = yaml.safe_load((folder / "options.yaml").read_text())["seed"]
    run("synthesize", ready, "--m", 1, "--seed", seed, "--output", ready.parent / "again")
    assert (ready.parent / "again" / "people_1.csv").read_bytes() == (folder / "people_1.csv").read_bytes()


def test_linked_sets_are_not_for_release_and_the_report_says_so(ready):
    assert run("synthesize", ready, "--m", 2, "--mode", "linked", "--set", "minbucket=10").exception is None
    report = (ready.with_name("people_synthetic") / "report.md").read_text(encoding="utf-8")
    assert "do not release them" in report


def test_a_schema_names_methods_formulas_bounds_and_rules(ready):
    schema = ready.with_name("people.schema.yaml")
    content = yaml.safe_load(schema.read_text(encoding="utf-8"))
    content["columns"]["age"] |= {"method": "pmm", "bounds": [18, 80]}
    content["columns"]["income"] |= {"rules": {"age < 30": 0}}
    schema.write_text(yaml.safe_dump(content, sort_keys=False))
    read = read_people(ready, "synthesize")
    options = options_of(read, "synthesize", {"method": None, "m": 3})
    seed = options.pop("seed")
    assert isinstance(seed, int)
    assert options == {
        "m": 3,
        "method": {"age": "pmm"},
        "bounds": {"age": [18, 80]},
        "rules": {"income": {"age < 30": 0}},
        "semicontinuous": {"age": [999], "income": [0, -9]},
    }
    assert options_of(read_people(ready, "impute"), "impute", {})["method"] == {"age": "pmm"}


@pytest.fixture
def pupils() -> pd.DataFrame:
    return load_dataset("popmis")[["school", "popular", "sex", "texp"]]


@pytest.mark.parametrize(
    ("command", "methods"),
    [
        ("impute", {"popular": "2l.pmm"}),
        ("synthesize", {"popular": "2l.cart", "sex": "2l.cart", "texp": "2lonly.cart"}),
    ],
)
def test_the_clusters_of_a_file_are_named_on_the_command_line(tmp_path, pupils, command, methods):
    pupils.to_csv(tmp_path / "pupils.csv", index=False)
    assert run(command, tmp_path / "pupils.csv", "--cluster", "school", "--m", 2, "--maxit", 1).exception is None
    folder = tmp_path / f"pupils_{'imputed' if command == 'impute' else 'synthetic'}"
    report = (folder / "report.md").read_text(encoding="utf-8")
    for name, method in methods.items():
        assert f"| {name} | {'binary' if name == 'sex' else 'continuous'} | {method} |" in report
    assert (pd.read_csv(folder / "pupils_1.csv")["school"] == pupils["school"]).all()


def test_a_schema_names_the_methods_of_some_columns_in_clusters(tmp_path, pupils):
    pupils.to_csv(tmp_path / "pupils.csv", index=False)
    (tmp_path / "pupils.schema.yaml").write_text(
        "columns: {school: {kind: continuous}, popular: {kind: continuous},\n"
        "  sex: {kind: binary, levels: [0, 1], method: logreg}, texp: {kind: continuous}}\n"
    )
    read = read_people(tmp_path / "pupils.csv", "synthesize")
    options = options_of(read, "synthesize", {"cluster": "school", "m": 1, "seed": 1})
    methods = synthesize(read.frame, **options).summary()["method"]
    assert methods.to_dict() == {"school": "kept", "popular": "2l.cart", "sex": "logreg", "texp": "2lonly.cart"}


def test_a_folder_that_holds_something_is_left_alone(ready):
    folder = ready.with_name("people_synthetic")
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(MiceSimError, match="is not empty; name another with --output"):
        raise run("synthesize", ready).exception
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "minbucket"], "--set is 'minbucket'; write OPTION=VALUE"),
        (["--set", "minbucket=[1"], "write OPTION=VALUE"),
        (["--set", "minbuckets=3"], "did you mean 'minbucket'?"),
        (["--format", ".xlsx"], "can't be written as '.xlsx'; choose one of .csv"),
        (["--schema", "nowhere.yaml"], "no schema 'nowhere.yaml'; check the path"),
        (["--method", "carts"], "did you mean 'cart'?"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(ready, arguments, words):
    error = run("synthesize", ready, *arguments).exception
    assert isinstance(error, MiceSimError)
    assert words in str(error)
    assert not ready.with_name("people_synthetic").exists()


# ---- impute


def test_impute_fills_the_holes_and_carries_the_rest_along(ready):
    result = run("impute", ready, "--m", 2, "--maxit", 2, "--seed", 1)
    folder = ready.with_name("people_imputed")
    assert "people_2.csv" in outputs(result, folder)
    real, first = pd.read_csv(ready), pd.read_csv(folder / "people_1.csv")
    assert list(first) == list(real)
    assert not first.isna().any().any()
    pd.testing.assert_frame_equal(first[["id", "born", "sex"]], real[["id", "born", "sex"]])
    known = (real["age"] != 999) & (real["income"] != -9) & real["region"].notna()
    pd.testing.assert_frame_equal(first[known], real[known], check_dtype=False)
    assert set(first["age"]) <= set(real["age"]) - {999}
    assert (first["income"] >= 0).all()


def test_files_of_another_order_than_the_schema_come_out_in_the_schemas(ready):
    real = pd.read_csv(ready)
    real[real.columns[::-1]].to_csv(ready, index=False)
    result = run("impute", ready, "--m", 1, "--maxit", 1, "--seed", 1)
    assert result.exception is None, result.exception
    imputed = pd.read_csv(ready.with_name("people_imputed") / "people_1.csv")
    assert list(imputed) == list(real)
    pd.testing.assert_frame_equal(imputed[["id", "born", "sex"]], real[["id", "born", "sex"]])


def test_a_file_without_holes_is_said_to_have_none(tmp_path):
    pd.DataFrame({"x": np.arange(9.0) ** 2, "y": [1.5, 2, 3, 5, 8, 1, 2, 7, 4]}).to_csv(tmp_path / "x.csv", index=False)
    result = run("impute", tmp_path / "x.csv", "--m", 1, "--seed", 1)
    assert "There were no missing values." in result.output
    assert "were imputed" not in result.output


def test_a_single_record_is_one(tmp_path):
    pd.DataFrame({"x": np.arange(9.0) ** 2}).to_csv(tmp_path / "x.csv", index=False)
    result = run("synthesize", tmp_path / "x.csv", "--m", 1, "--k", 1, "--seed", 1)
    assert "1 synthetic set of 1 record, from 9 in x.csv." in result.output


def test_imputed_sets_stand_on_top_of_the_data_in_the_long_file(ready):
    run("impute", ready, "--m", 2, "--maxit", 1, "--seed", 1)
    long = pd.read_csv(ready.with_name("people_imputed") / "people_long.csv")
    assert list(long)[:3] == [".imp", ".id", "id"]
    assert long[".imp"].tolist() == [0] * N + [1] * N + [2] * N
    assert long.loc[long[".imp"] == 0, "age"].isna().sum() == N // 10
    assert long["id"].tolist() == pd.read_csv(ready)["id"].tolist() * 3


def test_spss_files_come_back_as_spss_files(tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "nr": np.arange(60.0),
            "name": [f"n{i}" for i in range(60)],
            "day": [datetime.date(2020, 1, 1)] * 60,
            "x": np.where(np.arange(60) % 6 == 0, -9.0, rng.normal(size=60)),
            "g": np.where(np.arange(60) % 7 == 0, np.nan, rng.integers(1, 4, 60)),
        }
    )
    labels = {"x": {-9.0: "refused"}, "g": {1.0: "lo", 2.0: "mid", 3.0: "hi"}}
    pyreadstat.write_sav(
        frame, str(tmp_path / "s.sav"), variable_value_labels=labels, missing_ranges={"x": [-9]},
        column_labels={"x": "Score", "nr": "Number"}, variable_measure={"g": "ordinal"},
    )  # fmt: skip
    (tmp_path / "s.yaml").write_text(
        "columns: {nr: {drop: identifier}, name: {drop: true}, day: {drop: true}, x: {kind: continuous},"
        " g: {kind: ordered, levels: [lo, mid, hi]}}"
    )
    result = run("impute", tmp_path / "s.sav", "--schema", tmp_path / "s.yaml", "--m", 2, "--maxit", 1)
    assert result.exception is None, result.exception
    first, meta = pyreadstat.read_sav(str(tmp_path / "s_imputed" / "s_1.sav"), user_missing=True)
    assert meta.column_names_to_labels["x"] == "Score"
    assert meta.column_names_to_labels["nr"] == "Number"
    assert meta.variable_value_labels["g"] == labels["g"]
    assert first["name"].tolist() == frame["name"].tolist()
    assert first["day"].tolist() == frame["day"].tolist()
    assert -9 not in set(first["x"])
    assert set(first["g"]) == {1, 2, 3}
    long, _ = pyreadstat.read_sav(str(tmp_path / "s_imputed" / "s_long.sav"))
    assert long["Imputation_"].tolist() == [0.0] * 60 + [1] * 60 + [2] * 60


def test_a_file_that_can_be_read_only_comes_back_as_csv(tmp_path):
    frame = pd.DataFrame({"a": [1.5, np.nan, 3, 4, 2.5, 7], "b": [2.5, 3, 1, 5, 2, 7.5]})
    pyreadstat.write_xport(frame, str(tmp_path / "x.xpt"))
    assert "x_1.csv" in outputs(run("impute", tmp_path / "x.xpt", "--m", 1), tmp_path / "x_imputed")


@pytest.mark.parametrize("command", ["schema", "synthesize", "impute"])
def test_a_commands_help_has_an_example(command):
    text = run(command, "--help").output
    assert f"mice-sim {command} people.csv" in text
    assert isinstance(getattr(cli_people, command), click.Command)


# ---- the imputer


@pytest.fixture(scope="module")
def boys() -> pd.DataFrame:
    return load_dataset("boys")


def test_the_imputer_keeps_scikit_learns_conventions():
    failed = check_estimator(MiceImputer("sample", maxit=1, random_state=0), on_fail=None, on_skip=None)
    assert [(c["check_name"], c["exception"]) for c in failed if c["status"] == "failed"] == []


def test_no_model_learns_from_rows_that_are_transformed():
    complete = load_dataset("boys_complete")[["age", "hgt", "wgt", "hc"]]
    train, new = complete.iloc[:600].copy(), complete.iloc[600:].assign(hc=np.nan)
    train.loc[::7, "hc"] = np.nan
    new.loc[::2, "hc"] = 1000  # what a model of these rows would learn
    done = MiceImputer("norm.predict", maxit=1, random_state=1).fit(train).transform(new)
    done, new = done[new["hc"].isna()], new[new["hc"].isna()]
    known = train.dropna()
    least_squares = LinearRegression().fit(known.drop(columns="hc"), known["hc"])
    np.testing.assert_allclose(done["hc"], least_squares.predict(new.drop(columns="hc")), rtol=1e-4)


def test_frames_keep_their_categories_index_and_known_cells(boys):
    train, new = boys.iloc[:600], boys.iloc[600:]
    done = MiceImputer(maxit=2, random_state=1).fit(train).transform(new)
    assert done.dtypes.equals(new.dtypes)
    assert done.index.equals(new.index)
    assert not done.isna().any().any()
    assert ((done == new) | new.isna()).all().all()


def test_fit_transform_is_impute_and_its_seed(boys):
    numbers = boys[["age", "hgt", "wgt", "hc"]]
    one = MiceImputer(maxit=2, random_state=5).fit_transform(numbers)
    other = clone(MiceImputer(maxit=2, random_state=5)).fit_transform(numbers)
    pd.testing.assert_frame_equal(one, other)
    seed = int(np.random.RandomState(5).randint(2**31 - 1))
    pd.testing.assert_frame_equal(one, impute(numbers, 1, maxit=2, seed=seed).completed(1))


def test_the_imputer_knows_clusters(pupils):
    train, new = pupils[::2], pupils[1::2]
    done = MiceImputer(cluster="school", maxit=2, random_state=1).fit(train).transform(new)
    plain = MiceImputer("pmm", maxit=2, random_state=1).fit(train).transform(new)
    assert not done.isna().any().any()
    # It learned in training how popular the pupils of each school are.
    means = train.groupby("school")["popular"].mean()
    drawn = [frame[new["popular"].isna()].groupby("school")["popular"].mean() for frame in (done, plain)]
    assert means.corr(drawn[0]) > 0.8 > 0.6 > means.corr(drawn[1])


def test_the_imputer_works_in_a_pipeline_and_sets_its_output(boys):
    rows = boys[boys["hgt"].notna()]
    X, y = rows[["age", "wgt", "hc"]].to_numpy(), rows["hgt"].to_numpy()
    pipeline = make_pipeline(MiceImputer(maxit=2, random_state=1, options={"donors": 3}), LinearRegression())
    assert pipeline.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    named = MiceImputer(maxit=1, random_state=1).set_output(transform="pandas").fit(X)
    assert list(named.transform(X)) == list(named.get_feature_names_out()) == ["x0", "x1", "x2"]


def test_a_level_that_was_not_there_in_training_is_named(boys):
    train = boys[["age", "hgt", "reg"]].head(300)
    new = train.assign(reg=train["reg"].cat.rename_categories({"north": "arctic"})).head(20)
    with pytest.raises(MiceSimError, match="'reg' holds the level 'arctic', which the training rows"):
        MiceImputer(maxit=1, random_state=1).fit(train).transform(new)


def test_what_the_imputer_wrote_is_read_again(ready):
    """The schema and the options of a run stand beside its files, so that it can be run again."""
    run("impute", ready, "--m", 1, "--maxit", 1, "--seed", 3)
    folder = ready.with_name("people_imputed")
    again = read_table(folder / "people_1.csv", folder / "schema.yaml")
    assert list(again) == ["age", "sex", "income", "region"]
