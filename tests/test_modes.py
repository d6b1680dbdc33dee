"""Imputation, linked and sequential synthesis: what each mode may see, keep and change."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mice_sim as ms
from mice_sim import MiceSimError

RHO = 0.7


@pytest.fixture(scope="module")
def pair() -> pd.DataFrame:
    """Two columns with a correlation of exactly RHO."""
    rng = np.random.default_rng(1)
    x, e = np.linalg.qr(rng.normal(size=(20_000, 2)) - rng.normal(size=2))[0].T
    x, e = x - x.mean(), e - e.mean()
    e -= x * (e @ x) / (x @ x)
    x, e = x / x.std(), e / e.std()
    return pd.DataFrame({"x": x, "y": RHO * x + np.sqrt(1 - RHO**2) * e})


@pytest.fixture(scope="module")
def boys() -> pd.DataFrame:
    return ms.load_dataset("boys")


@pytest.fixture(scope="module")
def complete() -> pd.DataFrame:
    return ms.load_dataset("boys_complete")


# ---- the law of linked synthesis, and its absence


def test_linked_parametric_synthesis_cubes_a_correlation(pair):
    # x* is drawn given y, y* given x, each with the noise of its own regression: cor(x*, y*) = ρ·ρ·ρ.
    data = ms.synthesize(pair, m=1, mode="linked", method="norm", seed=1).completed(1)
    assert data.corr().loc["x", "y"] == pytest.approx(RHO**3, abs=4 / np.sqrt(len(pair)))


@pytest.mark.parametrize("method", ["norm", "cart", "pmm"])
def test_sequential_synthesis_keeps_a_correlation(pair, method):
    data = ms.synthesize(pair.iloc[:4000], m=1, method=method, seed=1).completed(1)
    assert data.corr().loc["x", "y"] == pytest.approx(pair.iloc[:4000].corr().loc["x", "y"], abs=4 / np.sqrt(4000))


def test_sequential_records_belong_to_no_real_record(complete):
    data = ms.synthesize(complete, m=1, minbucket=3, cp=1e-8, seed=1).completed(1)
    linked = ms.synthesize(complete, m=1, mode="linked", minbucket=3, cp=1e-8, seed=1).completed(1)
    assert abs(np.corrcoef(data["hgt"], complete["hgt"])[0, 1]) < 4 / np.sqrt(len(complete))
    assert np.corrcoef(linked["hgt"], complete["hgt"])[0, 1] > 0.98
    assert (linked["gen"] == complete["gen"]).mean() > 0.6


# ---- sequential


def test_a_later_column_changes_no_earlier_one(complete):
    whole = ms.synthesize(complete, m=1, seed=4).completed(1)
    fewer = ms.synthesize(complete[["age", "hgt", "wgt"]], m=1, seed=4).completed(1)
    pd.testing.assert_frame_equal(whole[["age", "hgt", "wgt"]], fewer)


def test_any_number_of_rows_can_be_drawn(complete):
    assert [len(ms.synthesize(complete, m=1, k=k, seed=1).completed(1)) for k in (1, 100, 3000)] == [1, 100, 3000]


def test_missingness_is_synthesised_with_what_it_hangs_on(boys):
    data = ms.synthesize(boys, m=1, k=5000, seed=1).completed(1)
    young, old = data["age"] < 7, data["age"] > 12
    assert data["gen"].isna().mean() == pytest.approx(boys["gen"].isna().mean(), abs=0.04)
    assert data.loc[young, "gen"].isna().mean() > 0.95
    real = boys.loc[boys["age"] > 12, "gen"].isna().mean()
    assert data.loc[old, "gen"].isna().mean() == pytest.approx(real, abs=0.06)
    # gen and phb go missing together.
    assert (data["gen"].isna() == data["phb"].isna()).mean() > 0.98


def test_special_codes_keep_their_share_and_numbers_stay_numbers():
    rng = np.random.default_rng(2)
    income = np.where(rng.random(2000) < 0.3, 0, np.where(rng.random(2000) < 0.1, -8, rng.lognormal(8, 1, 2000)))
    people = pd.DataFrame({"age": rng.normal(40, 10, 2000), "income": income})
    data = ms.synthesize(
        people, m=1, method={"age": "sample", "income": "norm"}, seed=1, semicontinuous={"income": [0, -8]}
    )
    drawn = data.completed(1)["income"]
    for code in (0, -8):
        assert (drawn == code).mean() == pytest.approx((income == code).mean(), abs=0.04)
    there = drawn[~drawn.isin([0, -8])]
    assert there.mean() == pytest.approx(income[income > 0].mean(), rel=0.15)


def test_strata_keep_their_sizes_and_models_their_own(complete):
    data = ms.synthesize(complete, m=1, strata="reg", seed=1).completed(1)
    assert data["reg"].value_counts().to_dict() == complete["reg"].value_counts().to_dict()
    bigger = ms.synthesize(complete, m=1, strata="reg", k=2 * 748, seed=1).completed(1)
    assert bigger["reg"].value_counts().to_dict() == {k: 2 * v for k, v in complete["reg"].value_counts().items()}
    for region, group in data.groupby("reg", observed=True):
        assert set(group["hgt"]) <= set(complete.loc[complete["reg"] == region, "hgt"])


def test_columns_that_are_not_named_keep_their_values_and_predict(complete):
    data = ms.synthesize(complete, m=1, where=["wgt"], seed=1, method="norm.predict").completed(1)
    others = [c for c in complete if c != "wgt"]
    pd.testing.assert_frame_equal(data[others], complete[others])
    assert np.corrcoef(data["wgt"], complete["wgt"])[0, 1] > 0.9


def test_proper_synthesis_varies_more_between_sets():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=100), "y": rng.normal(size=100)})
    means = {
        proper: ms.synthesize(data, m=400, proper=proper, method="cart", seed=1).sets.mean(axis=2)[:, 0].var()
        for proper in (True, False)
    }
    # The bootstrap of the rows adds the variance of a mean once more.
    assert means[True] / means[False] == pytest.approx(2, rel=0.25)


# ---- incomplete data


def test_one_step_draws_every_cell_and_leaves_none_missing(boys):
    syn = ms.synthesize(boys, m=2, mode="linked", seed=1)
    assert syn.origin.missing == "one-step"
    assert not np.isnan(syn.sets).any()
    assert syn.where.all()


@pytest.mark.parametrize("mode", ["linked", "sequential"])
def test_two_step_sets_of_one_imputation_share_its_model(boys, mode):
    syn = ms.synthesize(boys, m=3, r=4, mode=mode, missing="two-step", seed=1)
    assert syn.sets.shape[0] == 12
    assert (syn.origin.m, syn.origin.r, syn.origin.missing) == (3, 4, "two-step")
    assert not np.isnan(syn.sets).any()
    fits = syn.fit("hgt ~ age")
    assert ms.pool(fits).attrs["rule"] == "reiter2004"


def test_two_step_starts_from_the_imputations_that_impute_makes(boys):
    # A column that is kept shows the imputed values themselves.
    syn = ms.synthesize(
        boys, m=2, r=2, mode="linked", missing="two-step", where=["wgt"], imputation={"maxit": 2}, seed=1
    )
    hgt = syn.sets[:, boys.columns.get_loc("hgt")]
    assert (hgt[0] == hgt[1]).all()
    assert (hgt[2] == hgt[3]).all()
    assert (hgt[0] != hgt[2]).any()


def test_imputation_changes_missing_cells_only(boys):
    imp = ms.impute(boys, m=2, maxit=2, seed=1)
    for data in imp.completed():
        assert not data.isna().any().any()
        there = boys.notna()
        assert ((data == boys) | ~there).all().all()


def test_ignored_rows_teach_nothing_but_are_filled(boys):
    ignore = np.arange(len(boys)) >= 400
    changed = boys.copy()
    changed.loc[ignore, "wgt"] = changed.loc[ignore, "wgt"] * 100
    imputed = [ms.impute(d, m=1, maxit=1, seed=1, ignore=ignore, method="norm").completed(1) for d in
               (boys[["age", "wgt", "hgt"]], changed[["age", "wgt", "hgt"]])]  # fmt: skip
    holes = boys["hgt"].isna() & ~ignore
    assert holes.any()
    assert imputed[0].loc[holes, "hgt"].tolist() == imputed[1].loc[holes, "hgt"].tolist()
    assert not imputed[0].isna().any().any()


# ---- constraints


@pytest.mark.parametrize("mode", ["sequential", "linked"])
def test_bounds_rules_and_derived_columns_hold_together(complete, mode):
    syn = ms.synthesize(
        complete, m=2, mode=mode, seed=1, method=dict.fromkeys(complete, "cart") | {"wgt": "norm"},
        bounds={"wgt": [3, 80]}, rules={"tv": {"age < 8": 2}, "gen": {"age < 8 and tv <= 2": "G1"}},
        derived={"bmi": "wgt / (hgt / 100) ** 2"},
    )  # fmt: skip
    for data in syn.completed():
        assert data["wgt"].between(3, 80).all()
        assert (data["wgt"] == 80).any()
        young = data["age"] < 8
        assert (data.loc[young, "tv"] == 2).all()
        assert (data.loc[young, "gen"] == "G1").all()
        np.testing.assert_allclose(data["bmi"], data["wgt"] / (data["hgt"] / 100) ** 2)


def test_smoothed_values_are_new_but_look_alike(complete):
    data = ms.synthesize(complete, m=1, smoothing={"hgt": "density"}, seed=1).completed(1)
    plain = ms.synthesize(complete, m=1, seed=1).completed(1)
    assert set(plain["hgt"]) <= set(complete["hgt"])
    assert (~data["hgt"].isin(complete["hgt"])).mean() > 0.2
    assert data["hgt"].between(complete["hgt"].min(), complete["hgt"].max()).all()
    assert data["hgt"].std() == pytest.approx(complete["hgt"].std(), rel=0.05)
    np.testing.assert_allclose(data["hgt"] * 10, np.round(data["hgt"] * 10))


def test_constants_and_twins_are_derived_with_an_event(complete):
    data = complete[["age", "hgt", "reg"]].assign(
        country="NL", inches=complete["hgt"] / 2.54, area=complete["reg"].cat.rename_categories(str.upper), year=1997
    )
    data["country"] = data["country"].astype("category")
    syn = ms.synthesize(data, m=1, seed=1)
    drawn = syn.completed(1)
    assert set(drawn["country"]) == {"NL"}
    assert set(drawn["year"]) == {1997}
    np.testing.assert_allclose(drawn["inches"], drawn["hgt"] / 2.54)
    assert (drawn["area"].astype(str) == drawn["reg"].astype(str).str.upper()).all()
    assert set(syn.events["variable"]) == {"country", "inches", "area", "year"}
    with pytest.raises(MiceSimError, match="strict: "):
        ms.synthesize(data, m=1, seed=1, strict=True)


def test_an_imputed_twin_follows_the_column_that_is_there(complete):
    data = complete[["age", "hgt"]].assign(inches=complete["hgt"] / 2.54)
    data.loc[:99, "hgt"] = np.nan
    data.loc[50:149, "inches"] = np.nan
    imputed = ms.impute(data, m=1, seed=1).completed(1)
    np.testing.assert_allclose(imputed["inches"], imputed["hgt"] / 2.54)
    assert not imputed.isna().any().any()


def test_formulas_choose_terms_and_interactions(complete):
    rng = np.random.default_rng(5)
    x, z = rng.normal(size=(2, 2000))
    data = pd.DataFrame({"x": x, "z": z, "y": x * z + 0.1 * rng.normal(size=2000)})
    with_term = ms.synthesize(data, m=1, method="norm", formulas={"y": "x * z"}, seed=1).completed(1)
    without = ms.synthesize(data, m=1, method="norm", seed=1).completed(1)
    assert np.corrcoef(with_term["x"] * with_term["z"], with_term["y"])[0, 1] > 0.95
    assert abs(np.corrcoef(without["x"] * without["z"], without["y"])[0, 1]) < 0.1


def test_a_dot_stands_for_all_other_columns():
    boys = ms.load_dataset("boys")[["age", "hgt", "wgt", "reg"]]
    sets = [
        ms.impute(boys, m=1, maxit=2, seed=1, method={"hgt": "norm"}, formulas={"hgt": text}).completed(1)
        for text in ("hgt ~ .", "age + wgt + reg")
    ]
    pd.testing.assert_frame_equal(*sets)


def test_a_tree_says_that_it_leaves_out_a_formulas_terms(complete):
    events = ms.synthesize(complete, m=1, formulas={"wgt": "age * hgt", "hc": "age + hgt"}, seed=1).events
    assert events["variable"].tolist() == ["wgt"]
    assert "not its terms" in events["what"][0]


def test_a_column_without_a_method_takes_that_of_the_mode(complete):
    syn = ms.synthesize(complete, m=1, method={"wgt": "norm"}, seed=1)
    assert syn.summary()["method"].value_counts().to_dict() == {"cart": 8, "norm": 1}
    assert (
        ms.impute(ms.load_dataset("boys"), m=1, maxit=1, method={"wgt": "norm"}, seed=1).summary()["method"]["hgt"]
        == "pmm"
    )


# ---- any cells, in linked mode


def test_single_cells_can_be_chosen_by_a_condition(complete):
    syn = ms.synthesize(complete, m=1, mode="linked", where={"wgt": "wgt > 70"}, seed=1)
    heavy = complete["wgt"] > 70
    data = syn.completed(1)
    pd.testing.assert_frame_equal(data[~heavy], complete[~heavy])
    assert (data.loc[heavy, "wgt"] != complete.loc[heavy, "wgt"]).mean() > 0.5
    assert syn.where.sum() == heavy.sum()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"missing": "one-step"}, "so it is linked"),
        ({"mode": "linked", "missing": "keep"}, "needs mode='sequential'"),
        ({"mode": "linked", "k": 10}, "k is for sequential"),
        ({"where": "missing"}, "is for linked synthesis"),
        ({"r": 2}, "missing='two-step'"),
        ({"method": "norm"}, "can't draw 'gen', which is ordered; use 'polr' or 'cart'"),
        ({"strata": "tv2"}, "no column 'tv2'"),
        ({"bounds": {"gen": [0, 1]}}, "is a factor"),
        ({"rules": {"tv": {"agee < 8": 2}}}, "unknown column 'agee'; did you mean 'age'?"),
        ({"rules": {"gen": {"age < 8": "G9"}}}, "no level of 'gen'"),
        ({"rules": {"tv": {"gen < 'G2' and reg < 'west'": 2}}}, "orders 'reg', which has no order"),
        ({"rules": {"tv": {"age.mean() < 8": 2}}}, "holds 'age.mean()'"),
        ({"smoothing": "kernel"}, "no smoothing 'kernel'"),
        ({"formulas": {"wgt": "age + weight"}}, "weight"),
        ({"proper": True, "mode": "sequential", "visit_sequence": "zigzag"}, "no visit sequence 'zigzag'"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(complete, options, words):
    with pytest.raises(MiceSimError) as caught:
        ms.synthesize(complete, m=1, seed=1, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- predictors chosen by correlation


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # What mice 3.15 says: quickpred(boys, mincor = .1, minpuc = .3), and the same as in the options.
        (
            {"mincor": 0.1, "minpuc": 0.3},
            "000000000 101010001 100011111 101010000 111100000 111110000 111110000 111110000 111010000",
        ),
        (
            {"mincor": 0.3, "include": ["reg"], "exclude": ["age"], "method": "kendall"},
            "000000000 001111111 010111111 011011111 011101111 011110111 011111011 011111101 000000000",
        ),
    ],
)
def test_quickpred_chooses_what_mice_chooses(boys, options, expected):
    chosen = ms.quickpred(boys, **options)
    assert [*chosen.index] == [*chosen.columns] == [*boys.columns]
    assert [*map("".join, chosen.to_numpy().astype(str))] == expected.split()


@pytest.mark.filterwarnings("error")
def test_quickpred_does_not_warn_of_columns_that_are_always_observed(boys):
    holes = boys.assign(hc=boys["hc"].mask(boys["age"] > 10))
    assert ms.quickpred(holes, method="spearman").loc["hc"].sum() > 3
