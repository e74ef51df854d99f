"""Judging a ranking over the whole catalogue: every item is scored for every query, none is sampled.

Sampled negatives can turn the order of two models round, so nothing is sampled. Queries are scored in blocks, and of a
block only the places of relevant items, the counts of items shown and the first few places of each list are kept. Each
processor takes a block, which one thread scores and ranks: what is found is the same on one processor or on many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from daybreak.errors import InputError
from training.evaluation.ranking import NO_ITEM, NOWHERE, Floats, Ints, Scores, Sets, per_query, places
from training.evaluation.top_k import top_k
from training.threads import by_each_processor

ScoreBlock = Callable[[Ints], Scores]
"""From the numbers of some queries to a score for each of them and each item of the catalogue. Several threads ask, and
each answer is an array of its own."""
KS = (10, 20, 100)
BLOCK = 128
"""Queries scored at once: as many as a processor's cache holds the scores of."""
MOST_SCORES = 32_000_000
"""Where the catalogue is long fewer queries are scored at once, so that each processor holds no more than these."""


@dataclass(frozen=True)
class RankingEvaluation:
    """What was found of the queries that want something; those that want nothing are not counted.

    `relevant` and `places` tell where each wanted item was ranked, `metrics` each measure of each query, `exposures`
    how many lists of each length show each item, `lists` the lists of the smallest length.
    """

    ks: tuple[int, ...]
    queries: Ints
    relevant: Sets
    places: Ints
    metrics: dict[str, Floats]
    exposures: dict[int, Ints]
    lists: Ints

    @property
    def means(self) -> dict[str, float]:
        return {name: float(values.mean()) for name, values in self.metrics.items()}


def evaluate(
    score_block: ScoreBlock, queries: Ints, relevant: Sets, seen: Sets, ks: Sequence[int] = KS, block: int = BLOCK
) -> RankingEvaluation:
    """Ranks the catalogue for each query, without what it has seen, and measures how it ranks what is relevant.

    Queries number the rows of `relevant` and `seen`. An item that is both seen and relevant is never shown and counts
    as missed, as does one that the model does not score.
    """
    ks = tuple(sorted(set(ks)))
    counted = queries[relevant.sizes[queries] > 0]
    if not len(counted) or not ks or ks[0] < 1:
        raise InputError(
            "an evaluation needs queries with something relevant and lengths from 1, but "
            f"{len(counted)} of {len(queries)} queries have something relevant and the lengths are {list(ks)}: "
            "look at the split of the events, and at the lengths"
        )
    wanted = relevant.of_rows(counted)
    found = np.full(len(wanted.items), NOWHERE)
    exposures = dict.fromkeys(ks, np.zeros(0, dtype=np.int64))
    lists = np.full((len(counted), ks[0]), NO_ITEM)

    def ranked(start: int) -> tuple[Ints, int]:
        """The lists of the block that starts there, and how many items they were chosen from."""
        asked = counted[start : start + block]
        scores = score_block(asked)
        return top_k(scores, seen.of_rows(asked), ks[-1]), scores.shape[1]

    least_items = 1 + max(int(sets.items.max(initial=0)) for sets in (seen, relevant))
    block = max(1, min(block, MOST_SCORES // least_items))
    starts = range(0, len(counted), block)
    for start, (shown, n_items) in zip(starts, by_each_processor(ranked, starts), strict=True):
        rows = np.arange(start, start + len(shown))
        found[wanted.starts[start] : wanted.starts[start + len(shown)]] = places(shown, wanted.of_rows(rows))
        lists[rows] = shown[:, : ks[0]]
        exposures = {k: _added(exposures[k], shown[:, :k], n_items) for k in ks}
    return RankingEvaluation(ks, counted, wanted, found, per_query(wanted, found, ks), exposures, lists)


def _added(counts: Ints, lists: Ints, n_items: int) -> Ints:
    more = np.bincount(lists[lists != NO_ITEM], minlength=n_items)
    return more + counts if len(counts) else more
