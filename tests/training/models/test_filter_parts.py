"""Whatever a part is made of, it gives what its matrix of items by items would give, and comes back as it was kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse import random as drawn

from training.data.histories import Histories
from training.models import filter_parts
from training.models.filter_parts import (
    Completed,
    LowRank,
    Part,
    arrays_of,
    given_by,
    nearest,
    part_of,
    product,
    rows_of,
    walked,
    whole,
)
from training.models.graph_filter import FilterSettings, fit_filter

N_ITEMS, N_USERS = 9, 7
KINDS = ("dense", "low", "completed")
kinds, seeds = st.sampled_from(KINDS), st.integers(0, 999)


def entries(rows: int, columns: int, draw: np.random.Generator) -> csr_matrix:
    return csr_matrix(drawn(rows, columns, density=0.3, random_state=draw, dtype=np.float32))


def made(kind: str, seed: int) -> Part:
    """A part of a kind, drawn at random; some users and items of its ties have none."""
    draw = np.random.default_rng(seed)
    low = LowRank(*draw.standard_normal((2, N_ITEMS, 3)).astype(np.float32))
    if kind == "dense":
        return draw.standard_normal((N_ITEMS, N_ITEMS)).astype(np.float32)
    if kind == "low":
        return low
    ends = draw.random((2, N_ITEMS)).astype(np.float32)
    return Completed(low, entries(N_USERS, N_ITEMS, draw), *ends, float(draw.random()))


def plain(part: Part) -> np.ndarray:
    """The matrix of a part by its definition, in double precision."""
    if isinstance(part, Completed):
        ties = part.ties.toarray().astype(np.float64)
        return plain(part.low) + part.strength * np.diag(part.entering) @ ties.T @ ties @ np.diag(part.leaving)
    if isinstance(part, LowRank):
        return part.before.astype(np.float64) @ part.after.T
    return part


@settings(max_examples=60, deadline=None)
@given(kind=kinds, seed=seeds, many=st.integers(0, 4))
def test_what_a_part_gives_is_its_matrix_times_what_is_asked(kind, seed, many):
    """For each history, also for none and for nobody."""
    part, asked = made(kind, seed), entries(many, N_ITEMS, np.random.default_rng(seed))
    found = given_by(part, asked)
    np.testing.assert_allclose(found, asked.toarray() @ plain(part), atol=1e-5)
    assert (found.dtype, found.shape) == (np.float32, (many, N_ITEMS))
    np.testing.assert_allclose(whole(part), plain(part), atol=1e-5)
    np.testing.assert_allclose(rows_of(part, slice(2, 5)), plain(part)[2:5], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_comes_back_as_it_was_kept(kind):
    """Through plain arrays under its own name, beside another part's."""
    part = made(kind, 3)
    arrays = arrays_of("other", made("completed", 4)) | arrays_of("smooth", part)
    again = part_of("smooth", arrays, N_ITEMS)
    assert type(again) is type(part)
    asked = entries(5, N_ITEMS, np.random.default_rng(5))
    assert given_by(again, asked).tobytes() == given_by(part, asked).tobytes()
    assert whole(again).tobytes() == whole(part).tobytes()


@settings(max_examples=30, deadline=None)
@given(seed=seeds, items=st.lists(st.integers(0, N_ITEMS - 1), unique=True, min_size=1).map(np.array))
def test_a_walk_to_some_items_is_that_to_all_at_their_columns(seed, items):
    """In the order given."""
    part, asked = made("completed", seed), entries(4, N_ITEMS, np.random.default_rng(seed))
    assert isinstance(part, Completed)
    to_all = walked(part, asked)
    np.testing.assert_array_equal(walked(part, asked, items), to_all[:, items])
    ties = part.ties.toarray().astype(np.float64)
    np.testing.assert_allclose(to_all, asked.toarray() * part.entering @ ties.T @ ties, atol=1e-5)


@pytest.mark.parametrize("entries_at_once", [1, 2 * N_USERS, 4 * N_USERS])
def test_a_walk_is_the_same_however_many_histories_go_at_once(monkeypatch, entries_at_once):
    """One by one, some at a time, or all."""
    part, asked = made("completed", 6), entries(5, N_ITEMS, np.random.default_rng(6))
    assert isinstance(part, Completed)
    expected = walked(part, asked)
    monkeypatch.setattr(filter_parts, "ENTRIES_AT_ONCE", entries_at_once)
    np.testing.assert_array_equal(walked(part, asked), expected)
    assert walked(part, asked[:0]).shape == (0, N_ITEMS)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, columns=st.integers(0, 4))
def test_a_product_is_scipys(seed, columns):
    """Rows without entries give nothing, the last ones too; of nothing there is nothing."""
    draw = np.random.default_rng(seed)
    matrix, dense = entries(6, 5, draw), draw.standard_normal((5, columns)).astype(np.float32)
    np.testing.assert_allclose(product(matrix, dense), matrix @ dense, atol=1e-5)
    nothing = csr_matrix((6, 5), dtype=np.float32)
    np.testing.assert_array_equal(product(nothing, dense), np.zeros((6, columns)))


@settings(max_examples=40, deadline=None)
@given(kind=kinds, seed=seeds, neighbours=st.integers(1, N_ITEMS + 2), block=st.integers(1, N_ITEMS + 1))
def test_the_nearest_are_the_largest_of_each_row(kind, seed, neighbours, block):
    """Above 0, with columns lifted, however rows are cut into blocks."""
    part, lifted = made(kind, seed), np.random.default_rng(seed).random(N_ITEMS).astype(np.float32)
    found = nearest(part, lifted, neighbours, block).toarray()
    expected = np.maximum(whole(part) * lifted, 0)
    for row, kept in zip(expected, found, strict=True):
        row[np.argsort(-row, kind="stable")[neighbours:]] = 0
        np.testing.assert_allclose(np.sort(kept), np.sort(row), atol=1e-6)
        np.testing.assert_allclose(kept[kept > 0], row[kept > 0], atol=1e-6)


def world_of(draw: np.random.Generator, n_users: int = 30, n_items: int = 20) -> Histories:
    wanted = draw.random((n_users, n_items)) < 0.4
    users, items = np.nonzero(wanted)
    ones = np.ones(len(items), np.float32)
    return Histories(np.searchsorted(users, np.arange(n_users + 1)), items, ones, ones, n_items)


def smooth(histories: Histories, **values: float) -> Part:
    shaped = {"smooth": 1.0, "walk": 0.0, "ridge": 0.0, "user_damping": 0.5, **values}
    return fit_filter(histories, FilterSettings(**shaped)).parts["smooth"]


@pytest.mark.parametrize("damping", [0.0, 0.5])
@pytest.mark.parametrize(("frequencies", "slope", "beyond"), [(5, 0.5, 0.5), (5, 0.0, 1.0), (12, 1.0, 0.3), (1, 2, 1)])
def test_a_low_pass_completed_has_the_gains_that_it_was_told(frequencies, slope, beyond, damping):
    """On each kept singular vector its value to the slope; on each further one its value squared, in units in which the
    last kept one has so much of its own gain: as numpy decomposes the damped ties."""
    histories = world_of(np.random.default_rng(8))
    assert_gains(histories, frequencies, slope, beyond, damping)


def test_frequencies_that_are_next_to_nothing_are_left_to_what_lies_beyond():
    """Those of less than a hundredth of the strongest: the rest does not drown in what is added and taken off."""
    base = world_of(np.random.default_rng(10))
    ages = np.repeat(np.where(np.arange(30) < 12, 1.0, 40_000.0), base.sizes).astype(np.float32)
    assert_gains(replace(base, ages=ages), 18, 0.5, 0.5, 0.0, kept=12, user_damping=0.0)


def assert_gains(
    histories: Histories, frequencies: int, slope: float, beyond: float, damping: float, kept: int = 0,
    user_damping: float = 0.5,
) -> None:  # fmt: skip
    """On the first `kept` singular vectors, or on all frequencies asked for."""
    found = smooth(histories, frequencies=frequencies, slope=slope, beyond=beyond, item_damping=damping,
        user_damping=user_damping)  # fmt: skip
    ties = histories.matrix(0.5 ** (histories.ages / 3650)).toarray().astype(np.float64)
    degrees = ties.sum(axis=0)
    damped = ties.sum(axis=1, keepdims=True) ** -user_damping * ties * degrees**-damping
    _, values, vectors = np.linalg.svd(damped, full_matrices=False)
    values /= values[0]
    first = kept or frequencies
    last = values[first - 1]
    gains = np.where(np.arange(20) < first, values**slope, beyond * last**slope * (values / last) ** 2)
    expected = np.diag(degrees**-damping) @ (vectors.T * gains) @ vectors @ np.diag(degrees**damping)
    assert isinstance(found, Completed)
    np.testing.assert_allclose(whole(found), expected, atol=1e-4 * np.abs(expected).max())


def test_where_every_frequency_is_kept_nothing_lies_beyond():
    """However much is asked of it: also where users are so alike that there are few frequencies."""
    one = world_of(np.random.default_rng(9), 4)
    users = np.repeat(np.arange(4), 30)
    alike = one.of_rows(users)
    without, much = (whole(smooth(alike, frequencies=50, slope=0.5, beyond=beyond)) for beyond in (0.0, 1.0))
    np.testing.assert_allclose(much, without, atol=1e-5 * np.abs(without).max())
    assert np.linalg.matrix_rank(without, tol=1e-4) == 4
