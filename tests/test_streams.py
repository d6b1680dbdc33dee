"""Random streams: named ones of our own, and R's."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pandas as pd
import pytest

import mice_sim
from mice_sim import streams
from mice_sim.data import Table
from mice_sim.study.populations import Population
from mice_sim.study.r_random import RStream
from mice_sim.study.resampling import make

synthesize = partial(mice_sim.synthesize, mode="linked", maxit=1)


def test_the_same_name_gives_the_same_numbers_whoever_asks_and_when():
    first = streams.stream(123, "synthesis", 0, 1, "age").random(5)
    streams.stream(123, "synthesis", 0, 2, "age").random(1000)
    np.random.default_rng(0).random(1000)
    assert (streams.stream(123, "synthesis", 0, 1, "age").random(5) == first).all()


def test_streams_are_the_same_on_every_machine():
    assert streams.key(123, "synthesis", 7, "age") == 0xCF142C9791F5E0F55F5F14146389C53
    assert streams.stream(123, "synthesis", 7, "age").integers(1000, size=4).tolist() == [323, 503, 456, 956]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        (("a", "b"), ("ab",)),
        (("a", ""), ("a",)),
        (("", "a"), ("a", "")),
        ((1, 11), (11, 1)),
        ((1, 23), (12, 3)),
        (("a\x00", "b"), ("a", "\x00b")),
        (("é",), ("e", "́")),
    ],
)
def test_names_that_read_alike_do_not_collide(one, other):
    assert streams.key(*one) != streams.key(*other)


def test_no_two_streams_of_a_study_collide():
    names = itertools.product([123, 124], ["synthesis", "analysis"], range(30), range(6), ["age", "hgt"], range(3))
    keys = [streams.key(*name) for name in names]
    assert len(set(keys)) == len(keys)


def test_neighbouring_streams_are_uncorrelated():
    draws = np.array([streams.stream(1, "synthesis", r).random(2000) for r in range(60)])
    off = np.corrcoef(draws)[np.triu_indices(60, 1)]
    assert np.abs(off).max() < 5 / np.sqrt(2000)
    assert (off**2).mean() == pytest.approx(1 / 2000, rel=0.2)


@pytest.mark.parametrize("rule", ["mice-3.13", "mice-3.15"])
def test_more_sets_change_none_of_the_earlier_ones(boys, paper, rule):
    three, five = (synthesize(boys, m=m, seed=1, rule=rule, **paper).sets for m in (3, 5))
    assert (three == five[:3]).all()


def test_another_column_changes_none_of_the_draws_that_do_not_look_at_it(boys):
    matrix = np.zeros((2, 2))
    two = synthesize(boys[["age", "hgt"]], m=2, seed=1, predictor_matrix=matrix)
    three = synthesize(boys[["tv", "age", "hgt"]], m=2, seed=1, predictor_matrix=np.zeros((3, 3)))
    assert (two.sets == three.sets[:, 1:]).all()


def numbered(n: int) -> Population:
    """Data whose rows hold their own numbers."""
    return Population(Table.from_pandas(pd.DataFrame({"row": np.arange(n)})), n)


# ---- R


def test_bootstrap_samples_are_rs(r_samples):
    """set.seed(123); replicate(1000, sample(748, 748, TRUE))"""
    numbers = r_samples + 1
    assert numbers[0, :8].tolist() == [415, 463, 179, 526, 195, 118, 299, 229]
    assert numbers[-1, -8:].tolist() == [519, 465, 254, 210, 305, 662, 363, 574]
    assert numbers.sum() == 279_976_608
    assert (np.arange(1, 1001)[:, None] * numbers).sum() == 140_135_806_625


def test_samples_of_r_are_the_same_drawn_one_by_one_and_in_any_order(r_samples):
    resample = make({"kind": "r_bootstrap", "seed": 123}, numbered(748), seed=999)
    for replicate in (17, 3, 17, 0, 999):
        assert (resample(replicate).values[0] == r_samples[replicate]).all()


def test_uniforms_are_rs():
    # set.seed(42); runif(5)
    expected = [0.914806043496355, 0.937075413297862, 0.286139534786344, 0.830447626067325, 0.641745518893003]
    assert RStream(42).uniform(5) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [1, 1, 1, 1, 1, 1]),
        (3, [2, 3, 3, 3, 2, 3]),
        (16, [10, 3, 15, 12, 7, 2]),
        (65536, [26067, 4572, 51906, 63706, 30088, 15171]),
        (65537, [4572, 51906, 63706, 19348, 4303, 17284]),
        (5_000_000, [2713043, 1970652, 981210, 1381807, 459323, 3296148]),
    ],
)
def test_samples_from_any_number_are_rs(n, expected):
    """set.seed(7); sample(n, 6, TRUE)"""
    assert (RStream(7).sample(n, 6) + 1).tolist() == expected


# ---- our own bootstrap


def test_a_bootstrap_sample_depends_on_seed_and_replicate_alone():
    one, again, other = (make({"kind": "bootstrap"}, numbered(100), seed) for seed in (1, 1, 2))
    assert (one(5).values == again(5).values).all()
    assert (one(5).values != one(6).values).any()
    assert (one(5).values != other(5).values).any()


def test_every_row_is_as_likely_to_be_resampled():
    resample = make({"kind": "bootstrap"}, numbered(50), 1)
    samples = [resample(r).values[0].astype(int) for r in range(2000)]
    assert np.abs(np.bincount(np.concatenate(samples), minlength=50) - 2000).max() < 5 * np.sqrt(2000)
    distinct = np.mean([np.unique(rows).size for rows in samples])
    assert distinct == pytest.approx(50 * (1 - (49 / 50) ** 50), abs=0.2)  # with replacement
