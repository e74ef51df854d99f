"""Small slates to choose lists from."""

from __future__ import annotations

import numpy as np

from serving_export.arrays import Ints
from serving_export.merge import Merged
from serving_export.rerank.slate import Slate

Line = list[tuple[int, float]]
"""Candidates of a query with their scores, in the order in which they were merged."""


def slate_of(lines: dict[int, Line]) -> Slate:
    """The candidates of queries, as merged and scored."""
    rows = [(query, *entry) for query in sorted(lines) for entry in lines[query]]
    queries, candidates = (np.array([row[n] for row in rows], np.int64) for n in (0, 1))
    scores = np.array([row[2] for row in rows], np.float64)
    untold = np.zeros(len(rows), np.int64)
    return Slate.of(Merged(queries, candidates, scores, untold, untold), scores)


def listed(slate: Slate, chosen: Ints) -> dict[int, list[int]]:
    """The entries of each line as candidates; nothing may stand behind a place that is empty."""
    lists = {}
    for query, candidates, places in zip(slate.queries.tolist(), slate.candidates, chosen.tolist(), strict=True):
        kept = [place for place in places if place >= 0]
        assert places[: len(kept)] == kept
        lists[query] = [int(candidates[place]) for place in kept]
    return lists
