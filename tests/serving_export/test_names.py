"""Ids as numbers, and pairs of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from daybreak.sorted_keys import contained
from serving_export.arrays import places, spread
from serving_export.names import Names, Pairs

PAIRS = st.frozensets(st.tuples(st.integers(0, 9), st.integers(0, 4)))


def rows_of(pairs: Pairs) -> list[tuple[int, int, float]]:
    return list(zip(*(array.tolist() for array in (pairs.queries, pairs.others, pairs.weights)), strict=True))


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.int64)


@given(pairs=PAIRS, chosen=st.frozensets(st.integers(0, 9)))
def test_the_pairs_of_some_queries_are_theirs_alone(pairs, chosen):
    """Whatever block of queries is worked on, it is given what it holds, in order, and nothing of its neighbours."""
    queries, others = columns(sorted(pairs))
    found = Pairs(queries, others, queries * 0.5).of(np.array(sorted(chosen), np.int64))
    assert rows_of(found) == [(query, other, query * 0.5) for query, other in sorted(pairs) if query in chosen]


@given(rows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(1, 9))))
def test_pairs_that_come_more_than_once_are_added_up(rows):
    """Each pair once and in order, with the sum of its weights; as one number each, they rise."""
    summed: dict[tuple[int, int], int] = {}
    for query, other, weight in rows:
        summed[query, other] = summed.get((query, other), 0) + weight
    queries, others = columns([row[:2] for row in rows])
    found = Pairs.summed(queries, others, np.array([float(row[2]) for row in rows]), 5)
    assert rows_of(found) == [(*key, float(summed[key])) for key in sorted(summed)]
    assert found.keys(5).tolist() == [query * 5 + other for query, other in sorted(summed)]


@given(pairs=st.permutations(sorted((q, o) for q in range(3) for o in range(3))))
def test_pairs_in_any_order_are_put_in_order(pairs):
    """With the weight that each came with, or 1."""
    queries, others = columns(pairs)
    weighed = Pairs.of_pairs(queries, others, queries * 10.0 + others)
    assert rows_of(weighed) == [(q, o, q * 10.0 + o) for q in range(3) for o in range(3)]
    assert set(Pairs.of_pairs(queries, others).weights) == {1.0}


@given(ids=st.lists(st.text(max_size=3)), asked=st.lists(st.text(max_size=3)))
def test_an_id_is_found_by_its_number_and_a_number_by_its_id(ids, asked):
    """Numbers follow the order of the ids, each id has one, and what is not known has none."""
    names = Names(pa.array(ids, pa.string()))
    ordered = sorted(set(ids), key=str.encode)
    assert names.ids.to_pylist() == ordered
    assert names.numbers(pa.array(asked, pa.string())).tolist() == [
        ordered.index(name) if name in ordered else -1 for name in asked
    ]
    assert names.of(np.arange(len(names))[::-1]).to_pylist() == ordered[::-1]


@given(lengths=st.lists(st.integers(0, 4)))
def test_stretches_are_walked_one_after_another(lengths):
    """Each place of each stretch comes once, in order, with the stretch it is of; places within each count from 0."""
    starts = np.array([10 * number for number in range(len(lengths))], np.int64)
    owners, at = spread(starts, starts + np.array(lengths, np.int64))
    expected = [(n, 10 * n + k) for n, length in enumerate(lengths) for k in range(length)]
    assert list(zip(owners.tolist(), at.tolist(), strict=True)) == expected
    assert places(owners).tolist() == [k for length in lengths for k in range(length)]


@given(keys=st.lists(st.integers(0, 20)), among=st.frozensets(st.integers(0, 20)))
def test_what_is_contained_is_what_is_there(keys, among):
    """Also past either end, and where there is nothing."""
    found = contained(np.array(keys, np.int64), np.array(sorted(among), np.int64))
    assert found.tolist() == [key in among for key in keys]
