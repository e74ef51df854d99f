"""What lists are like, against plain definitions and lists whose answer is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.errors import InputError
from tests.training.evaluation import plain
from training.evaluation.beyond_accuracy import beyond_accuracy, coverage, diversity, gini, novelty
from training.evaluation.full_catalogue import evaluate
from training.evaluation.ranking import NO_ITEM

COUNTS = st.lists(st.integers(0, 20), min_size=1, max_size=12).filter(any)


@given(COUNTS)
def test_gini_is_half_the_mean_difference_over_the_mean(counts):
    """Its definition over all pairs of items."""
    pairs = [abs(a - b) for a, b in itertools.product(counts, counts)]
    assert gini(np.array(counts)) == pytest.approx(np.mean(pairs) / (2 * np.mean(counts)))


def test_even_and_uneven_lists():
    """Every item as often is 0 and the whole catalogue; one item alone is 1 - 1/n of it and 1/n."""
    assert gini(np.array([3, 3, 3, 3])) == pytest.approx(0)
    assert gini(np.array([0, 9, 0, 0])) == pytest.approx(3 / 4)
    assert coverage(np.array([0, 9, 0, 0])) == 1 / 4


def test_novelty_counts_bits():
    """Of 8 times interest, one more for each item included, an item with 4 gives 1 bit and one with 1 gives 3."""
    popularity = np.array([3.0, 1.0, 0.0, 0.0])
    assert novelty(np.array([5, 0, 0, 0]), popularity) == pytest.approx(1)
    assert novelty(np.array([1, 0, 1, 0]), popularity) == pytest.approx(2)
    with pytest.raises(InputError, match="popularity of each of 2 items, but has that of 4"):
        novelty(np.array([1, 1]), popularity)


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=4, unique=True), min_size=1, max_size=5), st.integers(0, 2**32 - 1)
)
def test_diversity_is_that_of_all_pairs(lists, seed):
    """The mean over lists of the mean over pairs of 1 - cosine; a vector of zeros is like nothing."""
    vectors = np.random.default_rng(seed).normal(size=(6, 3))
    vectors[5] = 0
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
    means = [
        np.mean([1 - units[a] @ units[b] for a, b in itertools.combinations(row, 2)]) for row in lists if len(row) > 1
    ]
    padded = np.array([row + [NO_ITEM] * (4 - len(row)) for row in lists])
    assert diversity(padded, vectors) == pytest.approx(np.mean(means) if means else 0.0)


def test_every_length_has_its_measures():
    """Coverage, Gini and novelty at each length, diversity at the smallest."""
    scores = np.eye(3, dtype=np.float32)
    found = evaluate(
        lambda rows: scores[rows],
        np.arange(3),
        plain.sets_of([{0}, {1}, {2}]),
        plain.sets_of([set(), set(), set()]),
        ks=(1, 2),
    )
    measures = beyond_accuracy(found, np.array([1.0, 1.0, 1.0]), np.eye(3))
    assert measures["coverage_at_1"] == 1
    assert measures["gini_at_2"] == pytest.approx(gini(np.array([3, 2, 1])))
    assert set(measures) == {f"{name}_at_{k}" for name in ("coverage", "gini", "novelty") for k in (1, 2)} | {
        "diversity_at_1"
    }
