"""Inside the sampler: nobody's own value is drawn for them, and no leaf has few donors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.data import Table
from mice_sim.synthesis.kernels import tree
from mice_sim.synthesis.spec import specify


@pytest.fixture(scope="module")
def unlike() -> pd.DataFrame:
    """Return related numbers of which no two are the same, and a factor."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    return pd.DataFrame(
        {
            "x": x,
            "y": x + 0.3 * rng.normal(size=300),
            "f": pd.Categorical.from_codes(np.digitize(x + 0.5 * rng.normal(size=300), [-0.5, 0.5]), list("abc")),
        }
    )


@pytest.mark.parametrize("proper", [False, True])
@pytest.mark.parametrize(
    "method",
    [
        {"name": "cart"},
        {"name": "cart", "minbucket": 1, "cp": -1.0},
        {"name": "cart.deviance"},
        {"name": "rf"},
        {"name": "rf", "ntree": 1, "min_node_size": 1},
    ],
    ids=str,
)
def test_nobodys_own_value_is_drawn_for_them(unlike, method, proper):
    options = {"mode": "linked", "m": 3, "proper": proper, "seed": 2}
    own = {name: dict(method, exclude_own=True) for name in unlike}
    assert ms.copies(ms.synthesize(unlike, method=own, **options)).loc[["x", "y"], "own"].tolist() == [0, 0]
    plain = ms.synthesize(unlike, method=dict.fromkeys(unlike, method), **options)
    assert ms.copies(plain).loc[["x", "y"], "own"].min() > 0.005


def test_all_others_in_the_leaf_are_drawn_alike():
    # Two leaves of 40 donors each; record 0 must get each of its 39 neighbours equally often.
    data = pd.DataFrame({"x": np.repeat([0.0, 1.0], 40), "y": np.arange(80.0)})
    for method in ("cart", "rf"):
        # A tree's bootstrap sample may lack what parts the leaf further, so large nodes are kept whole.
        options = {"minbucket": 30, "minsplit": 60} if method == "cart" else {"min_node_size": 60, "ntree": 3}
        sets = ms.synthesize(
            data, m=4000, mode="linked", method={"y": method}, where=["y"], exclude_own=True, seed=1, **options
        ).sets
        counts = np.bincount(sets[:, 1, 0].astype(int), minlength=40)
        assert counts.size == 40
        assert counts[0] == 0
        expected = 4000 / 39
        assert ((counts[1:] - expected) ** 2 / expected).sum() < 38 + 4 * np.sqrt(2 * 38)


def test_a_record_alone_in_its_leaf_takes_a_value_from_the_node_above(unlike):
    made = ms.synthesize(unlike, m=1, mode="linked", minbucket=1, cp=-1.0, exclude_own=True, seed=2)
    told = made.events.query("variable == 'y'")["what"].item()
    assert "records from the node above their leaf" in told
    assert int(told.split()[2]) > 50


def test_what_excludes_nothing_is_refused(unlike):
    with pytest.raises(MiceSimError, match="mode='linked' only"):
        ms.synthesize(unlike, m=1, exclude_own=True)
    clustered = unlike.assign(cluster=np.arange(300.0) % 20)
    with pytest.raises(MiceSimError, match="donors of clusters"):
        ms.synthesize(clustered, m=1, mode="linked", cluster="cluster", exclude_own=True)
    with pytest.raises(MiceSimError, match="exclude_own is 1; give True or False"):
        ms.synthesize(unlike, m=1, mode="linked", exclude_own=1)
    with pytest.raises(MiceSimError, match="single record"):
        ms.synthesize(unlike, m=1, mode="linked", exclude_own=True, ignore=np.arange(300) > 0)


def leaves(data: pd.DataFrame, target: str, **options) -> list[np.ndarray]:
    """Return the donors in each leaf of the tree that a sequential synthesis grows for a column."""
    made = ms.Synthesizer(m=1, seed=1, **options).fit(data)._model
    step = next(s for s in made.parts[0][0].sequence.steps if data.columns[s.column] == target)
    fit = step.fits[0]
    return [fit.donors[fit.start[t] : fit.end[t]] for t in np.flatnonzero(fit.left < 0)]


def test_leaves_have_the_distinct_donors_asked_for():
    rng = np.random.default_rng(3)
    x = rng.normal(size=500)
    data = pd.DataFrame({"x": x, "y": np.round(3 * x + rng.normal(size=500))})
    fewest = lambda options: min(np.unique(donors).size for donors in leaves(data, "y", **options))  # noqa: E731
    assert fewest({"minbucket": 3, "cp": -1.0}) == 1
    merged = leaves(data, "y", minbucket=3, cp=-1.0, mindonors=4)
    assert min(np.unique(donors).size for donors in merged) >= 4
    assert len(merged) > 5
    assert sorted(np.concatenate(merged)) == sorted(data["y"])


def test_a_factors_donors_are_records_not_levels():
    rng = np.random.default_rng(4)
    x = rng.normal(size=200)
    data = pd.DataFrame({"x": x, "f": pd.Categorical(np.where(x > 0, "u", "v"))})
    options = {"minbucket": 2, "cp": -1.0}
    assert len(leaves(data, "f", mindonors=3, **options)) == len(leaves(data, "f", **options)) == 2
    # A bootstrap sample holds a record several times; still these are one donor.
    proper = leaves(
        data.assign(f=pd.Categorical(rng.choice(["u", "v"], 200))), "f", proper=True, mindonors=6, **options
    )
    assert min(map(len, proper)) > 6


def test_merging_is_told(unlike):
    few = ms.synthesize(unlike.assign(x=np.arange(300) % 3.0), m=1, mindonors=5, seed=1).events
    assert few.query("variable == 'x'")["what"].tolist() == ["draws from 3 distinct donors, all there are"]
    merged = ms.synthesize(unlike, m=1, minbucket=1, cp=-1.0, mindonors=5, seed=1).events
    assert merged.query("variable == 'y'")["what"].tolist() == ["merged leaves with others"]


def test_only_too_small_leaves_are_merged():
    #      0
    #    1   2         1 is a leaf of 3 donors; 3 has 1 donor, 4 has 3
    #       3 4
    left = np.array([1, -1, 3, -1, -1], np.int32)
    start, end = np.array([0, 0, 3, 3, 4], np.int32), np.array([7, 3, 7, 4, 7], np.int32)
    donors = np.array([1.0, 2, 3, 4, 5, 6, 6])
    assert tree.merge_few(left, start, end, donors, 2) == (1, 2)
    assert left.tolist() == [1, -1, -1, -1, -1]
    assert tree.merge_few(left, start, end, donors, 4)[0] == 2
    assert left.tolist() == [-1] * 5


def test_a_specification_without_the_options_is_what_it_was(unlike):
    table = Table.from_pandas(unlike)
    method = specify(table, mode="linked", method="cart").methods[0]
    assert (method.mindonors, method.exclude_own) == (1, False)
