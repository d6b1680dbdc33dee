"""The referee lets the published study pass and stops whatever is not it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import Study
from scipy.special import ndtri

from mice_sim.report import referee
from mice_sim.report.published import load_published
from mice_sim.report.referee import Verdict, joint_p_value, judge


def verdict(study: Study, **changes) -> Verdict:
    return judge(dataclasses.replace(study.summary, **changes), study.config.to_mapping())


def wrong(found: Verdict) -> pd.DataFrame:
    return found.agreement[found.agreement["verdict"].isin(["outside", "different"])]


@pytest.fixture(scope="module")
def as_published(full_study) -> Verdict:
    return verdict(full_study())


# ---- the published study


def test_the_published_study_agrees(as_published):
    assert as_published.agrees is True
    assert as_published.headline == "The study agrees with the published one."
    assert len(wrong(as_published)) == 0


def test_every_published_number_is_judged(as_published):
    cells = load_published("volker_vink_2021").cells
    assert len(as_published.agreement) == len(cells) > 400
    assert set(as_published.agreement["table"]) == {f"table{k}" for k in range(2, 8)} | {"figure1", "figure2"}
    assert set(as_published.agreement["verdict"]) == {"exact", "explained", "within"}


def test_what_is_deterministic_agrees_in_every_printed_digit_but_where_r_stopped_early(as_published):
    fixed = as_published.agreement.query("source in ['original', 'bootstrap']")
    assert (fixed["verdict"].isin(["exact", "explained"])).all()
    (explained,) = fixed[fixed["verdict"] == "explained"].itertuples()
    assert (explained.table, explained.source, explained.term) == ("table5", "original", "regeast")


def test_the_random_numbers_are_as_far_from_the_published_ones_as_chance_puts_them(as_published):
    judged = as_published.agreement[as_published.agreement["verdict"] == "within"]
    z = judged["z"]
    assert len(z) > 250
    assert set(judged["source"]) == {"synthetic"}
    assert z.abs().max() < referee.LIMIT
    assert 0.5 < np.sqrt((z**2).mean()) < 1.4


def test_the_verdict_says_what_was_compared(as_published):
    text = " ".join(as_published.sentences)
    assert f"{len(as_published.agreement)} published numbers" in text
    assert "1 differs for a known reason: table5 original regeast" in text
    assert "joint p" in text


def test_the_same_study_on_other_samples_agrees_too_though_not_to_the_digit(full_study):
    found = verdict(full_study("resampling=bootstrap"))
    assert found.agrees is True
    kinds = found.agreement.groupby("source")["verdict"].agg(set)
    assert kinds["original"] == {"exact", "explained"}
    assert "within" in kinds["bootstrap"]


# ---- what is not it


@pytest.fixture(
    scope="module",
    params=[
        ("synthesis.minbucket=50", {"table2", "table3", "table4", "table5", "table6", "table7", "figure1"}),
        ("synthesis.cp=0.01", {"table2", "table3", "table4", "table5", "table6", "table7", "figure1"}),
        ("synthesis.rule=mice-3.15", {"table3", "table4", "table5"}),
        ("pooling.linear=rubin1987", {"table4"}),
    ],
    ids=lambda param: param[0],
)
def another(request, full_study) -> tuple[Verdict, set[str]]:
    """The verdict on a study that differs from the published one, and the tables in which that must show."""
    override, tables = request.param
    return verdict(full_study(override)), tables


def test_another_study_does_not_agree_and_the_right_tables_say_so(another):
    found, tables = another
    assert found.agrees is False
    assert found.headline == "The study does not agree with the published one."
    assert set(wrong(found)["table"]) == tables
    assert f"{len(wrong(found))} numbers do not agree: " in found.sentences[-1]


def test_another_study_still_agrees_in_what_does_not_depend_on_synthesis(another):
    found, _ = another
    assert set(wrong(found)["source"]) == {"synthetic"}
    assert set(wrong(found)["verdict"]) == {"outside"}


def test_a_deterministic_number_that_is_off_by_one_digit_is_different(full_study, monkeypatch):
    changed = [
        ("table2", "original", "age", "mean"),
        ("table3", "original", "age:hgt", "correlation"),
        ("table4", "original", "phb^4", "estimate"),
        ("table4", "bootstrap", "age", "coverage"),
        ("table5", "bootstrap", "G1|G2", "bias"),
    ]
    published = load_published("volker_vink_2021")
    labels = ["table", "source", "term", "statistic"]
    cells = published.cells.set_index(labels).sort_index()
    for cell in changed:
        printed = cells.loc[cell, "printed"]
        cells.loc[cell, "printed"] = printed[:-1] + str((int(printed[-1]) + 1) % 10)
    altered = dataclasses.replace(published, cells=cells.reset_index())
    monkeypatch.setattr(referee, "load_published", lambda name: altered)
    found = verdict(full_study())
    assert found.agrees is False
    assert set(wrong(found)[labels].itertuples(index=False, name=None)) == set(changed)
    assert set(wrong(found)["verdict"]) == {"different"}


def test_a_number_that_the_study_lacks_is_different(full_study):
    study = full_study()
    found = verdict(study, rows=study.summary.rows.query("analysis != 'confusion'"))
    assert found.agrees is False
    assert set(wrong(found)["table"]) == {"table7"}
    assert set(wrong(found)["note"]) == {"this study has no such number"}


# ---- what is not judged


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Study:
    return Study.run(["experiment=volker_vink_2021", "replicates=20"], tmp_path_factory.mktemp("short"))


def test_a_shorter_run_is_not_judged_but_for_the_reference_data(short):
    found = verdict(short)
    assert found.agrees is None
    assert found.headline == "Not judged: 20 of the published 1000 replicates were run."
    kinds = found.agreement.groupby("source")["verdict"].agg(set)
    assert kinds["original"] == {"exact", "explained"}
    assert kinds["bootstrap"] == kinds["synthetic"] == {"not judged"}


def test_a_shorter_run_on_other_reference_data_does_not_agree(short):
    found = verdict(short, rows=short.summary.rows.assign(truth=short.summary.rows["truth"] + 1))
    assert found.agrees is False


def test_a_study_that_names_no_published_one_is_not_judged(short):
    config = short.config.to_mapping() | {"report": {"published": None}}
    found = judge(short.summary, config)
    assert (found.agrees, found.agreement) == (None, None)


# ---- all numbers together

CELLS, STUDIES = 250, 4000


def rejections(z: np.ndarray, level: float) -> float:
    return float(np.mean([joint_p_value(row) < level for row in z]))


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0], ids=["independent", "dependent", "fully dependent"])
def test_the_joint_test_rejects_a_true_study_no_more_often_than_it_says(level, shared):
    rng = np.random.default_rng(1)
    own, common = rng.normal(size=(STUDIES, CELLS)), rng.normal(size=(STUDIES, 1))
    found = rejections(np.sqrt(1 - shared) * own + np.sqrt(shared) * common, level)
    error = np.sqrt(level * (1 - level) / STUDIES)
    assert found < level + 4 * error
    assert found > level / 4 - 4 * error  # nor hardly ever


def test_one_number_far_off_among_many_is_enough():
    z = np.random.default_rng(2).normal(size=CELLS)
    assert joint_p_value(z) > 0.01
    z[17] = -6
    assert joint_p_value(z) < 1e-4


def test_many_numbers_a_little_off_are_enough():
    z = np.random.default_rng(3).normal(size=CELLS) * 2
    assert np.abs(z).max() < 2 * ndtri(1 - 1e-4)
    assert joint_p_value(z) < 0.01


@pytest.mark.parametrize("z", [[], [0.0], [40.0], [-40.0, 0.0], [0.0] * 300])
def test_the_joint_p_value_is_a_probability(z):
    assert 0 <= joint_p_value(np.array(z)) <= 1
