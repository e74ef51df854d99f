"""Shards: every id in one of them for good, and the best of all of them as one list."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from indexing.arrays import NOWHERE
from indexing.embedded import Embedded
from indexing.exact import Exact
from indexing.scoring import best_of, without
from indexing.shards import merged, shard_of
from indexing.spaces import Space
from tests.indexing.vectors import TWINS, home_in, index_night, live, world

IDS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=60, unique=True)
SHARDS = st.integers(1, 12)
SMALL = st.integers(-3, 3)
"""Places of vectors whose products are often equal."""


@st.composite
def worlds(draw):
    """Queries and vectors of few whole numbers, where vectors are cut into shards, and how many are asked for."""
    width, rows, asked = draw(st.integers(1, 4)), draw(st.integers(1, 40)), draw(st.integers(1, 5))
    numbers = draw(st.lists(SMALL, min_size=(rows + asked) * width, max_size=(rows + asked) * width))
    table = np.array(numbers, np.float32).reshape(rows + asked, width)
    cuts = sorted(draw(st.lists(st.integers(0, rows), max_size=4)))
    return table[rows:], table[:rows], [0, *cuts, rows], draw(st.integers(1, 50))


def by_sorting(queries, vectors, k):
    """The k best rows of each query, equals by row, and their scores."""
    scores = queries @ vectors.T
    order = np.lexsort((np.broadcast_to(np.arange(len(vectors)), scores.shape), -scores), axis=1)[:, :k]
    rows, best = np.full((len(queries), k), NOWHERE), np.full((len(queries), k), -np.inf, np.float32)
    rows[:, : order.shape[1]] = order
    best[:, : order.shape[1]] = np.take_along_axis(scores, order, axis=1)
    return rows, best


def lists_of_shards(queries, vectors, cuts, k):
    """What each shard finds, by its place in the whole."""
    for start, stop in pairwise(cuts):
        rows, scores = by_sorting(queries, vectors[start:stop], k)
        yield np.where(rows == NOWHERE, NOWHERE, rows + start), scores


@given(IDS, SHARDS)
def test_a_shard_is_told_by_the_id_alone(ids, shards):
    """Whatever other ids there are, in whatever order, an id lies in the same shard, which is one there is."""
    found = shard_of(pa.array(ids), shards)
    assert ((found >= 0) & (found < shards)).all()
    assert [int(shard_of(pa.array([each]), shards)[0]) for each in ids] == found.tolist()
    assert shard_of(pa.array(ids[::-1]), shards).tolist() == found.tolist()[::-1]


def test_shards_are_about_equally_large():
    """Of many ids that are alike, none holds a fifth more than its part."""
    found = Counter(shard_of(pa.array([f"item-{number}" for number in range(20_000)]), 8).tolist())
    assert set(found) == set(range(8))
    assert max(found.values()) < 20_000 / 8 * 1.2


def test_shards_stay_where_they_are_from_release_to_release():
    """The hash is part of the format: these ids lie where they always lay."""
    ids = pa.array(["i0001", "i0002", "ü", "\N{SNOWMAN}", "a" * 200])
    assert shard_of(ids, 1).tolist() == [0] * 5
    assert shard_of(ids, 7).tolist() == [4, 4, 5, 0, 0]


@given(IDS, st.integers(1, 4))
def test_every_id_has_one_row_that_holds_its_vector(ids, shards):
    """In the rows of its shard, ordered by id; an id that is not there has none."""
    held = set(shard_of(pa.array(ids), shards).tolist())
    if len(held) < shards:
        return
    vectors = np.arange(1, 2 * len(ids) + 1, dtype=np.float32).reshape(-1, 2)
    embedded = Embedded.of(pa.array(ids), vectors, shards, "items of a test", "mend it")
    for name, vector in zip(ids, vectors, strict=True):
        row = embedded.row(name)
        assert embedded.names(np.array([row])) == [name]
        assert (embedded.vectors[row] == vector).all()
    assert embedded.rows(pa.array(ids)).tolist() == [embedded.row(name) for name in ids]
    assert embedded.row("not there at all") == NOWHERE
    for number in range(shards):
        mine = embedded.ids[embedded.starts[number] : embedded.starts[number + 1]].to_pylist()
        assert mine == sorted(mine, key=str.encode)
        assert set(shard_of(pa.array(mine), shards).tolist()) == {number}


@given(worlds())
def test_the_best_of_shards_are_the_best_of_the_whole(world):
    """However vectors are cut, merged lists are those of one search over all: equals by row, shards that hold nothing
    and lists longer than all there is included."""
    queries, vectors, cuts, k = world
    rows, scores = merged(list(lists_of_shards(queries, vectors, cuts, k)), k, np.arange(len(vectors)))
    told_rows, told_scores = by_sorting(queries, vectors, k)
    assert rows.tolist() == told_rows.tolist()
    assert scores.tolist() == told_scores.tolist()


@given(worlds())
def test_an_exact_search_is_a_full_sort(world):
    """The one that shards are searched by, against sorting all products."""
    queries, vectors, _, k = world
    rows, scores = Exact(vectors).top_k(queries, k)
    told_rows, told_scores = by_sorting(queries, vectors, k)
    assert rows.tolist() == told_rows.tolist()
    assert scores.tolist() == told_scores.tolist()


@given(worlds(), st.randoms(use_true_random=False))
def test_candidates_are_scored_and_sorted_whatever_their_order(world, chance):
    """What an index found comes back best first, equals by row, and places without a candidate stand last."""
    queries, vectors, _, k = world
    found = []
    for _ in queries:
        line = list(range(len(vectors))) + [NOWHERE] * 3
        chance.shuffle(line)
        found.append(line)
    rows, scores = best_of(queries, vectors, np.array(found), k)
    told_rows, told_scores = by_sorting(queries, vectors, k)
    assert rows.tolist() == told_rows.tolist()
    assert scores.tolist() == told_scores.tolist()


@given(worlds())
def test_a_list_without_its_own_row_is_what_is_left_of_it(world):
    """One more than wanted is asked for; the own row goes, or the last where it is not among them."""
    queries, vectors, _, k = world
    rows, scores = by_sorting(queries, vectors, k + 1)
    own = np.arange(len(queries)) % len(vectors)
    left, left_scores = without(rows, scores, own, k)
    for line, kept, told, mine in zip(rows, left, left_scores, own, strict=True):
        expected = [row for row in line.tolist() if row not in (mine, NOWHERE)][:k]
        assert [row for row in kept.tolist() if row != NOWHERE] == expected
        assert kept.shape == (k,)
        assert (told[len(expected) :] == -np.inf).all()


@given(worlds(), st.randoms(use_true_random=False))
def test_equals_of_shards_come_by_rank(world, chance):
    """Whatever the order of the ranks, merged lists are those of a sort by score and then rank."""
    queries, vectors, cuts, k = world
    ranks = list(range(len(vectors)))
    chance.shuffle(ranks)
    parts = list(lists_of_shards(queries, vectors, cuts, len(vectors)))
    rows, _ = merged(parts, min(k, len(vectors)), np.array(ranks))
    whole, scores = by_sorting(queries, vectors, len(vectors))
    for line, row, score in zip(rows, whole, scores, strict=True):
        by_rank = sorted(zip(-score, (ranks[each] for each in row), row, strict=True))
        assert line.tolist() == [each for *_, each in by_rank[: len(line)]]


def test_lists_of_an_exact_index_are_the_same_however_it_is_cut(tmp_path):
    """Items whose vectors are the same included, which stand by their ids though they lie in different shards."""
    told = []
    for shards_ in (1, 3):
        settings = home_in(tmp_path / str(shards_), index="exact", index_shards=shards_)
        index_night(settings, 1, world(1))
        index = live(settings)
        told.append({user: index.ask(Space.FOR_USERS, user, 60).ids for user in index.users.ids.to_pylist()})
    assert told[0] == told[1]
    assert any(
        0 <= ids.index(first) == ids.index(second) - 1
        for first, second in TWINS
        for ids in told[0].values()
        if first in ids and second in ids
    )
