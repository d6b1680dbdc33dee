"""The study in R mice, on the same bootstrap samples: paired comparisons of 1000 replicates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mice_sim.resources import resource


@pytest.fixture(scope="module", params=["mice-3.13", "mice-3.15"])
def paired(request, full_study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same numbers of the same replicates, from R and from us."""
    file = resource("experiments", "volker_vink_2021", "oracle", f"{request.param.replace('-', '_')}.csv.gz")
    theirs = pd.read_csv(file).set_index("replicate")
    study = full_study() if request.param == "mice-3.13" else full_study("synthesis.rule=mice-3.15")
    labels = study.store.labels()
    chosen = (labels["source"] == "synthetic").to_numpy()
    statistic = labels["statistic"].replace("correlation", "estimate")
    names = (labels["analysis"] + "|" + labels["term"] + "|" + statistic)[chosen]
    values = np.concatenate([values[:, chosen] for _, values, _ in study.store.blocks(1000)])
    ours = pd.DataFrame(values, pd.RangeIndex(1, 1001, name="replicate"), names)
    return theirs, ours[theirs.columns]


def select(paired, analyses: str, statistic: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    theirs, ours = (frame.filter(regex=rf"^({analyses})\|.*\|{statistic}$") for frame in paired)
    assert len(theirs.columns) >= 5
    return theirs, ours


def z_scores(theirs: pd.DataFrame, ours: pd.DataFrame) -> pd.Series:
    """The mean difference of each column in units of its standard error."""
    difference = ours - theirs
    return difference.mean() / (difference.std() / np.sqrt(len(difference)))


def test_coefficients_have_the_same_means(paired):
    z = z_scores(*select(paired, "linear|ordinal", "estimate"))
    assert len(z) == 7 + 10
    assert z.abs().max() < 3.5, z


def test_coefficients_vary_as_much(paired):
    theirs, ours = select(paired, "linear|ordinal", "estimate")
    assert (ours.std() / theirs.std()).between(0.95, 1.05).all()


def test_pooled_standard_errors_are_the_same(paired):
    theirs, ours = select(paired, "linear|ordinal", "std_error")
    assert (ours.mean() / theirs.mean() - 1).abs().max() < 0.005


def test_correlations_have_the_same_means(paired):
    z = z_scores(*select(paired, "correlations", "estimate"))
    assert len(z) == 15
    assert z.abs().max() < 4, z


def test_means_are_the_same(paired):
    assert z_scores(*select(paired, "descriptives", "mean")).abs().max() < 4


def test_the_discrimination_model_is_the_same(paired):
    for statistic in ("estimate", "std_error"):
        z = z_scores(*select(paired, "discrimination", statistic))
        assert len(z) == 20
        assert z.abs().max() < 4, z


def test_confusion_statistics_are_the_same(paired):
    theirs, ours = (frame.filter(regex=r"^confusion\|") for frame in paired)
    assert len(theirs.columns) == 5
    assert z_scores(theirs, ours).abs().max() < 4


def test_each_replicate_is_close_to_its_twin_and_not_to_another_replicates(paired):
    theirs, ours = select(paired, "linear|ordinal", "estimate")
    twins = (ours - theirs).std()
    strangers = (ours - theirs.shift(1)).std()
    assert (twins < 0.6 * strangers).all()
