"""Draws are the same everywhere and spread evenly."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daybreak.draws import bell, chunks, numbered, pick, stream, uniform, words


def test_words_are_splitmix64() -> None:
    """Stream 0 gives the published first outputs of SplitMix64 from state 0."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    assert [int(word) for word in words(0, np.arange(1, 5))] == published


def test_a_draw_does_not_depend_on_the_others() -> None:
    """Draws made all at once, in part, or one at a time are equal."""
    of = stream(1, "purpose")
    everything = uniform(of, np.arange(1_000))
    assert np.array_equal(everything[500:], uniform(of, np.arange(500, 1_000)))
    assert everything[77] == uniform(of, np.array([77]))[0]


@given(st.integers(0, 2**63), st.integers(1, 2**31))
def test_picks_stay_below_their_limit(seed: int, limit: int) -> None:
    """A pick is from 0 to one below its limit."""
    picks = pick(stream(seed, "picks"), np.arange(64), limit)
    assert picks.min() >= 0
    assert picks.max() < limit


def test_uniform_draws_fill_their_range_evenly() -> None:
    """Each tenth of the range gets a tenth of the draws, within four deviations."""
    counts = np.bincount((uniform(stream(3, "even"), np.arange(100_000)) * 10).astype(int), minlength=10)
    assert np.abs(counts - 10_000).max() < 4 * 95


def test_bell_draws_have_mean_zero_and_deviation_one() -> None:
    """The moments are those promised."""
    draws = bell(stream(3, "bell"), np.arange(100_000))
    assert abs(draws.mean()) < 0.02
    assert abs(draws.std() - 1) < 0.02


def test_streams_of_different_names_differ() -> None:
    """Every part of a name counts, where it begins and ends included."""
    names = [(1, "a", 2), (1, "a2"), (1, "a", 3), (2, "a", 2), ("1a", 2)]
    assert len({stream(*name) for name in names}) == len(names)


@given(st.lists(st.integers(0, 5)), st.integers(1, 7))
def test_things_are_numbered_owner_by_owner(counts: list[int], size: int) -> None:
    """As two nested loops would number them; and chunks together are all numbers."""
    owner, nth = numbered(np.array(counts, dtype=np.int64))
    assert list(zip(owner.tolist(), nth.tolist(), strict=True)) == [
        (k, n) for k, c in enumerate(counts) for n in range(c)
    ]
    assert [n for chunk in chunks(len(counts), size) for n in chunk.tolist()] == list(range(len(counts)))
