"""Protection afterwards: each step does what it says, tells it, and leaves the rest alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mice_sim as ms
from mice_sim import MiceSimError

DERIVED = {"bmi": "wgt / (hgt / 100) ** 2"}


@pytest.fixture(scope="module")
def made(boys):
    return ms.synthesize(boys, m=3, derived=DERIVED, seed=1)


def changed(before, after) -> list[str]:
    """Return the columns in which two results differ."""
    pairs = zip(before.sets.swapaxes(0, 1), after.sets.swapaxes(0, 1), strict=True)
    same = [np.array_equal(a, b, equal_nan=True) for a, b in pairs]
    return [name for name, is_same in zip(before.labels, same, strict=True) if not is_same]


def test_nothing_is_done_unasked(made):
    same = ms.sdc(made)
    assert changed(made, same) == []
    assert same.events.equals(made.events)


def test_values_beyond_limits_are_coded(made):
    after = ms.sdc(made, bottom_top_coding={"hgt": [60, 190], "tv": [None, 20]})
    assert changed(made, after) == ["hgt", "bmi", "tv"]
    hgt = made.original.index("hgt")
    assert np.array_equal(after.sets[:, hgt], np.clip(made.sets[:, hgt], 60, 190))
    told = after.events.query("variable == 'hgt' and set == 2")["what"].tolist()
    beyond = made.sets[1, hgt]
    assert told == [f"coded {(beyond < 60).sum()} values as 60", f"coded {(beyond > 190).sum()} values as 190"]


def test_what_is_derived_follows(made):
    after = ms.sdc(made, bottom_top_coding={"hgt": [60, 190]}).completed(1)
    assert np.allclose(after["bmi"], after["wgt"] / (after["hgt"] / 100) ** 2, rtol=1e-12)
    with pytest.raises(MiceSimError, match="'bmi' follows from wgt, hgt"):
        ms.sdc(made, bottom_top_coding={"bmi": [10, 30]})


def test_smoothing_leaves_no_real_values(made):
    after = ms.sdc(made, smoothing="density", seed=2)
    assert changed(made, after) == ["age", "hgt", "wgt", "bmi", "hc", "tv"]
    before, later = ms.copies(made)["single"], ms.copies(after)["single"]
    assert later["age"] < before["age"] / 2
    assert after.events.query("variable == 'age'")["what"].tolist() == ["smoothed by density"]
    assert changed(after, ms.sdc(made, smoothing="density", seed=2)) == []
    assert changed(after, ms.sdc(made, smoothing="density", seed=3)) == ["age", "hgt", "wgt", "bmi", "hc", "tv"]


def test_special_codes_are_not_numbers():
    rng = np.random.default_rng(1)
    income = np.where(rng.random(300) < 0.3, -8.0, rng.normal(50, 10, 300).round(1))
    data = pd.DataFrame({"x": rng.normal(size=300), "income": np.where(rng.random(300) < 0.1, np.nan, income)})
    made = ms.synthesize(data, m=1, semicontinuous={"income": -8}, seed=1)
    after = ms.sdc(made, smoothing={"income": "density"}, bottom_top_coding={"income": [30, 70]})
    before, later = made.completed(1)["income"], after.completed(1)["income"]
    assert (before == -8).equals(later == -8)
    assert before.isna().equals(later.isna())
    assert later[later != -8].min() >= 30


def test_swapping_exchanges_values_between_neighbours(made):
    after = ms.sdc(made, swap=["reg", "tv"], share=0.2, within=["gen"], seed=1)
    assert changed(made, after) == ["tv", "reg"]
    for before, later in zip(made.completed(), after.completed(), strict=True):
        for column in ("reg", "tv"):
            assert sorted(before[column]) == sorted(later[column])
        # Values move together, and within the levels of gen.
        counts = lambda frame: frame.groupby(["gen", "reg", "tv"], observed=True).size()  # noqa: E731
        assert counts(before).equals(counts(later))
        assert 0.05 < (before["tv"] != later["tv"]).mean() < 0.2
        # Partners are alike in what is not swapped: testicular volume still goes with age.
        assert abs(np.corrcoef(before["age"], before["tv"])[0, 1] - np.corrcoef(later["age"], later["tv"])[0, 1]) < 0.02
    pairs = after.events.query("variable == 'reg, tv'")["what"].tolist()
    assert len(pairs) == 3
    assert all(60 <= int(what.split()[2]) <= 75 for what in pairs)


def test_rules_still_hold_after_swapping():
    rng = np.random.default_rng(2)
    age = rng.integers(10, 30, 400).astype(float)
    data = pd.DataFrame(
        {"age": age, "income": np.where(age < 18, 0, rng.normal(50, 5, 400)), "z": rng.normal(size=400)}
    )
    made = ms.synthesize(data, m=1, rules={"income": {"age < 18": 0}}, seed=1)
    after = ms.sdc(made, swap=["income"], share=1.0).completed(1)
    assert (after.loc[after["age"] < 18, "income"] == 0).all()
    assert not after["income"].equals(made.completed(1)["income"])


def test_replicated_uniques_are_removed():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({name: pd.Categorical(rng.integers(0, 6, 400)) for name in "abcd"})
    made = ms.synthesize(data, m=3, seed=1)
    found = ms.replicated_uniques(made).table["replicated"]
    assert found.min() > 0
    assert found.nunique() > 1
    after = ms.sdc(made, rm_replicated_uniques=True)
    assert after.sets.shape == (3, 4, 400 - found.max())
    assert after.origin.k == 400 - found.max()
    # Records of which there were two may have become unique only where others were removed at random.
    assert ms.replicated_uniques(after).table["replicated"].max() < found.min()
    told = after.events.query("variable == '(records)'").set_index("set")["what"]
    for number, here in found.items():
        rest = f" and {found.max() - here} other records" if here < found.max() else ""
        assert told[number] == f"removed {here} replicated uniques{rest}"
    by_keys = ms.sdc(made, rm_replicated_uniques=True, uniques_exclude=["d"])
    assert by_keys.origin.k == 400 - ms.replicated_uniques(made, keys=["a", "b", "c"]).table["replicated"].max()


def test_what_cannot_be_protected_is_refused(made, boys):
    linked = ms.synthesize(boys, m=1, mode="linked", seed=1)
    for options, said in (
        ({"smoothing": {"gen": "density"}}, "'gen' is a factor"),
        ({"smoothing": {"age": "wavelet"}}, "no smoothing 'wavelet'"),
        ({"swap": ["age"], "share": 0.0}, "share is 0.0"),
        ({"swap": ["age"], "within": ["age"]}, "'age' is in swap and in within"),
        ({"bottom_top_coding": {"age": [5, 1]}}, "smaller limit first"),
        ({"bottom_top_coding": {"age": [None, None]}}, "None for no limit"),
        ({"bottom_top_coding": {"agee": [1, 2]}}, "did you mean 'age'"),
    ):
        with pytest.raises(MiceSimError, match=said):
            ms.sdc(made, **options)
    with pytest.raises(MiceSimError, match="swap values"):
        ms.sdc(linked, rm_replicated_uniques=True)
    with pytest.raises(MiceSimError, match="imputations"):
        ms.sdc(ms.impute(boys.assign(age=boys["age"].where(boys["age"] > 1)), m=1, maxit=1))
    elsewhere = ms.Synthesizer(m=1, seed=1).fit(boys).generate(m=1)
    with pytest.raises(MiceSimError, match="saved synthesiser"):
        ms.sdc(elsewhere, smoothing="density")
    assert ms.sdc(elsewhere, bottom_top_coding={"age": [1, 20]}).completed(1)["age"].max() <= 20
