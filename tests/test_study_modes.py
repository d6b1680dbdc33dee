"""Studies of imputation and of sequential and two-step synthesis: what is made of what, and pooled by which rule."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mice_sim
from mice_sim import load_dataset
from mice_sim.analysis import Statistics
from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.pooling import get_rule, pool
from mice_sim.report.tables import report_tables
from mice_sim.study import analyses
from mice_sim.study.config import StudyConfig, compose, stored_config
from mice_sim.study.replicate import Replicator, replicator
from mice_sim.study.run import run_study
from mice_sim.study.store import Store
from mice_sim.study.summary import summarise
from mice_sim.study.sweep import read_sweep, run_sweep, sweep_comparisons, sweep_performance
from mice_sim.synthesis.methods import name_of

NORMAL = ["data=mvn", "resampling=fresh", "resampling.n=60", "analysis=regression", "~analysis.correlations"]
HOLES = ["+resampling/amputation=mcar", "resampling.amputation.patterns=[[x1]]"]
BOYS = ["data=boys_complete", "analysis=growth_models", "~analysis.ordinal", "synthesis.m=2"]


def shared(*overrides: str) -> Replicator:
    return replicator(compose(list(overrides)).key())


def values(study: Replicator, replicate: int = 0) -> pd.Series:
    """The values of a replicate by source, analysis, term and statistic."""
    rows = study.run(replicate)
    assert rows.failures == []
    return pd.Series(rows.value, pd.MultiIndex.from_frame(pd.DataFrame(vars(study.layout)))).sort_index()


def ran(output: Path, *overrides: str) -> StudyConfig:
    config = compose([*overrides, f"output={output}", "execution=serial", "execution.progress=false"])
    run_study(config)
    return config


# ---- what is made


def test_an_imputation_leaves_observed_values_as_they_are(monkeypatch):
    study, made = shared(*NORMAL, *HOLES, "synthesis=impute"), []
    (analysis,) = study.analyses.values()
    pooled = analysis.pooled
    monkeypatch.setattr(analysis, "pooled", lambda sets, rng: made.append(sets) or pooled(sets, rng))
    values(study)
    (found,) = made
    sets, origin = found.values, found.origin
    sample = study.sample(0)
    holes = np.isnan(study.ampute(0, sample).values)
    assert (origin.mode, origin.missing) == ("impute", "imputed")
    assert (sets == sample.values)[:, ~holes].all()
    assert not (sets == sample.values)[:, holes].any()


def test_two_step_sets_come_in_nests_and_an_analysis_can_be_for_them_alone():
    study = shared(
        *NORMAL, *HOLES, "synthesis=sequential", "~analysis.linear", "synthesis.m=3",
        "+synthesis.variants.nested={missing: two-step, r: 2, imputation: {method: norm, maxit: 2}}",
        "+synthesis.variants.whole={sample: complete}",
        "+analysis.flat={kind: linear, formula: 'y ~ x1 + x2'}",
        "+analysis.nests={kind: linear, formula: 'y ~ x1 + x2', variants: [nested]}",
        "+pooling.nests=reiter2004",
        "+pooling.flat=reiter2003",
    )  # fmt: skip
    found = values(study)
    assert found["nested"].index.unique("analysis").tolist() == ["flat", "nests"]
    assert found["whole"].index.unique("analysis").tolist() == ["flat"]
    links = [link["link"] for link in study.links]
    assert [sum(link.startswith(f"{name} set") for link in links) for name in ("nested", "whole")] == [6, 3]
    assert len(links) == len(study.run(0).passport)
    same = found["nested", "flat"].xs("estimate", level="statistic")
    pd.testing.assert_series_equal(same, found["nested", "nests"].xs("estimate", level="statistic"))
    assert (
        found["nested", "nests"].xs("std_error", level="statistic")
        != found["nested", "flat"].xs("std_error", level="statistic")
    ).all()


def test_a_variant_may_be_given_the_samples_before_values_went_missing():
    given = [*NORMAL, "synthesis=sequential"]
    whole = shared(*given, *HOLES, "+synthesis.variants={whole: {sample: complete}, rest: {missing: two-step, r: 2}}")
    plain = values(shared(*given))["synthetic"]
    found = values(whole)
    pd.testing.assert_series_equal(found["whole"], plain)
    assert not found["rest"].equals(plain)


OPTIONS = {
    "linked": {"mode": "linked", "missing": "two-step", "r": 3, "imputation": {"method": {"y": "norm"}, "maxit": 3}},
    "impute": {
        "mode": "impute", "maxit": 2, "method": {"x1": {"name": "pmm", "donors": 3}, "x2": "norm", "y": None},
        "bounds": {"x1": [0, None]}, "rules": {"y": {"x2 > 1": 0.5}}, "minbucket": None, "cp": None,
    },
    "sequential": {
        "mode": "sequential", "missing": "keep", "k": 40, "smoothing": "density", "proper": True,
        "semicontinuous": {"x1": [0]}, "visit_sequence": ["y", "x2", "x1"],
    },
}  # fmt: skip


@pytest.mark.parametrize("mode", OPTIONS)
def test_every_option_of_a_variant_survives_storing(tmp_path, mode):
    given = compose([*NORMAL, *HOLES, "synthesis=sequential", f"output={tmp_path}", "replicates=1", "execution=serial"])
    config = dataclasses.replace(given, synthesis={**given.synthesis, "variants": {"it": OPTIONS[mode]}})
    run_study(config)
    assert Store(tmp_path).failures(1) == {}
    again = stored_config(tmp_path)
    assert again.key() == config.key()
    spec = Replicator(again.key()).methods["it"]
    assert spec.mode == mode
    if mode == "linked":
        assert (spec.r, spec.imputation.maxit, name_of(spec.imputation.methods[2])) == (3, 3, "norm")
    elif mode == "impute":
        assert [name_of(method) for method in spec.methods.values()] == ["pmm", "norm", "pmm"]
        assert (spec.methods[0].donors, spec.bounds, len(spec.rules)) == (3, {0: (0.0, np.inf)}, 1)
    else:
        assert (spec.missing, spec.k, spec.proper, spec.special) == ("keep", 40, True, {0: (0.0,)})
        assert (list(spec.visit_sequence), set(spec.smoothing)) == ([2, 1, 0], {0, 1, 2})


def test_copies_are_the_cells_that_equal_those_of_the_same_record(monkeypatch):
    study = shared(*NORMAL, "+analysis.copies={kind: copies}")
    sample, other = np.zeros((3, 4)), np.ones((3, 4))
    one = np.array([[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1]])
    origin = study.methods["synthetic"].origin(study.sample(0))
    ((found, _),) = study.analyses["copies"].pooled(analyses.Sets(np.array([sample, one, other]), sample, origin), None)
    assert found == pytest.approx([(1 + 3 / 4) / 3, (1 + 1 / 4) / 3, 1 / 3, 1 / 3])
    whole = values(shared(*NORMAL, "synthesis=sequential", "+analysis.copies={kind: copies}"))
    linked = values(study)
    for term in ("x1", "y"):
        assert whole["synthetic", "copies", term, "copied"] < 0.05 < linked["synthetic", "copies", term, "copied"]
    failures = (
        shared(*NORMAL, "synthesis=sequential", "synthesis.k=9", "+analysis.copies={kind: copies}").run(0).failures
    )
    assert [failure.analysis for failure in failures] == ["copies"]


def test_disclosure_is_that_of_the_sets_in_the_sample(monkeypatch):
    wanted = "+analysis.risk={kind: disclosure, keys: [phb, reg], targets: [gen, tv], groups: {tv: 4}}"
    study, seen = shared(*BOYS, wanted, "synthesis=sequential"), []
    pooled = study.analyses["risk"].pooled
    monkeypatch.setattr(study.analyses["risk"], "pooled", lambda sets, rng: seen.append(sets) or pooled(sets, rng))
    found = values(study)["synthetic", "risk"]
    (made,) = seen
    sample, *frames = (Table(study.truth.columns, v).to_pandas() for v in (made.sample, *made.values))
    for target, groups in (("gen", None), ("tv", 4)):
        options = {"keys": ["phb", "reg"], "target": target, "ngroups_target": groups}
        table = mice_sim.disclosure(frames, sample, **options).table["mean"]
        for measure in analyses.DISCLOSURE:
            assert found[target, measure] == pytest.approx(table[measure]), (target, measure)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{kind: disclosure}", "keys is None; give a list"),
        ("{kind: disclosure, keys: [phb, hight]}", "no column 'hight'"),
        ("{kind: disclosure, keys: [phb], targets: [phb]}", "among its keys and its targets"),
        ("{kind: disclosure, keys: [phb], groups: {ag: 3}}", "names 'ag'"),
        ("{kind: copies, keys: [phb]}", "has no key 'keys'"),
    ],
)
def test_disclosure_needs_keys_and_targets_that_there_are(given, said):
    with pytest.raises(MiceSimError, match=said):
        shared(*BOYS, f"+analysis.risk={given}")


def test_copies_and_registered_statistics_have_tables(tmp_path, monkeypatch):
    def ranges_of(columns, values):
        return Statistics(tuple(c.name for c in columns), {"range": np.ptp(values, axis=1)})

    monkeypatch.setitem(analyses.STATISTICS, "ranges", ranges_of)
    more = [
        "+analysis.copies={kind: copies}",
        "+analysis.risk={kind: disclosure, keys: [x1], groups: 4}",
        "+analysis.ranges={kind: ranges}",
        "+pooling.ranges=mean",
    ]
    config = ran(tmp_path, *NORMAL, *more, "replicates=2")
    tables = {table.name: table for table in report_tables(summarise(Store(tmp_path), 2, 5), config.to_mapping())}
    assert tables["copies"].title == "Share of values that are the same record's own"
    assert [row.stub for row in tables["copies"].rows] == [
        (term, "synthetic") for term in ("x1", "x2", "y", "(all columns)")
    ]
    assert tables["ranges"].title == "Ranges"
    assert tables["risk"].title == "Disclosure by the synthetic sets (%)"
    assert "DiSCO" in [name for _, name in tables["risk"].head]
    assert {row.stub[1] for row in tables["ranges"].rows} == {"original", "sample", "synthetic"}
    assert tables["linear"].title.startswith("Linear regression, y ~")


def test_lists_can_be_swept_and_are_text_in_the_tables(tmp_path):
    axis = "resampling.amputation.patterns"
    given = [*NORMAL, HOLES[0], "synthesis=impute", "replicates=2", "execution=serial", f"output={tmp_path}"]
    run_sweep(read_sweep([*given, f"{axis}=[[x1]],[[x2,y]]"]))
    assert sweep_performance(tmp_path)[axis].unique().tolist() == ["[[x1]]", "[[x2, y]]"]
    assert set(sweep_comparisons(tmp_path)[axis]) == {"[[x2, y]]"}


# ---- amputation by a mask


def test_a_bootstrapped_row_has_the_holes_of_its_own_row(boys):
    study = shared(*BOYS, "+resampling/amputation=mask")
    sample = study.ampute(3, study.sample(3)).values
    incomplete, complete = Table.from_pandas(load_dataset("boys")), Table.from_pandas(boys)
    rows = study.sample.rows(3)
    assert len(set(rows)) < len(rows) == 748
    assert np.array_equal(np.isnan(sample), np.isnan(incomplete.values[:, rows]))
    seen = ~np.isnan(sample)
    assert np.array_equal(sample[seen], complete.values[:, rows][seen])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([*NORMAL, "+resampling/amputation=mask"], "A mask goes with resampled rows"),
        ([*BOYS, "+resampling/amputation=mask", "resampling.amputation.mask=girls"], "no data set 'girls'"),
        ([*BOYS, "+resampling/amputation=mask", "+resampling.amputation.proportion=0.2"], "has no key 'proportion'"),
        ([*NORMAL, "+analysis.linear.variants=[synthetik]"], "names 'synthetik'; did you mean 'synthetic'?"),
        ([*NORMAL, "+analysis.linear.variants=synthetic"], "give a list, such as \\[synthetic\\]"),
        ([*NORMAL, "+synthesis.sample=completed"], "is 'completed'; did you mean 'complete'?"),
    ],
)
def test_a_wrong_study_of_modes_is_refused_in_one_sentence(overrides, words):
    with pytest.raises(MiceSimError, match=words) as refused:
        shared(*overrides)
    assert len(str(refused.value).splitlines()) == 1


# ---- pooling


def test_rules_are_told_how_the_sets_were_made():
    study = shared(*NORMAL, "synthesis=sequential", "synthesis.k=240", "pooling.linear=raab2016_simple")
    se = values(study)["synthetic", "linear"].xs("std_error", level="statistic")
    alike = shared(*NORMAL, "synthesis=sequential", "synthesis.k=240", "pooling.linear=raab2016_proper")
    larger = values(alike)["synthetic", "linear"].xs("std_error", level="statistic")
    # k/n = 4 rows for each real one: T = ū(4 + 1/5), or ū(4 + 5/5).
    assert (larger**2 / se**2).to_numpy() == pytest.approx((4 + 5 / 5) / (4 + 1 / 5))


def test_a_model_is_fitted_once_however_many_rules_pool_it(monkeypatch):
    calls = []
    fit = analyses.MODELS["linear"]
    monkeypatch.setitem(analyses.MODELS, "linear", lambda *given: calls.append(1) or fit(*given))
    rules = ("reiter2003", "rubin1987", "raab2016_simple")
    more = [f"+analysis.{rule}={{kind: linear, formula: 'y ~ x1 + x2'}}" for rule in rules]
    study = Replicator(compose([*NORMAL, *more, *(f"+pooling.{rule}={rule}" for rule in rules)]).key())
    calls.clear()
    found = values(study)["synthetic"]
    assert len(calls) == 4 + 5  # a sample for each analysis, then each of five sets
    sets = [np.array(found[rule].xs("std_error", level="statistic")) for rule in rules]
    assert not any((one == other).any() for one, other in itertools.combinations(sets, 2))
    fits = study.analyses["linear"]._model.of_sets(study.analyses["linear"]._model._last[0])
    q, u = np.array([f.estimate for f in fits]), np.array([f.variance for f in fits])
    for rule, errors in zip(rules, sets, strict=True):
        assert pool(q, u, get_rule(rule), fits[0].df_residual)[0][1] == pytest.approx(errors)


def test_a_rule_that_is_not_valid_is_used_and_told(tmp_path):
    config = ran(
        tmp_path,
        *NORMAL,
        "replicates=2",
        "+analysis.wrong={kind: linear, formula: 'y ~ x1 + x2'}",
        "+pooling.wrong=rubin1987",
    )
    events = pd.read_parquet(tmp_path / "events.parquet")
    told = events[events["what"].str.startswith("pooled by")]
    assert told[["replicate", "source", "variable", "what"]].to_numpy().tolist() == [
        [-1, "synthetic", "linear", "pooled by reiter2003"],
        [-1, "synthetic", "wrong", "pooled by rubin1987"],
    ]
    assert mice_sim.read_study(tmp_path).invalid_rules["analysis"].tolist() == ["wrong"]
    assert "not valid for linked synthetic data" in told["why"].iloc[1]
    assert Store(config.directory).failures(2) == {}
