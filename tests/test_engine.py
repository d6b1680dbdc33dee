"""The chained loop in linked mode: which cells change, what they are drawn from, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import mice_sim
from mice_sim import MiceSimError, load_dataset
from mice_sim.synthesis import methods
from mice_sim.synthesis.methods.cart import Cart

synthesize = partial(mice_sim.synthesize, mode="linked", maxit=1)


@pytest.fixture(scope="module")
def incomplete() -> pd.DataFrame:
    return load_dataset("boys")


@pytest.fixture(scope="module")
def syn(boys: pd.DataFrame, paper: dict):
    return synthesize(boys, m=5, seed=1, **paper)


@pytest.fixture
def fits_of_cart(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets of every tree that is grown, in order."""
    grown: list[str] = []
    original = Cart.fit

    def counted(self, y, *others, **more):
        grown.append(y.column.name)
        return original(self, y, *others, **more)

    monkeypatch.setattr(Cart, "fit", counted)
    return grown


def same(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    return left.astype(object).where(left.notna(), None).equals(right.astype(object).where(right.notna(), None))


# ---- which cells change


def test_m_sets_come_back_and_differ(syn):
    assert len(syn.completed()) == syn.m == 5
    assert not syn.completed(1).equals(syn.completed(2))


def test_the_same_seed_gives_the_same_sets_and_another_seed_others(boys, paper, syn):
    assert (synthesize(boys, m=5, seed=1, **paper).sets == syn.sets).all()
    assert (synthesize(boys, m=5, seed=2, **paper).sets != syn.sets).any()


def test_without_a_seed_every_synthesis_is_another(boys):
    two = boys[["age", "hgt"]]
    assert (synthesize(two, m=1).sets != synthesize(two, m=1).sets).any()


def test_the_data_given_are_left_alone(boys, paper):
    before = boys.copy()
    synthesize(boys, m=1, seed=1, **paper)
    pd.testing.assert_frame_equal(boys, before)


@pytest.mark.parametrize("where", ["all", "missing"])
def test_no_cell_that_was_asked_for_stays_missing(incomplete, where):
    for data in synthesize(incomplete, m=2, seed=1, where=where).completed():
        assert not data.isna().any().any()


def test_where_missing_changes_missing_cells_only(incomplete):
    observed = incomplete.notna()
    for data in synthesize(incomplete, m=2, seed=1, where="missing").completed():
        assert same(data.where(observed), incomplete)


def test_where_observed_draws_observed_cells(boys):
    assert (synthesize(boys, m=1, seed=1, where="observed").sets == synthesize(boys, m=1, seed=1).sets).all()


def test_where_none_changes_nothing(boys):
    pd.testing.assert_frame_equal(synthesize(boys, m=2, where="none").completed(2), boys, check_like=True)


@pytest.mark.parametrize("kind", [np.array, pd.DataFrame])
def test_only_marked_cells_change(boys, kind):
    marked = np.random.default_rng(1).random(boys.shape) < 0.3
    data = synthesize(boys, m=1, seed=1, where=kind(marked)).completed(1)
    changed = np.array([data[name].astype(object) != boys[name].astype(object) for name in boys]).T
    assert not changed[~marked].any()
    assert changed[marked].any(axis=None)


def test_unmarked_missing_cells_are_refused_because_they_cannot_predict(incomplete):
    with pytest.raises(MiceSimError, match=r"'hgt' has missing cells that `where` leaves out"):
        synthesize(incomplete, where="observed")


# ---- what they are drawn from


def test_values_are_observed_ones_and_stay_with_their_column(boys, syn):
    for name in boys.columns.drop("bmi"):
        assert set(syn.completed(3)[name]) <= set(boys[name])


def test_own_values_are_as_frequent_as_in_mice(boys, paper):
    """Synthetic record i is drawn given record i, which is among its own donors."""
    ours = synthesize(boys, m=20, seed=2, **paper)
    shares = (ours.sets == ours.original.values).mean(axis=(0, 2))
    mice = {"age": 0.20, "hgt": 0.22, "wgt": 0.21, "hc": 0.23, "gen": 0.81, "phb": 0.75, "tv": 0.59, "reg": 0.61}
    assert dict(zip(boys.columns, shares, strict=True)) | {"bmi": 0} == pytest.approx(mice | {"bmi": 0}, abs=0.03)


def test_own_values_are_more_frequent_on_a_bootstrap_sample_as_in_mice(boys, paper, r_samples):
    ours = synthesize(boys.iloc[r_samples[0]].reset_index(drop=True), m=20, seed=2, **paper)
    shares = (ours.sets == ours.original.values).mean(axis=(0, 2))
    mice = {"age": 0.39, "hgt": 0.40, "wgt": 0.40, "hc": 0.43, "gen": 0.87, "phb": 0.86, "tv": 0.73, "reg": 0.74}
    assert dict(zip(boys.columns, shares, strict=True)) | {"bmi": 0} == pytest.approx(mice | {"bmi": 0}, abs=0.04)


def test_synthetic_records_resemble_their_originals_as_in_mice(syn):
    mice = {"age": 0.991, "hgt": 0.996, "wgt": 0.978, "hc": 0.973, "tv": 0.948}
    for name, expected in mice.items():
        j = syn.original.index(name)
        found = np.corrcoef(syn.sets[:, j].ravel(), np.tile(syn.original.values[j], syn.m))[0, 1]
        assert found == pytest.approx(expected, abs=0.008)


def test_on_complete_data_visit_order_and_iterations_are_irrelevant(boys):
    one = synthesize(boys, m=2, seed=1)
    reverse = synthesize(boys, m=2, seed=1, visit_sequence=list(boys.columns[::-1]))
    assert (one.sets == reverse.sets).all()


def test_the_method_sample_ignores_predictors(boys):
    data = synthesize(boys, m=1, seed=1, method=dict.fromkeys(boys, "cart") | {"hgt": "sample"}).completed(1)
    assert abs(data["hgt"].corr(boys["hgt"])) < 0.15
    assert data["wgt"].corr(boys["wgt"]) > 0.9


# ---- derived columns


def test_a_derived_column_is_exact_in_every_set(syn):
    for data in syn.completed():
        assert (data["bmi"] == data["wgt"] / (data["hgt"] / 100) ** 2).all()


def test_derived_columns_may_build_on_each_other_whatever_their_order(boys):
    two = boys[["bmi", "hgt", "wgt"]].assign(double=2 * boys["bmi"])[["double", "bmi", "hgt", "wgt"]]
    syn = synthesize(two, m=2, seed=1, derived={"double": "2 * bmi", "bmi": "wgt / (hgt / 100) ** 2"})
    for data in syn.completed():
        assert (data["bmi"] == data["wgt"] / (data["hgt"] / 100) ** 2).all()
        assert (data["double"] == 2 * data["bmi"]).all()


@pytest.mark.parametrize(
    ("formula", "value"),
    [("a + b", 5.0), ("-a + +b", 1.0), ("a * b - b / a", 4.5), ("(a + 1) ** b", 27.0), ("2 ** -a", 0.25)],
)
def test_formulas_are_arithmetic(formula, value):
    data = pd.DataFrame({"a": [2.0, 2, 3], "b": [3.0, 3, 4], "c": [value, value, 0]})
    syn = synthesize(data, m=1, derived={"c": formula}, where="none")
    expression = syn.spec.derived[2]
    assert expression.evaluate({"a": np.array([2.0]), "b": np.array([3.0])})[0] == value


def test_only_the_marked_cells_of_a_derived_column_are_computed(incomplete):
    data = synthesize(incomplete, m=1, seed=1, where="missing", derived={"bmi": "wgt / (hgt / 100) ** 2"}).completed(1)
    gone = incomplete["bmi"].isna()
    assert (data["bmi"] == data["wgt"] / (data["hgt"] / 100) ** 2)[gone].all()
    assert (data["bmi"] == incomplete["bmi"])[~gone].all()


# ---- the two rules


def test_the_rules_differ_once_a_derived_column_was_computed(boys, paper, syn):
    old = synthesize(boys, m=5, seed=1, rule="mice-3.13", **paper)
    j = syn.original.index
    assert (old.sets[0, j("age")] == syn.sets[0, j("age")]).all()  # visited before bmi
    assert (old.sets[0, j("hc")] != syn.sets[0, j("hc")]).any()  # visited after bmi
    assert (old.sets[1, j("age")] != syn.sets[1, j("age")]).any()  # sees the bmi of the set before
    for name in ("hgt", "wgt"):  # which bmi does not predict
        assert (old.sets[:, j(name)] == syn.sets[:, j(name)]).all()


def test_without_derived_columns_the_rules_are_one(boys):
    old, new = (synthesize(boys, m=2, seed=1, rule=rule) for rule in ("mice-3.13", "mice-3.15"))
    assert (old.sets == new.sets).all()


@pytest.mark.parametrize(("rule", "count"), [("mice-3.15", 8), ("mice-3.13", 2 + 6 * 5)])
def test_a_tree_is_grown_anew_only_where_its_predictors_changed(boys, paper, fits_of_cart, rule, count):
    synthesize(boys, m=5, seed=1, rule=rule, **paper)
    assert len(fits_of_cart) == count


def test_what_a_tree_remembers_of_the_last_set_changes_nothing(boys, paper, monkeypatch, r_samples):
    samples = [boys.iloc[rows].reset_index(drop=True) for rows in r_samples[:30]]

    def sets() -> list[np.ndarray]:
        return [synthesize(sample, m=4, seed=1, rule="mice-3.13", **paper).sets for sample in samples]

    remembering, original = sets(), Cart.fit
    monkeypatch.setattr(Cart, "fit", lambda self, y, X, rng=None, previous=None: original(self, y, X, rng))
    for left, right in zip(remembering, sets(), strict=True):
        assert (left == right).all()


# ---- predictors and visits


def test_by_default_a_derived_column_does_not_predict_what_it_is_computed_from(syn):
    j = syn.original.index
    expected = ~np.eye(9, dtype=bool)
    expected[[j("hgt"), j("wgt")], j("bmi")] = False
    assert (syn.spec.codes == expected).all()


@pytest.mark.parametrize("kind", ["array", "frame", "shuffled frame"])
def test_the_predictor_matrix_says_who_predicts_whom(boys, kind):
    matrix = pd.DataFrame(0, boys.columns, boys.columns)
    matrix.loc["hgt", "age"] = 1
    given = {"array": matrix.to_numpy(), "frame": matrix, "shuffled frame": matrix.iloc[::-1, ::-1]}[kind]
    data = synthesize(boys, m=1, seed=1, predictor_matrix=given).completed(1)
    assert data["hgt"].corr(boys["hgt"]) > 0.9
    assert abs(data["wgt"].corr(boys["wgt"])) < 0.15


def test_a_derived_column_is_visited_after_its_parents_unless_told(boys, paper):
    order = ["bmi", *boys.columns.drop("bmi")]
    syn = synthesize(boys[order], m=1, seed=1, **paper)
    assert [order[j] for j in syn.spec.visit_sequence][:4] == ["age", "hgt", "wgt", "bmi"]


def test_the_visit_sequence_decides_which_trees_see_a_derived_column(boys, paper, fits_of_cart):
    order = [*boys.columns.drop("bmi"), "bmi"]
    synthesize(boys, m=1, seed=1, visit_sequence=order, **paper)
    assert fits_of_cart == [name for name in order if name != "bmi"]


# ---- missing data


def test_imputations_feed_each_other():
    """x and y are missing in the same rows: only what was imputed for the one can tell of the other."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=400)
    data = pd.DataFrame({"x": x, "y": x + 0.3 * rng.normal(size=400), "z": rng.normal(size=400)})
    gone = np.arange(400) < 120
    data.loc[gone, ["x", "y"]] = np.nan
    filled = synthesize(data, m=1, seed=1, where="missing", maxit=5).completed(1)[gone]
    assert filled["x"].corr(filled["y"]) > 0.8


def test_imputations_are_like_those_of_mice(incomplete):
    gone = incomplete["gen"].isna()
    sets = synthesize(incomplete, m=20, seed=1, where="missing", maxit=5).completed()
    filled = [data[gone].assign(gen=data["gen"].cat.codes[gone] + 1) for data in sets]
    # mice 3.15 with method "cart", mean over 100 imputations.
    assert np.mean([data["gen"].corr(data["age"]) for data in filled]) == pytest.approx(0.798, abs=0.025)
    assert np.mean([data["gen"].corr(data["tv"]) for data in filled]) == pytest.approx(0.847, abs=0.02)
    assert np.mean([data["gen"].mean() for data in filled]) == pytest.approx(2.207, abs=0.06)


# ---- events


def near_copy(boys: pd.DataFrame) -> pd.DataFrame:
    return boys[["age", "hgt", "gen"]].assign(months=12 * boys["age"] + 0.1 * np.sin(np.arange(len(boys))))


def test_a_predictor_too_close_to_its_target_is_dropped_and_said(boys):
    events = synthesize(near_copy(boys), m=2, seed=1).events
    assert set(events.loc[events["what"] == "dropped months", "variable"]) >= {"age"}
    assert set(events["why"]) == {"constant or near-dependent predictors, as in mice"}


def test_predictors_that_depend_on_each_other_are_thinned_and_said(boys):
    data = boys[["hgt", "wgt", "tv"]].assign(sum=boys["hgt"] + boys["wgt"])
    events = synthesize(data, m=1, seed=1).events
    assert events.loc[events["variable"] == "tv", "what"].str.match("dropped (hgt|wgt|sum)$").all()
    assert "tv" in set(events["variable"])


def test_a_predictor_that_hardly_varies_is_dropped_and_said(boys):
    data = boys[["age", "hgt", "wgt"]].assign(tiny=boys["tv"] * 1e-4)
    assert "dropped tiny" in set(synthesize(data, m=1, seed=1).events["what"])


def test_a_negative_correlation_is_kept_as_in_mice(boys):
    data = boys[["age", "hgt", "reg"]].assign(minus=-boys["age"])
    events = synthesize(data, m=1, seed=1).events
    assert not events[(events["variable"] == "age")]["what"].str.contains("minus").any()


def test_strict_raises_at_the_first_event(boys):
    with pytest.raises(MiceSimError, match=r"strict: age: dropped months"):
        synthesize(near_copy(boys), seed=1, strict=True)


def test_the_boys_give_no_event(syn):
    assert syn.events.empty
    assert list(syn.events.columns) == ["variable", "what", "why", "set", "iteration"]


# ---- frames


@pytest.fixture(scope="module")
def motley(boys: pd.DataFrame) -> pd.DataFrame:
    """One column of every type that is taken, under row labels."""
    rng = np.random.default_rng(1)
    frame = boys[["age", "gen", "reg"]].assign(
        whole=boys["tv"].astype("int64"),
        small=boys["tv"].astype("int16"),
        flag=boys["age"] > 10,
        nullable=boys["tv"].astype("Int64"),
        single=boys["age"].astype("float32"),
        floating=boys["age"].astype("Float64"),
        boolean=(boys["age"] > 10).astype("boolean"),
        group=pd.Categorical.from_codes(rng.integers(2, size=len(boys)), [10, 20]),
        unused=boys["reg"].cat.add_categories("abroad"),
    )
    return frame.set_index(pd.Index([f"boy{i}" for i in range(len(boys))], name="who"))


def test_types_categories_columns_and_row_labels_are_kept(motley):
    for data in synthesize(motley, m=2, seed=1).completed():
        assert list(data.columns) == list(motley.columns)
        assert data.dtypes.to_dict() == motley.dtypes.to_dict()
        assert data.index.equals(motley.index)
        assert data.index.name == "who"


def test_types_are_kept_when_missing_cells_are_filled(motley):
    holes = motley.copy()
    holes.loc[holes.index[::5], ["age", "gen", "nullable", "group"]] = pd.NA
    data = synthesize(holes, m=1, seed=1, where="missing").completed(1)
    assert data.dtypes.to_dict() == motley.dtypes.to_dict()


def test_long_stacks_the_sets_under_their_numbers(syn):
    long = syn.long()
    assert list(long.columns[:2]) == [".imp", ".id"]
    assert long[".imp"].value_counts().to_dict() == dict.fromkeys(range(1, 6), 748)
    pd.testing.assert_frame_equal(long[long[".imp"] == 4].iloc[:, 2:].reset_index(drop=True), syn.completed(4))


# ---- methods of one's own


@dataclass(frozen=True)
class Shift(methods.Method):
    """The observed values, moved by a constant."""

    by: float = 100.0
    uses_predictors: ClassVar[bool] = False

    def fit(self, y, X, rng):
        return self if y.column.name == "hgt" else None

    def draw(self, X, rng):
        return np.full(X.rows.size, self.by)


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "METHODS", dict(methods.METHODS))
    methods.register_method("shift", Shift)


@pytest.mark.usefixtures("shift")
def test_a_method_of_ones_own_is_used_by_name_with_its_options(boys):
    mixed = dict.fromkeys(boys, "cart") | {"hgt": "shift"}
    data = synthesize(boys, m=1, seed=1, method=mixed, by=7.0, minbucket=10).completed(1)
    assert set(data["hgt"]) == {7.0}
    assert data["wgt"].corr(boys["wgt"]) > 0.9


@pytest.mark.usefixtures("shift")
def test_ones_own_method_can_be_replaced_and_the_packages_can_not():
    methods.register_method("shift", Shift)
    with pytest.raises(MiceSimError, match="The package has a method 'cart'; choose another name"):
        methods.register_method("cart", Shift)


def test_columns_keep_labels_that_are_no_strings():
    data = pd.DataFrame(np.random.default_rng(1).normal(size=(30, 2)), columns=[2020, 2021])
    assert list(synthesize(data, m=2, seed=1).completed(1).columns) == [2020, 2021]


def test_a_result_says_what_it_is():
    data = pd.DataFrame({"x": [1.0, np.nan, 3, 4, 7], "y": [2.0, 3, 1, 0, 9]})
    assert repr(mice_sim.impute(data, m=2, seed=1)) == "<Imputation: m = 2, 5 × 2>"
    assert repr(mice_sim.synthesize(data, m=2, seed=1)) == "<Synthesis: m = 2, 5 × 2, sequential, missing values kept>"
