"""`assess`: planted leaks and misfits become findings, fresh data raise few alarms, and the page says so to people."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import mice_sim as ms
import mice_sim.release
from mice_sim import MiceSimError
from mice_sim.assessment.cells import cells
from mice_sim.assessment.data import pair
from mice_sim.assessment.findings import Family
from mice_sim.assessment.safety import _shared
from mice_sim.cli import main
from mice_sim.release import read_release

GROUPS = ["a", "b", "c", "rare"]


def people(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw people from a truth in which everything goes together."""
    height = rng.normal(170, 10, n)
    income = np.exp(rng.normal(7, 1, n) + 0.05 * (height - 170)).round(1)
    age = rng.integers(18, 90, n)
    sex = np.where(rng.random(n) < 1 / (1 + np.exp(-(height - 170) / 8)), "m", "f")
    group = rng.choice(GROUPS, n, p=[0.4, 0.33, 0.25, 0.02])
    frame = pd.DataFrame({"height": height, "income": income, "age": age, "sex": sex, "group": group})
    return frame.astype({"sex": pd.CategoricalDtype(["f", "m"]), "group": pd.CategoricalDtype(GROUPS)})


def found(seed: int, change=None, n: int = 1000, **options) -> ms.release.Assessment:
    """Assess data drawn fresh from the truth, with what `change` plants in them."""
    rng = np.random.default_rng(seed)
    real, holdout, synthetic = (people(rng, n) for _ in range(3))
    if change is not None:
        synthetic = change(real, synthetic)
    return ms.assess(synthetic, real, **({"holdout": holdout, "quick": True} | options))


def verdicts(assessment) -> dict[tuple[str, str], str]:
    """Return what is not ok, by name and subject."""
    shown = assessment.findings.query("verdict != 'ok'")
    return {(row["name"], row["subject"]): row["verdict"] for _, row in shown.iterrows()}


# ---- planted leaks


def copy_some(real, synthetic, share: float = 0.015):
    some = round(share * len(real))
    synthetic.iloc[500 : 500 + some] = real.iloc[100 : 100 + some]
    return synthetic


@pytest.mark.parametrize("options", [{}, {"holdout": None}], ids=["held out", "nobody held out"])
def test_copying_one_record_in_a_hundred_raises_the_alarm(options):
    one_percent = lambda real, synthetic: copy_some(real, synthetic, 0.01)  # noqa: E731
    assessed = found(1, one_percent, 1500, **options)
    assert verdicts(assessed)[("copied records", "(all columns)")] == "alarm"
    row = assessed.findings.set_index("name").loc["copied records"]
    assert row["value"] == 15
    assert row["sentence"].startswith("15 of 1,500 whole records")
    assert set(assessed.safe.risks.index[:15]) == set(range(101, 116))


def test_a_column_kept_as_it_is_raises_the_alarm():
    assessed = found(2, lambda real, synthetic: synthetic.assign(age=real["age"]))
    assert verdicts(assessed)[("own values", "age")] == "alarm"
    assert not {"record order", "own records"} & set(assessed.findings["name"])  # nobody said that sets are linked


def test_a_column_kept_in_another_order_is_to_be_looked_at():
    shuffled = lambda real, synthetic: synthetic.assign(income=real["income"].to_numpy()[::-1])  # noqa: E731
    assert verdicts(found(3, shuffled))[("single values", "income")] == "look"


def test_a_leaf_of_one_donor_raises_the_alarm():
    method = {"height": "norm", "age": "norm", "group": "polyreg", "sex": "logreg"}

    def leaf(rows: int):
        tree = {"name": "cart", "minbucket": rows, "cp": -1.0}
        return lambda real, _: ms.synthesize(real, m=1, method=method | {"income": tree}, seed=3).completed(1)

    alone, many = (verdicts(found(4, leaf(rows), quick=False)) for rows in (1, 100))
    assert alone[("secrets told", "income")] == "alarm"
    assert not [key for key in many if key[0] == "secrets told"]


def test_the_original_itself_raises_every_alarm_there_is():
    names = {name for name, _ in verdicts(found(5, lambda real, _: real.copy()))}
    assert {"copied records", "own values", "secrets told", "closest records", "membership by distance"} <= names


def test_keys_that_single_people_out_raise_the_alarm():
    def few_keys(real, synthetic):
        return synthetic.assign(age=real["age"], group=real["group"], sex=real["sex"]).sample(frac=1, random_state=1)

    copied, fresh = (verdicts(found(6, change, keys=["age", "group", "sex"])) for change in (few_keys, None))
    assert copied[("keys", "age, group, sex")] == "alarm"
    assert ("disclosed", "height") not in fresh
    assert ("keys", "age, group, sex") not in fresh or fresh[("keys", "age, group, sex")] == "look"


def test_linked_sets_give_own_values_away_and_are_linked_only_if_said_so():
    def half(real, synthetic):
        own = np.arange(len(real)) % 2 == 0
        return synthetic.assign(income=synthetic["income"].where(own, real["income"]))

    assert verdicts(found(7, half, linked=True))[("own values", "income")] == "alarm"
    assert not [key for key in verdicts(found(7, half)) if key[0] in ("own values", "record order")]


# ---- planted misfits


def test_a_dropped_correlation_is_found():
    shuffle = lambda _, synthetic: synthetic.assign(income=synthetic["income"].to_numpy()[::-1])  # noqa: E731
    assessed = found(8, shuffle)
    assert ("pair", "height:income") in verdicts(assessed)
    sentence = assessed.findings.set_index("subject").at["height:income", "sentence"]
    assert re.match(
        r"height and income have a correlation of 0\.[2-5]\d in the original and −?0\.0\d in the sets", sentence
    )
    assert not [key for key in verdicts(assessed) if key[0] == "column"]


def test_a_shifted_mean_is_found():
    assessed = found(9, lambda _, synthetic: synthetic.assign(height=synthetic["height"] + 4))
    assert verdicts(assessed)[("column", "height")] == "alarm"
    assert re.search(r"its mean is 170 in the original and 174 in the sets", assessed.findings["sentence"].str.cat())


def test_a_lost_rare_level_is_found():
    lose = lambda _, synthetic: synthetic.assign(group=synthetic["group"].replace("rare", "a"))  # noqa: E731
    assessed = found(10, lose)
    assert ("level", "group = rare") in verdicts(assessed)
    assert "No synthetic record has 'rare' in group" in assessed.findings["sentence"].str.cat()


def test_a_trees_auc_is_not_told_as_a_tree_that_fits_noise_has_one_far_above_a_half():
    assessed = found(1, n=300, quick=False)
    sentence = assessed.findings.set_index("name").at["tree of all", "sentence"]
    assert "AUC" not in sentence
    assert re.search(
        r"has a standardised pMSE of [\d.]+ \(a right synthesis has 1 to 2\); trees have no test", sentence
    )


def test_a_model_that_no_longer_holds_is_found():
    formula = "income ~ height + age"
    shuffle = lambda _, synthetic: synthetic.assign(income=synthetic["income"].to_numpy()[::-1])  # noqa: E731
    assert verdicts(found(11, shuffle, formulas=formula))[("fit", formula)] == "alarm"
    fresh = found(11, formulas=[formula, "sex ~ height", "group ~ age"])
    assert [fit.attrs["model"] for fit in fresh.useful.fits.values()] == ["linear", "logistic", "multinomial"]
    assert not [key for key in verdicts(fresh) if key[0] == "fit"]


# ---- chance


def alarms(draws: int, n: int) -> int:
    keys = {"keys": ["age", "sex"], "formulas": "income ~ height"}
    return sum(found(1000 + seed, n=n, **keys).verdict() == "alarm" for seed in range(draws))


def test_fresh_data_raise_few_alarms():
    # At the stated rate, 0.05, 7 or more of 30 happen in 1 of 1,000.
    assert alarms(30, 150) < 7


@pytest.mark.oracle
def test_fresh_data_raise_no_more_alarms_than_stated():
    # At the stated rate 43 or more of 500 happen in 1 of 2,500.
    assert alarms(500, 300) < 43


def test_pairs_of_records_are_mixed_by_chance_as_permutations_have_it():
    rng = np.random.default_rng(12)
    values = np.repeat(np.arange(60), 2)
    mixed = []
    for _ in range(400):
        order = rng.permutation(values)
        real, made = (pd.DataFrame({"x": part}) for part in (order[:70], order[70:]))
        mixed.append(_shared(cells(pair(made, real))))
    share = 2 * 70 * 50 / (120 * 119)
    assert np.mean([one.found for one in mixed]) == pytest.approx(60 * share, abs=0.6)
    assert np.mean([one.p < 0.05 for one in mixed]) < 0.08


def test_holm_is_over_the_section_and_over_one_name():
    tests = Family.of({("a", "1"): 0.012, ("b", "1"): 0.6, ("b", "2"): np.nan, ("b", "3"): 0.7}, 0.025)
    assert tests.adjusted("a", "1") == pytest.approx(0.036)
    assert tests.verdict("a", "1") == "look"
    assert tests.verdict("b", "2") == "ok"
    assert Family.of({("a", "1"): 0.012}, 0.025).verdict("a", "1", large=False) == "look"
    assert Family.of({("a", "1"): 0.012}, 0.025).verdict("a", "1") == "alarm"


# ---- the page


class Reader(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def leaky() -> ms.release.Assessment:
    return found(13, copy_some, 1200, keys=["age", "sex"], formulas="income ~ height")


@pytest.fixture(scope="module")
def page(leaky, tmp_path_factory) -> str:
    return leaky.to_html(tmp_path_factory.mktemp("page") / "page.html").read_text(encoding="utf-8")


def test_the_page_needs_no_network(page):
    reader = Reader(page)
    assert not {"link", "img", "iframe"} & {tag for tag, _ in reader.tags}
    assert all("src" not in attrs for attrs in reader.all("script"))
    assert all(attrs["href"].startswith("#") for attrs in reader.all("a"))
    outside = re.findall(r"""(?:href|src|url)[=(]["']?(https?:[^"')]*)""", page)
    assert outside == []


def test_the_page_is_for_everybody(page):
    reader = Reader(page)
    headings = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert max(np.diff(headings)) == 1
    drawings = [attrs for attrs in reader.all("svg")]
    assert len(drawings) == 3
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 40 for attrs in drawings)
    ids = [attrs["id"] for _, attrs in reader.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for attrs in reader.all("a")} <= set(ids)
    assert reader.all("html")[0]["lang"] == "en"
    assert "prefers-color-scheme: dark" in page


def test_the_page_begins_with_the_verdict_and_tells_every_finding(leaky, page):
    text = " ".join(" ".join(Reader(page).words).split())
    assert text.index(leaky.headline) < text.index("What to look at") < text.index("By column")
    for finding in leaky.all_findings:
        assert finding.sentence in text
        assert finding.verdict == "ok" or finding.advice in text
    assert "nan" not in re.findall(r"\w+", text)


def test_a_public_page_names_nobody(leaky, page, tmp_path):
    public = leaky.to_html(tmp_path / "public.html", public=True).read_text(encoding="utf-8")
    assert "Do not release this page" in page
    assert 'id="risks"' in page
    assert 'id="risks"' not in public
    told = json.loads(leaky.to_json(tmp_path / "public.json", public=True).read_text(encoding="utf-8"))
    assert "records at risk" not in told
    told = json.loads(leaky.to_json(tmp_path / "all.json").read_text(encoding="utf-8"))
    assert told["records at risk"][0]["row"] == leaky.safe.risks.index[0]
    assert [f["sentence"] for f in told["findings"]] == list(leaky.findings["sentence"])


def test_the_same_seed_gives_the_same_page(page, tmp_path):
    again = found(13, copy_some, 1200, keys=["age", "sex"], formulas="income ~ height")
    assert again.to_html(tmp_path / "page.html").read_text(encoding="utf-8") == page


def test_one_column_and_missing_values_have_a_page(tmp_path):
    rng = np.random.default_rng(14)
    real, made = (pd.DataFrame({"x": rng.normal(size=60)}).mask(rng.random((60, 1)) < 0.2) for _ in range(2))
    assessed = ms.assess(made, real)
    assert assessed.to_html(tmp_path / "page.html").exists()
    assert assessed.verdict() != "alarm"


# ---- the command


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with an original, a holdout, and two sets in a folder of their own."""
    rng = np.random.default_rng(15)
    (tmp_path / "made").mkdir()
    for name in ("original", "holdout", "made/one", "made/two"):
        people(rng, 300).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    sets = [str(path) for path in sorted((folder / "made").glob("*.csv"))]
    return CliRunner().invoke(main, ["assess", str(folder / "original.csv"), *sets, "--quick", *arguments])


def test_the_command_writes_a_page_beside_the_sets_and_says_by_its_code_whether_there_is_an_alarm(folder):
    result = run(folder, "--holdout", str(folder / "holdout.csv"), "--json")
    assert result.exit_code == 0, result.output
    assert (folder / "made" / "assessment.html").exists()
    assert json.loads(result.stdout)["sources"]["synthetic"] == ["one.csv", "two.csv"]
    (folder / "made" / "one.csv").write_bytes((folder / "original.csv").read_bytes())
    result = run(folder, "--output", str(folder / "page.html"), "--public")
    assert result.exit_code == 3
    assert "alarm: " in result.output
    assert "Records at risk" not in (folder / "page.html").read_text(encoding="utf-8")


def test_sets_on_top_of_each_other_are_taken_apart_or_left_out(folder):
    frames = [pd.read_csv(folder / "made" / f"{name}.csv") for name in ("one", "two")]
    long = pd.concat([frame.assign(**{".imp": i, ".id": range(1, 301)}) for i, frame in enumerate(frames, 1)])
    long.to_csv(folder / "long.csv", index=False)
    paths = [folder / "made" / "one.csv", folder / "long.csv"]
    beside = read_release(folder / "original.csv", paths)
    assert len(beside.sets) == 1
    assert "long.csv holds sets on top of each other" in beside.notes[0]
    apart = read_release(folder / "original.csv", paths[1:])
    assert [len(frame) for frame in apart.sets] == [300, 300]
    pd.testing.assert_frame_equal(apart.sets[0], beside.sets[0])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: f.drop(columns="age"), "one.csv lacks the column 'age'; drop it from original.csv or its schema."),
        (lambda f: f.assign(agee=1), "one.csv has the column 'agee', which original.csv lacks; did you mean 'age'?"),
        (lambda f: f.assign(age="old"), "Column 'age' of one.csv holds text such as 'old'; list "
                                       "its levels in the schema."),
        (lambda f: f.assign(sex="x"), "Column 'sex' holds the level 'x' in one.csv, which its schema lacks; "
                                      "add it to the levels (f, m) or recode it."),
    ],
)  # fmt: skip
def test_files_that_differ_are_refused_in_one_sentence_that_names_them(folder, change, sentence):
    change(pd.read_csv(folder / "made" / "one.csv")).to_csv(folder / "made" / "one.csv", index=False)
    result = run(folder)
    assert result.exit_code == 1
    assert result.stderr == f"mice-sim: {sentence}\n"


def test_what_the_schema_drops_is_not_assessed_and_said(folder):
    original = pd.read_csv(folder / "original.csv").assign(id=[f"P{i:04}" for i in range(300)])
    original.to_csv(folder / "original.csv", index=False)
    frame = pd.read_csv(folder / "made" / "one.csv").assign(id="P0001")
    frame.to_csv(folder / "made" / "one.csv", index=False)
    files = read_release(folder / "original.csv", [folder / "made" / "one.csv"], accept=True)
    assert files.notes == ("one.csv has id, which the schema drops: it was not assessed; look at it.",)
    assert "id" not in files.sets[0]


def test_files_of_other_programs_are_read_as_the_original_is(folder):
    frame = ms.read_table(folder / "original.csv", {
        **{name: {"kind": "continuous"} for name in ("height", "income", "age")},
        "sex": {"kind": "binary", "levels": ["f", "m"]}, "group": {"kind": "unordered", "levels": GROUPS},
    })  # fmt: skip
    for ending in (".parquet", ".sav", ".dta"):
        ms.write_table(frame, folder / f"o{ending}")
        files = read_release(folder / f"o{ending}", [folder / f"o{ending}"], folder / "original.csv", accept=True)
        assert list(files.sets[0]["sex"]) == list(files.holdout["sex"]) == list(frame["sex"])


def test_data_that_cannot_be_assessed_are_refused():
    rng = np.random.default_rng(16)
    real, made = people(rng, 50), people(rng, 40)
    with pytest.raises(MiceSimError, match="not linked"):
        ms.assess(made, real, linked=True)
    with pytest.raises(MiceSimError, match="The holdout lacks the column 'age'"):
        ms.assess(made, real, holdout=made.drop(columns="age"))
    with pytest.raises(MiceSimError, match="rate is 2"):
        ms.assess(made, real, rate=2)
    with pytest.raises(MiceSimError, match="Every column is a key"):
        ms.assess(made, real, keys=list(real))
