"""A fitted synthesiser travels without the data, and a file of it runs no code."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.synthesis import methods


@pytest.fixture(scope="module")
def boys() -> pd.DataFrame:
    return ms.load_dataset("boys")


@pytest.fixture(scope="module")
def complete() -> pd.DataFrame:
    return ms.load_dataset("boys_complete")


EVERYTHING = {
    "derived": {"bmi": "wgt / (hgt / 100) ** 2"},
    "rules": {"tv": {"age < 8 and gen == 'G1'": 2}},
    "bounds": {"wgt": [3, None]},
    "smoothing": {"hc": "density"},
    "semicontinuous": {"tv": [25]},
    "formulas": {"hc": "age + ns(hgt, 3) + age:wgt"},
    "method": {"age": "sample", "hgt": "norm", "wgt": "pmm", "hc": "norm", "gen": "cart", "phb": "polr", "tv": "rf",
               "reg": "polyreg"},
}  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        EVERYTHING,
        {"proper": True},
        {"missing": "two-step", "m": 2, "r": 3},
        {"minbucket": 3, "cp": 1e-8},
        {"method": "cart.deviance"},
    ],
)
def test_what_is_read_back_generates_the_same_bytes(boys, tmp_path: Path, options):
    synthesizer = ms.Synthesizer(seed=1, **options).fit(boys)
    synthesizer.save(tmp_path / "boys.syn")
    loaded = ms.load_synthesizer(tmp_path / "boys.syn")
    assert loaded.generate(2, k=300, seed=2).sets.tobytes() == synthesizer.generate(2, k=300, seed=2).sets.tobytes()
    assert loaded.card == synthesizer.card
    assert loaded.generate(1, seed=3).completed(1).dtypes.to_dict() == boys.dtypes.astype(object).to_dict() | {
        "tv": np.dtype(float)
    }


def test_generating_is_synthesising(complete):
    synthesizer = ms.Synthesizer(seed=7).fit(complete)
    assert (synthesizer.generate(3, seed=7).sets == ms.synthesize(complete, m=3, seed=7).sets).all()


def test_strata_and_columns_that_are_given(complete, tmp_path: Path):
    stratified = ms.Synthesizer(strata="reg", seed=1).fit(complete)
    assert stratified.generate(k=100, seed=1).completed(1)["reg"].nunique() == 5
    synthesizer = ms.Synthesizer(where=["wgt"], seed=1).fit(complete)
    synthesizer.save(tmp_path / "wgt.syn")
    given = complete.drop(columns="wgt").head(50)
    drawn = ms.load_synthesizer(tmp_path / "wgt.syn").generate(given=given, seed=1).completed(1)
    pd.testing.assert_frame_equal(drawn.drop(columns="wgt"), given, check_like=True)
    with pytest.raises(MiceSimError, match="were not synthesised; pass them"):
        synthesizer.generate()


def test_results_can_be_analysed_and_pooled_without_the_data(complete, tmp_path: Path):
    ms.Synthesizer(seed=1).fit(complete).save(tmp_path / "boys.syn")
    sets = ms.load_synthesizer(tmp_path / "boys.syn").generate(5, k=1500, seed=1)
    pooled = ms.pool(sets.fit("hgt ~ age"))
    assert pooled.loc["age", "estimate"] == pytest.approx(7.2, abs=1)
    assert (sets.origin.n, sets.origin.k) == (748, 1500)
    assert list(sets.summary()["method"]) == ["cart"] * 9


def test_fits_that_differ_from_set_to_set_limit_the_number_of_sets(complete):
    synthesizer = ms.Synthesizer(m=2, proper=True, seed=1).fit(complete)
    assert synthesizer.generate(2, seed=1).m == 2
    with pytest.raises(MiceSimError, match="fitted for 2 sets"):
        synthesizer.generate(3)


def test_the_card_counts_leaves_and_copies(complete):
    card = ms.Synthesizer(seed=1, minbucket=20).fit(complete).card
    assert card["columns"]["hgt"]["fewest_donors"] >= 20
    assert card["columns"]["wgt"]["predictors"] == ["age", "hgt"]
    assert card["columns"]["hgt"]["unseen"] == 0
    copied = pd.DataFrame({"a": [1.0, 1, 1, 2, 3] * 20, "b": [0.0, 1, 2, 3, 4] * 20})
    assert ms.Synthesizer(seed=1, minbucket=1).fit(copied).card["copies"]["records"] > 50
    json.dumps(card)


# ---- the file


def test_the_file_holds_no_rows_that_were_only_ignored(complete, tmp_path: Path):
    ignore = np.arange(len(complete)) >= 700
    marked = complete.assign(age=complete["age"] + 10_000 * ignore)
    ms.Synthesizer(seed=1, ignore=ignore).fit(marked).save(tmp_path / "part.syn")
    with np.load(tmp_path / "part.syn", allow_pickle=False) as archive:
        numbers = [archive[name] for name in archive.files if archive[name].dtype == float]
    largest = max(values.max(initial=0) for values in numbers)
    assert largest < 5_000


def test_a_file_of_something_else_is_refused(tmp_path: Path):
    path = tmp_path / "x.syn"
    with pytest.raises(MiceSimError, match="There is no file"):
        ms.load_synthesizer(path)
    for content in (b"", b"hello", pickle.dumps(print)):
        path.write_bytes(content)
        with pytest.raises(MiceSimError, match="holds no synthesiser"):
            ms.load_synthesizer(path)
    np.savez(path.with_suffix(".npz"), manifest=np.array([print], dtype=object))
    with pytest.raises(MiceSimError, match="holds no synthesiser"):
        ms.load_synthesizer(path.with_suffix(".npz"))


def edited(source: Path, target: Path, change) -> Path:
    with np.load(source, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    manifest = json.loads(arrays["manifest"].tobytes())
    change(manifest)
    arrays["manifest"] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    with target.open("wb") as file:
        np.savez(file, **arrays)
    return target


def test_a_later_format_and_foreign_parts_are_refused(complete, tmp_path: Path):
    ms.Synthesizer(seed=1).fit(complete[["age", "hgt"]]).save(tmp_path / "boys.syn")
    later = edited(tmp_path / "boys.syn", tmp_path / "later.syn", lambda manifest: manifest.update(format=99))
    with pytest.raises(MiceSimError, match=r"is of format 99; update mice_sim"):
        ms.load_synthesizer(later)
    foreign = edited(tmp_path / "boys.syn", tmp_path / "foreign.syn", lambda m: m["model"].update({"is": "Popen"}))
    with pytest.raises(MiceSimError, match="holds a 'Popen'"):
        ms.load_synthesizer(foreign)


@dataclass(frozen=True)
class Half(methods.Method):
    """Half of what was seen."""

    def fit(self, y, X, rng):
        return FittedHalf(y.observed)


@dataclass(frozen=True)
class FittedHalf:
    seen: np.ndarray

    def draw(self, X, rng):
        return rng.choice(self.seen, X.rows.size) / 2


def test_a_method_of_ones_own_is_saved_too(complete, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(methods, "METHODS", dict(methods.METHODS))
    ms.register_method("half", Half)
    data = complete[["age", "hgt"]]
    ms.Synthesizer(seed=1, method={"age": "half", "hgt": "cart"}).fit(data).save(tmp_path / "half.syn")
    assert (
        ms.load_synthesizer(tmp_path / "half.syn").generate(seed=1).completed(1)["age"].max() <= data["age"].max() / 2
    )
    del methods.METHODS["half"]
    with pytest.raises(MiceSimError, match="register the method that it belongs to first"):
        ms.load_synthesizer(tmp_path / "half.syn")


def test_nothing_is_generated_before_it_is_learned():
    for call in (lambda s: s.generate(), lambda s: s.save("x")):
        with pytest.raises(MiceSimError, match=r"learned nothing yet; call fit"):
            call(ms.Synthesizer())
    with pytest.raises(MiceSimError, match="leave out mode"):
        ms.Synthesizer(mode="linked")
