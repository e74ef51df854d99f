"""Intervals cover what they should, come out equal from one seed, and tell when one model is better."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from daybreak.errors import InputError
from training.evaluation import confidence
from training.evaluation.confidence import Interval, beats, difference, interval, intervals, not_worse


def test_an_interval_is_as_wide_as_theory_says():
    """The mean of 2,000 values lies within 1.96 standard errors."""
    values = np.random.default_rng(1).random(2_000)
    found = interval(values, seed=0)
    error = values.std() / np.sqrt(len(values))
    assert found.mean == values.mean()
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_the_true_mean_is_inside_as_often_as_promised():
    """Of 200 samples of a known mean, about 95 of 100 intervals hold it."""
    chance = np.random.default_rng(2)
    inside = 0
    for seed in range(200):
        found = interval((chance.random(150) < 0.3).astype(float), seed, draws=300)
        inside += found.low <= 0.3 <= found.high
    assert 180 <= inside <= 198


def test_one_seed_gives_one_interval_in_bounded_memory(monkeypatch):
    """However few draws are made at once, and whichever measures are asked for beside."""
    values = np.random.default_rng(4).random(50)
    whole = interval(values, seed=9)
    monkeypatch.setattr(confidence, "COUNTS_AT_ONCE", 120)
    among = intervals({"other": values**2, "mine": values}, seed=9)["mine"]
    assert astuple(among) == pytest.approx(astuple(whole))
    assert interval(values, seed=10) != whole


def test_a_paired_difference_sees_what_two_intervals_hide():
    """Queries differ much, models little: each model's interval holds the other's mean, the difference is certain."""
    chance = np.random.default_rng(5)
    hard = chance.random(400)
    ours, theirs = hard * 0.9 + 0.02, hard * 0.9
    assert interval(theirs, seed=0).high > ours.mean()
    gain = difference(ours, theirs, seed=0)
    assert beats(gain)
    assert not beats(difference(theirs, ours, seed=0))
    assert not_worse(difference(theirs, ours, seed=0), margin=0.03)
    assert not not_worse(difference(theirs, ours, seed=0), margin=0.01)


def test_a_model_is_neither_better_nor_worse_than_itself():
    """No difference at all: nothing is beaten, and no margin is needed."""
    values = np.random.default_rng(6).random(30)
    gain = difference(values, values, seed=0)
    assert gain == Interval(0, 0, 0)
    assert not beats(gain)
    assert not_worse(gain, margin=0)


def test_what_has_no_interval_gets_one_sentence():
    """No queries, queries that could not be measured, and other queries on the other side."""
    with pytest.raises(InputError, match="of 0 queries"):
        interval(np.zeros(0), seed=0)
    with pytest.raises(InputError, match="of 2 queries 1 have NaN"):
        interval(np.array([1.0, np.nan]), seed=0)
    with pytest.raises(InputError, match="there are 2 and 3"):
        difference(np.zeros(2), np.zeros(3), seed=0)
