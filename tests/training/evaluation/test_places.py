"""How often places are looked at is found again from clicks, and purchases weighed by it judge an order fairly."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.grouped import grouped_ndcg
from training.evaluation.places import LEAST_LOOKS, PLACES, looks, seldom_seen

TRUE = 1 / (1 + 0.3 * np.arange(PLACES))
DRAW = np.random.default_rng(4)
N = 200_000


def shelves(at: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """What is clicked of what is wanted where it is looked at."""
    return (DRAW.random(len(at)) < wanted) & (DRAW.random(len(at)) < TRUE[at])


def test_the_share_of_looks_is_found_again():
    """Of a chance by features that knows no places, though places are chosen by it."""
    wanted = DRAW.beta(1, 4, N)
    at = np.clip(((1 - wanted) * 12 + DRAW.normal(0, 3, N)).astype(int), 0, PLACES - 1)
    found = looks(at, shelves(at, wanted), wanted)
    busy = np.bincount(at, wanted, PLACES) > 500
    assert busy.sum() > 8
    assert found[busy] == pytest.approx(TRUE[busy], abs=0.06)


def test_it_falls_from_place_to_place_and_has_a_floor():
    """What is hardly ever shown is taken to be looked at like the place before it."""
    at = np.repeat([0, 1, 2], 1_000)
    found = looks(at, np.r_[np.ones(1_000), np.zeros(1_000), np.ones(1_000)], np.full(3_000, 0.5))
    assert found[:3].tolist() == [1.0, LEAST_LOOKS, LEAST_LOOKS]
    assert set(found[3:]) == {LEAST_LOOKS}
    assert looks(np.zeros(0, int), [], []).tolist() == [1.0] * PLACES


def test_purchases_that_are_weighed_judge_orders_as_if_all_were_looked_at():
    """Of two orders that are equally good the one that was shown is better by clicks as they are, and not by weighed
    ones; a place beyond the last counts as the last."""
    groups, size = 20_000, 10
    rows = np.repeat(np.arange(groups), size)
    at = np.tile(np.arange(size), groups)
    clicked = shelves(at, np.full(len(at), 0.1)).astype(float)
    shown, drawn = -at.astype(float), DRAW.random(len(at))
    plain = [np.mean(grouped_ndcg(rows, score, clicked, 3).values) for score in (shown, drawn)]
    weighed = clicked * seldom_seen(at, TRUE)
    gains = [np.bincount(rows, np.where(top(score, size), weighed, 0)).mean() for score in (shown, drawn)]
    assert plain[0] > plain[1] + 0.1
    assert gains[0] == pytest.approx(gains[1], rel=0.05)
    assert seldom_seen(np.array([PLACES + 5]), TRUE) == 1 / TRUE[-1]


def top(scores: np.ndarray, size: int) -> np.ndarray:
    """Whether a row is among the first three of its group."""
    table = scores.reshape(-1, size)
    return (np.argsort(np.argsort(-table, axis=1), axis=1) < 3).ravel()
