"""Random rules, and what sources found, in words that a plain reading of the rules can be compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from serving_export.arrays import Floats, Ints
from serving_export.names import Pairs
from serving_export.rules import Regions, Rulebook
from serving_export.sources.found import Block, Finder, Found

QUERIES, ITEMS, COUNTRIES = 6, 12, 2
QUERY, ITEM = st.integers(0, QUERIES - 1), st.integers(0, ITEMS - 1)
PAIR = st.tuples(QUERY, ITEM)
ASKED = st.frozensets(QUERY)
QUOTA = st.integers(1, 6)
WEIGHT = st.integers(1, 4)


def numbers(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)


def fractions(values: Iterable[float]) -> Floats:
    return np.array(list(values), dtype=np.float64)


def pairs_of(weights: dict[tuple[int, int], float] | frozenset[tuple[int, int]]) -> Pairs:
    rows = sorted(weights)
    held = weights if isinstance(weights, dict) else dict.fromkeys(weights, 1.0)
    return Pairs(numbers(q for q, _ in rows), numbers(i for _, i in rows), fractions(held[row] for row in rows))


@dataclass(frozen=True)
class Rules:
    """Rules as sets: what is hidden from everybody, what is kept apart by which rule, and who may see what where."""

    hidden: frozenset[int]
    apart: dict[str, frozenset[tuple[int, int]]]
    countries: tuple[int, ...]
    kept_to: dict[int, frozenset[int]]

    def allow(self, query: int, item: int) -> bool:
        return not self.reasons(query, item)

    def reasons(self, query: int, item: int) -> set[str]:
        """The rules that keep the item from the query."""
        found = {name for name, pairs in self.apart.items() if (query, item) in pairs}
        found |= {"inactive"} if item in self.hidden else set()
        barred = item in self.kept_to and self.countries[query] not in self.kept_to[item]
        return found | ({"regions"} if barred else set())

    @property
    def book(self) -> Rulebook:
        """The same rules as the product holds them."""
        hidden = np.isin(np.arange(ITEMS), list(self.hidden))
        allowed = np.array([[c in self.kept_to.get(item, ()) for c in range(COUNTRIES)] for item in range(ITEMS)])
        kept = np.isin(np.arange(ITEMS), list(self.kept_to))
        regions = Regions(numbers(self.countries), kept, allowed) if self.kept_to else None
        return Rulebook(ITEMS, {"inactive": hidden}, {n: pairs_of(pairs) for n, pairs in self.apart.items()}, regions)


RULES = st.builds(
    Rules,
    hidden=st.frozensets(ITEM, max_size=3),
    apart=st.dictionaries(st.sampled_from(["own", "owned", "seen"]), st.frozensets(PAIR, max_size=15)),
    countries=st.tuples(*[st.integers(-1, COUNTRIES - 1)] * QUERIES),
    kept_to=st.dictionaries(ITEM, st.frozensets(st.integers(0, COUNTRIES - 1), min_size=1), max_size=3),
)
NO_RULES = Rules(frozenset(), {}, (-1,) * QUERIES, {})


def block_of(asked: Iterable[int], rules: Rules) -> Block:
    queries = numbers(sorted(asked))
    return Block(queries, rules.book.of(queries))


def lists_of(found: Found) -> dict[int, list[int]]:
    """What was found as one list per query; ranks must count from 0, queries rise and scores fall."""
    lists: dict[int, list[int]] = {}
    best: dict[int, list[float]] = {}
    rows = zip(*(array.tolist() for array in (found.queries, found.candidates, found.ranks, found.scores)), strict=True)
    for query, candidate, rank, score in rows:
        lists.setdefault(query, []).append(candidate)
        best.setdefault(query, []).append(score)
        assert rank == len(lists[query]) - 1
    assert list(lists) == sorted(lists)
    assert all(scores == sorted(scores, reverse=True) for scores in best.values())
    return lists


def in_blocks(finder: Finder, asked: Iterable[int], rules: Rules, size: int, quota: int) -> list[tuple[float, ...]]:
    """The rows that a finder finds where so many queries are worked on at once."""
    rows: list[tuple[float, ...]] = []
    ordered = sorted(asked)
    for start in range(0, len(ordered), size):
        found = finder.find(block_of(ordered[start : start + size], rules), quota)
        arrays = (found.queries, found.candidates, found.scores)
        rows += zip(*(array.tolist() for array in arrays), strict=True)
    return rows


def best_first(scores: dict[int, float], quota: int) -> list[int]:
    """Candidates by falling score, ties by number."""
    return sorted(scores, key=lambda candidate: (-scores[candidate], candidate))[:quota]
