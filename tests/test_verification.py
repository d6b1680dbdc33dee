"""What `make verify` and `make benchmark` found stands in the pages, and a difference from R is seen."""

from __future__ import annotations

import json

import exact
import numpy as np
import pages
import pytest
from agreement import FALSE_ALARM, counts, draws, numbers, relative
from conftest import ORACLES
from scipy.stats import norm

from mice_sim.benchmarks import keep_results, kept_results
from mice_sim.errors import MiceSimError


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads(pages.VERIFICATION.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", pages.TABLES)
def test_a_page_has_the_table_of_what_is_stored(name):
    page, text = pages.page_with(name)
    assert page.read_text(encoding="utf-8") == text, "run python tests/pages.py"


def test_what_is_stored_agrees_with_r_and_the_page_says_when_and_with_which(stored):
    assert all(line["largest"] <= line["limit"] and line["agrees"] for line in stored["lines"])
    table = pages.verification(stored)
    for word in (stored["date"], f"seed {stored['seed']}", *stored["versions"].values()):
        assert word in table
    assert table.count("| agrees |") == len(stored["lines"]) > 50


def test_a_line_beyond_its_limit_is_marked_and_counted(stored):
    lines = [stored["lines"][0], stored["lines"][1] | {"largest": 1.0, "agrees": False}]
    table = pages.verification(stored | {"lines": lines})
    assert "1 of 2 comparisons agree" in table
    assert table.count("**differs**") == 1


def test_differences_are_relative_and_what_is_missing_on_one_side_is_one():
    assert relative([1.0, 101.0], [1.0, 100.0]) == pytest.approx(1 / 101)
    assert relative([np.nan, np.inf], [np.nan, np.inf]) == 0
    assert relative([np.nan, 1.0], [2.0, 1.0]) == np.inf
    assert relative([1.0], [1.0, 2.0]) == np.inf
    assert numbers("", "", "", [1e-9, 1e-7], 1e-8).agrees is False
    assert not numbers("", "", "", [np.nan], 1.0).agrees
    assert counts("", "", "", 0).agrees
    assert not counts("", "", "", 1).agrees


def test_the_limit_of_draws_is_exceeded_as_rarely_as_it_says():
    line = draws("", "", "5 tables", [np.zeros(40), np.full((2, 5), -4.9)])
    assert line.cases == "5 tables, 50 numbers"
    assert line.largest == 4.9
    assert not line.agrees
    assert 50 * 2 * norm.sf(line.limit) == pytest.approx(FALSE_ALARM)


@pytest.mark.parametrize(
    "compare", [exact.of_models, exact.of_pooling, exact.of_patterns, exact.of_mixed, exact.of_mids]
)
def test_the_comparisons_agree_on_what_is_stored(compare):
    assert [line for line in compare(ORACLES) if not line.agrees] == []


def test_a_number_of_r_that_is_another_is_seen(r_models, tmp_path):
    others = json.loads(json.dumps(r_models))
    others["fits"][0]["estimate"][0] += 1e-7
    others["confusion"][2]["statistics"]["kappa"] += 1e-10
    others["contrasts"]["5"][2][1] += "1"
    (tmp_path / "models.json").write_text(json.dumps(others), encoding="utf-8")
    seen = [line.what.split(":")[0] for line in exact.of_models(tmp_path) if not line.agrees]
    assert seen == ["Polynomial contrasts, to the last bit", "Linear regression", "Confusion statistics"]


def test_times_are_kept_beside_those_of_other_benchmarks(tmp_path):
    file = tmp_path / "times.json"
    for name in ("engine", "peers", "engine"):
        keep_results(file, name, [{"task": "a", "R": 2.0, "ours": 0.1}])
    stored = kept_results(file)
    assert list(stored) == ["engine", "peers"]
    assert stored["engine"]["versions"]["numpy"] == np.__version__
    assert "| a | 2.0 | 0.10 | 20 |" in pages.beside_r(stored["engine"])


@pytest.mark.parametrize(("name", "words"), [("none/times.json", "There is no folder"), ("page.md", "holds no times")])
def test_a_file_that_can_not_keep_times_is_refused(tmp_path, name, words):
    (tmp_path / "page.md").write_text("# Times\n", encoding="utf-8")
    with pytest.raises(MiceSimError, match=words):
        kept_results(tmp_path / name)
