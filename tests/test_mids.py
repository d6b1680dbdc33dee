"""R's long format of multiply imputed data, from R and to R."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mice_sim import MiceSimError, api, pool
from mice_sim.data import write_table
from mice_sim.mids import from_mids, to_mids

ORACLES = Path(__file__).parent / "oracles"
SCHEMA = {
    "x": {"kind": "continuous"},
    "g": {"kind": "unordered", "levels": ["a", "b", "c"]},
    "o": {"kind": "ordered", "levels": ["low", "mid", "high"]},
    "y": {"kind": "continuous"},
    "a.name": {"kind": "continuous"},
}


@pytest.fixture
def theirs() -> pd.DataFrame:
    return pd.read_csv(ORACLES / "mids_long.csv")


@pytest.fixture(scope="module")
def told() -> dict:
    return json.loads((ORACLES / "mids.json").read_text(encoding="utf-8"))


def test_what_r_wrote_pools_as_r_pools_it(theirs, told):
    mids = from_mids(theirs, SCHEMA)
    pooled = pool(mids.fit("y ~ x + g"))
    for column in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(pooled[column], told[column], rtol=1e-8)
    assert [*pooled.index] == told["term"]
    assert pooled.attrs["rule"] == "rubin1987"


def test_what_r_wrote_keeps_its_kinds_and_its_holes(theirs, told):
    mids = from_mids(theirs, SCHEMA)
    assert [column.kind for column in mids.original.columns] == [column["kind"] for column in SCHEMA.values()]
    assert mids.where.sum(axis=1).tolist() == list(told["where"].values())
    np.testing.assert_allclose(mids.sets[:, 3].mean(axis=1), told["means"], rtol=1e-8)


def test_rows_and_columns_may_stand_in_any_order(theirs):
    """mice wrote .imp and .id in front until 3.16, at the end since."""
    shuffled = theirs.sample(frac=1, random_state=1)[[*list(theirs)[2:], ".imp", ".id"]]
    one, other = from_mids(theirs), from_mids(shuffled)
    order = other.index.get_indexer(one.index)
    np.testing.assert_array_equal(one.sets, other.sets[:, :, order])
    np.testing.assert_array_equal(one.original.values, other.original.values[:, order])


def test_changed_observed_cells_are_a_synthesis(theirs):
    theirs.loc[theirs[".imp"] > 0, "x"] += 1
    origin = from_mids(theirs).origin
    assert (origin.mode, origin.missing, origin.complete) == ("linked", "one-step", False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda long: long.drop(columns=".imp"), "no column '.imp'"),
        (lambda long: long[long[".imp"] > 0], "include = TRUE"),
        (lambda long: long[long[".imp"] != 2], "not 0 for the data and 1 to m"),
        (lambda long: long.drop(index=long.index[-1]), "Set 3 does not have the rows of the data"),
        (lambda long: pd.concat([long, long.tail(1)]), "Set 3 does not have the rows of the data"),
        (lambda long: pd.concat([long, long.head(1)]), "The .id 1 occurs twice"),
    ],
)
def test_a_frame_that_is_no_mids_is_refused(theirs, change, words):
    with pytest.raises(MiceSimError) as caught:
        from_mids(change(theirs))
    assert words in str(caught.value)


def test_ours_comes_back_as_it_was(theirs):
    data = from_mids(theirs, SCHEMA).original.to_pandas()
    imp = api.impute(data, 2, maxit=1, method="sample", seed=1)
    mids = from_mids(to_mids(imp))
    np.testing.assert_array_equal(mids.sets, imp.sets)
    np.testing.assert_array_equal(mids.where, np.isnan(mids.original.values))


def test_new_records_make_no_mids(theirs):
    data = from_mids(theirs, SCHEMA).original.to_pandas()
    with pytest.raises(MiceSimError, match="rows of sequential synthetic sets are not those of the data"):
        to_mids(api.synthesize(data, 2, seed=1))


@pytest.mark.oracle
def test_the_stored_mids_are_what_mice_writes(tmp_path):
    subprocess.run(["Rscript", ORACLES / "mids.R", tmp_path], check=True, capture_output=True)
    for name in ("mids.json", "mids_long.csv"):
        assert (tmp_path / name).read_bytes() == (ORACLES / name).read_bytes()


@pytest.mark.oracle
def test_r_reads_ours_and_pools_it_as_we_do(theirs, tmp_path):
    data = from_mids(theirs, SCHEMA).original.to_pandas()
    imp = api.impute(data, 4, maxit=2, method={"g": "sample", "o": "sample"}, seed=3)
    long = to_mids(imp)
    write_table(long, tmp_path / "ours.csv")
    script = ["Rscript", ORACLES / "mids.R", "read", tmp_path / "ours.csv", tmp_path / "told.json"]
    subprocess.run(script, check=True, capture_output=True)
    told = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    pooled = pool(imp.fit("y ~ x + g"))
    assert told["m"] == 4
    assert list(told["nmis"].values()) == np.isnan(imp.original.values).sum(axis=1).tolist()
    for column in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(pooled[column], told[column], rtol=1e-8)
    back = pd.DataFrame(told["back"])[list(long)]
    pd.testing.assert_frame_equal(
        back.fillna(np.nan),
        long.astype({"g": object, "o": object}),
        check_dtype=False,
        check_categorical=False,
        rtol=1e-12,
    )
