"""Studies at the edge of what people do: nothing to pool, all failed, odd names, another order, another folder."""

from __future__ import annotations

import os
import re
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.analysis import MODELS
from mice_sim.cli import main
from mice_sim.report.verbs import _duration
from mice_sim.study import measures
from mice_sim.study.analyses import STATISTICS
from mice_sim.study.config import Execution, compose
from mice_sim.study.own import digest
from mice_sim.study.plan import Interval, plan
from mice_sim.study.replay import certify

NORMAL = ("data=mvn", "resampling=fresh", "resampling.n=60", "analysis=regression", "synthesis.m=2", "replicates=3",
          "execution=serial", "execution.progress=false")  # fmt: skip


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def run(folder: Path, *overrides: str, written: str = "") -> ms.Study:
    """Run a study; `written` are lines of a file of its own, for keys that the command line can't say."""
    if not written:
        return ms.run_study(*NORMAL, f"output={folder}", *overrides)
    file = folder.parent / "own" / "experiment" / "odd.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# @package _global_\n{written}", encoding="utf-8")
    return ms.run_study(*NORMAL, "experiment=odd", f"output={folder}", *overrides, config_dir=folder.parent / "own")


# ---- reports of little


def test_a_study_without_a_model_has_a_page(tmp_path):
    assert run(tmp_path / "study", "~analysis.linear").report().exists()
    assert (
        ms.run_sweep(*NORMAL, "~analysis.linear", "synthesis.m=2,3", f"output={tmp_path / 'sweep'}").report().exists()
    )


def test_a_model_that_never_converges_costs_its_numbers_and_not_the_page(tmp_path, monkeypatch):
    def fragile(formula, values, start=None):
        if values.shape[1] == 60:
            raise MiceSimError("It broke.")
        return MODELS["linear"](formula, values)

    monkeypatch.setitem(MODELS, "fragile", fragile)
    given = ("+analysis.fragile={kind: fragile, formula: 'y ~ x1'}", "+pooling.fragile=reiter2003")
    study = run(tmp_path, *given)
    page = study.report().read_text(encoding="utf-8")
    assert len(study.failures) == 6
    assert "fragile" in page[page.index('id="failures"') :]
    assert invoke("retry", tmp_path).exit_code == 3


def test_a_sweep_of_too_few_replicates_for_a_monte_carlo_budget_has_a_page(tmp_path):
    overrides = [text for text in NORMAL if not text.startswith("replicates")]
    sweep = ms.run_sweep(*overrides, "replicates=1,2", f"output={tmp_path}")
    assert sweep.report().exists()
    page = (tmp_path / "points" / "replicates=1" / "rows.html").read_text(encoding="utf-8")
    assert "nan" not in re.sub(r"<style.*?</style>|<script.*?</script>", "", page, flags=re.DOTALL)


def test_points_that_share_no_term_are_not_compared(tmp_path):
    overrides = (
        *NORMAL,
        "~analysis.correlations",
        "analysis.linear.formula='y ~ 0 + x1','y ~ 0 + x2','y ~ 0 + x1 + x2'",
    )
    sweep = ms.run_sweep(*overrides, f"output={tmp_path}")
    assert list(sweep.points) == [f"analysis.linear.formula=y ~ 0 + {text}" for text in ("x1", "x2", "x1 + x2")]
    assert sweep.comparisons["analysis.linear.formula"].unique() == ["y ~ 0 + x1 + x2"]
    assert sweep.report().exists()


def test_a_link_of_a_rejection_leads_to_p_values(tmp_path):
    study = run(tmp_path, "measures.show=[rejection]")
    page = study.report().read_text(encoding="utf-8")
    cell = re.search(r'class="numbers performance".*?<th scope="row">x1</th>.*?href="#(rows-\d+)"', page, re.DOTALL)
    assert f'id="{cell[1]}"' in page
    assert 'data-statistic="p_value"' in re.search(rf'id="{cell[1]}".*', page)[0]


def test_failures_of_a_sweep_are_told_point_by_point(tmp_path, monkeypatch):
    def fragile(formula, values, start=None):
        if values.shape[1] == 70:
            raise MiceSimError("It broke.")
        return MODELS["linear"](formula, values)

    monkeypatch.setitem(MODELS, "fragile", fragile)
    given = ("+analysis.fragile={kind: fragile, formula: 'y ~ x1'}", "resampling.n=60,70", f"output={tmp_path}")
    page = ms.run_sweep(*NORMAL, *given).report().read_text(encoding="utf-8")
    rows = re.findall(r"<tr><td>fragile</td><td>(\d+)</td><td>(\w+)</td>", page[page.index('id="failures"') :])
    assert sorted(rows) == [("70", "sample"), ("70", "synthetic")]
    assert "as not all of these do" in page  # samples of 60 and of 70 rows are others


def test_points_with_the_same_samples_are_said_to_share_them(tmp_path):
    page = ms.run_sweep(*NORMAL, "synthesis.m=2,3", f"output={tmp_path}").report().read_text(encoding="utf-8")
    assert "The points share their samples" in page


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), "All coverages are within 3 Monte Carlo errors of 0.95. The furthest is "),
        (
            ("+analysis.linear.truth={x1: 9.0}", "replicates=40"),
            "1 of 1 coverages are more than 3 Monte Carlo errors from 0.95. The furthest is 0.000, of x1 (linear) by "
            "synthetic.",
        ),
        (("~analysis.linear",), "There is no published study to compare with, and no coverage of a known truth."),
    ],
)
def test_a_study_of_ones_own_is_headed_by_how_its_methods_cover(tmp_path, overrides, words):
    verdict = run(tmp_path, *overrides).verdict
    assert " ".join([verdict.headline, *verdict.sentences]).startswith(words)


@pytest.mark.parametrize(("hours", "words"), [(3.9 / 3600, "3.9 (3 to 5) seconds"), (0.5, "30 (")])
def test_a_plan_tells_time_in_units_that_can_be_read(hours, words):
    factor = 1 / 3600 if hours < 0.01 else 1.0
    assert _duration(Interval(hours, 3 * factor, 5 * factor)).startswith(words)


# ---- names and keys


@pytest.mark.parametrize("name", ["a/b", "my model", "a\\b", "<b>", "performance", "confusion", ""])
def test_an_analysis_must_have_a_name_that_files_can_have(name):
    overrides = [text for text in NORMAL if not text.startswith("analysis")]
    config = compose([*overrides, "analysis=regression"]).to_mapping()
    config["analysis"] = {name: config["analysis"]["linear"]}
    with pytest.raises(MiceSimError, match=rf"analysis\.{re.escape(name)} can't have this name"):
        type(compose(NORMAL)).from_mapping(config)


def test_names_in_brackets_are_printed_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"income [euro]": rng.normal(size=60).round(2), "b[/x]": rng.normal(size=60).round(2)})
    frame.to_csv("people.csv", index=False)
    done = invoke("synthesize", "people.csv", "--m", "2", "--yes")
    assert done.exit_code == 0, done.output
    assert "income [euro]" in done.output
    assert "b[/x]" in done.output
    run(tmp_path / "study", written="synthesis: {variants: {'[/b]': {}}}")
    replayed = invoke("replay", "study", 1)
    assert replayed.exit_code == 0, replayed.output
    assert "[/b] set 1" in replayed.output


def test_keys_that_yaml_reads_as_numbers_are_names(tmp_path):
    with pytest.raises(MiceSimError, match="names the term '1'; did you mean 'x1'"):
        run(tmp_path / "study", written="analysis: {linear: {truth: {1: 0.0, x1: 0.3}}}").performance  # noqa: B018


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["~synthesis.m"], "no key 'm', the number of sets; write synthesis.m=5"),
        (["analysis=regression,line"], "share their analyses; sweep over a key, such as analysis.NAME.formula"),
    ],
)
def test_what_can_not_be_run_is_refused_before_it_is(tmp_path, overrides, words):
    refused = invoke("run", "-m", *NORMAL, "synthesis.minbucket=3,5", f"output={tmp_path}", *overrides)
    assert refused.exit_code == 1
    assert words in refused.stderr
    assert not list(tmp_path.iterdir())


def test_rules_hold_in_the_order_in_which_they_are_written(tmp_path):
    def values(name: str, first: str, second: str) -> np.ndarray:
        rules = f"synthesis: {{rules: {{y: {{{first}, {second}}}}}}}"
        given = ("synthesis=sequential", "+analysis.counted={kind: descriptives}", "+pooling.counted=mean")
        study = run(tmp_path / name, *given, written=rules)
        return study.rows(analysis="counted", source="synthetic", term="y", statistic="mean")["value"].to_numpy()

    assert (values("a", "'x2 > -9': 2.0", "'x1 > -9': 1.0") == 1).all()
    assert (values("b", "'x1 > -9': 1.0", "'x2 > -9': 2.0") == 2).all()


# ---- folders and what is in them


def test_a_study_is_found_again_from_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = run(Path("here"))
    assert repr(study) == "Study 'study' in here: 3 of 3 replicates, none with failures"
    monkeypatch.chdir(tmp_path.parent)
    assert study.performance["n"].max() == 3


def test_a_report_is_of_all_that_is_there_now(tmp_path):
    study = run(tmp_path)
    assert study.summary.replicates == 3
    run(tmp_path, "replicates=8")
    page = study.report().read_text(encoding="utf-8")
    assert "<dt>Replicates</dt><dd>8</dd>" in page
    assert study.performance["n"].max() == 8


def test_a_plan_counts_the_tasks_that_are_missing(tmp_path):
    run(tmp_path, "replicates=36")
    config = compose([*NORMAL, f"output={tmp_path}", "replicates=40", "execution=slurm", "execution.chunk=5"])
    made, _ = plan([config], replicates=2)
    assert (made.replicates, made.present, made.tasks, made.workers) == (4, 36, 1, 1)


def test_a_certificate_is_not_left_to_a_queue(tmp_path):
    with pytest.raises(MiceSimError, match=r"add execution.slurm.wait=true"):
        certify(run(tmp_path).directory, 1, [Execution("slurm")])


# ---- numbers


def test_a_relative_bias_is_of_all_replicates_or_of_none():
    errors = np.array([[0.1], [-0.2], [0.0], [0.15], [1e-18], [0.05]])
    none = np.full_like(errors, np.nan)
    for truth, n in ((1e-17, 0), (1e-4, 6)):
        draws = measures.Draws(errors + truth, np.full_like(errors, truth), *[none] * 5)
        sums = measures.without_zero_truths(measures.moments(measures.variables(draws, 0.95)))
        assert measures.MEASURES["relative_bias"].n(sums) == [n]


def test_figures_and_tables_count_the_same_intervals():
    from mice_sim.report.replicates import _covered

    rows = pd.DataFrame({"ci_lower": [1.0, 1.0, 2.0, np.nan], "ci_upper": [1.0, 2.0, 3.0, 2.0], "truth": 1.0})
    assert _covered(rows).tolist() == [True, True, False, False]


# ---- the code of one's own


def scaled(x, power=1):
    return x**power


@lru_cache
def remembered(x):
    return scaled(x)


@lru_cache
def remembered_otherwise(x):
    return scaled(x, 2)


class Callable_:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor

    def method(self, x):
        return self(x)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (partial(scaled, power=1), partial(scaled, power=2)),
        (partial(scaled), partial(remembered)),
        (Callable_(1), Callable_(2)),
        (Callable_(1).method, Callable_(2).method),
        (remembered, remembered_otherwise),
        (partial(scaled, power=np.int64(3)), partial(scaled, power=np.int64(4))),
        (partial(scaled, re.compile("a")), partial(scaled, re.compile("b"))),
        (partial(scaled, pd.Series([1.0])), partial(scaled, pd.Series([2.0]))),
    ],
)
def test_different_code_has_different_hashes(one, other):
    assert digest(one) != digest(other)
    assert digest(one) == digest(one)


def test_code_is_the_same_as_a_script_and_as_a_module():
    def of(module: str) -> dict:
        names: dict = {"__name__": module}
        exec("def helper(x): return x + 1\ndef used(x): return helper(x)", names)
        return names

    assert digest(of("__main__")["used"]) == digest(of("own")["used"])


def test_a_study_with_code_of_ones_own_is_replayed_where_it_is_known(tmp_path, monkeypatch):
    monkeypatch.setitem(STATISTICS, "first", lambda columns, values: ms.Statistics(("a",), {"b": values[:1, 0]}))
    study = run(tmp_path, "+analysis.first={kind: first}", "+pooling.first=mean")
    assert study.replay(1).differs == ""
    monkeypatch.delitem(STATISTICS, "first")
    refused = invoke("replay", tmp_path, 1)
    assert refused.exit_code == 1
    assert "The study uses analysis 'first' of its user's own" in refused.stderr


def test_a_certificate_can_be_had_in_python(tmp_path):
    assert run(tmp_path).certify(1)["agrees"]


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (None, "analysis.odd gave NoneType, no Statistics; return ms.Statistics"),
        (ms.Statistics(("a", "b"), {"c": np.zeros(3)}), "analysis.odd gave 3 numbers as 'c' of 2 terms; give one for"),
    ],
)
def test_an_analysis_that_gives_something_else_is_named(tmp_path, monkeypatch, gives, words):
    monkeypatch.setitem(STATISTICS, "odd", lambda columns, values: gives)
    with pytest.raises(MiceSimError, match=re.escape(words)):
        run(tmp_path, "+analysis.odd={kind: odd}", "+pooling.odd=mean")


def test_overrides_are_texts(tmp_path):
    with pytest.raises(MiceSimError, match=r"An override is \['study=a'\]; give texts one by one"):
        ms.run_study(["study=a"])
    with pytest.raises(MiceSimError, match="holds no replicate 9; there are 0-2"):
        run(tmp_path).replay(9)


MEMO: dict[str, int] = {}


def test_code_that_keeps_something_can_run(tmp_path, monkeypatch):
    def counting(columns, values):
        MEMO[str(len(MEMO))] = values.shape[1]
        return ms.Statistics(("rows",), {"value": values[:1].mean(axis=1)})

    monkeypatch.setitem(STATISTICS, "counting", counting)
    study = run(tmp_path, "+analysis.counting={kind: counting}", "+pooling.counting=mean")
    assert study.rows(analysis="counting", source="synthetic")["value"].notna().all()
    assert os.listdir(tmp_path / "replicates")
