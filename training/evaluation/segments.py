"""Who is served well and who is not: queries by how much history they have, items by how much interest they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daybreak.errors import InputError
from training.evaluation.confidence import DRAWS, intervals
from training.evaluation.full_catalogue import RankingEvaluation
from training.evaluation.ranking import Floats, Ints, Sets, per_query

HISTORY = ("new", "light", "heavy")
POPULARITY = ("head", "tail", "cold")
HEAD_SHARE = 0.8


@dataclass(frozen=True)
class QuerySegments:
    """The segment of each query, as its place in `names`; queries by number."""

    names: tuple[str, ...]
    numbers: Ints

    def metrics(self, evaluation: RankingEvaluation, number: int) -> dict[str, Floats]:
        """Every measure of the queries of one segment."""
        mine = _segments_of(self.numbers, evaluation.queries, "query") == number
        return {name: values[mine] for name, values in evaluation.metrics.items()}


@dataclass(frozen=True)
class ItemSegments:
    """The segment of each item, as its place in `names`; items by number."""

    names: tuple[str, ...]
    numbers: Ints

    def metrics(self, evaluation: RankingEvaluation, number: int) -> dict[str, Floats]:
        """Recall of the relevant items of one segment, for the queries that have such."""
        relevant = evaluation.relevant
        mine = _segments_of(self.numbers, relevant.items, "item") == number
        rows = np.unique(relevant.rows[mine], return_inverse=True)[1]
        kept = Sets.of(rows, relevant.items[mine], int(rows.max(initial=-1)) + 1)
        measures = per_query(kept, evaluation.places[mine], evaluation.ks)
        return {name: values for name, values in measures.items() if name.startswith("recall")}


def history_segments(sizes: Ints, heavy_from: int | None = None, heavy_share: float = 0.2) -> QuerySegments:
    """New queries have no history; heavy ones have at least `heavy_from`, or are the longest `heavy_share` of those
    that have any."""
    if heavy_from is None:
        known = sizes[sizes > 0]
        heavy_from = int(np.ceil(np.quantile(known, 1 - heavy_share))) if len(known) else 1
    return QuerySegments(HISTORY, np.where(sizes == 0, 0, np.where(sizes < heavy_from, 1, 2)))


def popularity_segments(interest: Floats | Ints, head_share: float = HEAD_SHARE) -> ItemSegments:
    """The head are the fewest items that together make `head_share` of all interest, cold ones were never wanted
    before; between items of equal interest the smaller number comes first."""
    order = np.argsort(-interest, kind="stable")
    before = np.empty(len(interest))
    before[order] = np.cumsum(interest[order]) - interest[order]
    numbers = np.where(before < head_share * interest.sum(), 0, 1)
    return ItemSegments(POPULARITY, np.where(interest > 0, numbers, 2))


def segment_table(
    evaluation: RankingEvaluation, segments: QuerySegments | ItemSegments, seed: int = 0, draws: int = DRAWS
) -> list[dict[str, Any]]:
    """A row for each segment: its name, how many queries were counted, and of each measure mean, low and high."""
    table = []
    for number, segment in enumerate(segments.names):
        metrics = segments.metrics(evaluation, number)
        queries = _counted(list(metrics.values()))
        row: dict[str, Any] = {"segment": segment, "queries": queries}
        if queries:
            row |= intervals(metrics, seed, draws)
        table.append(row)
    return table


def _counted(columns: Sequence[Floats]) -> int:
    return len(columns[0]) if columns else 0


def _segments_of(segments: Ints, numbers: Ints, what: str) -> Ints:
    if len(numbers) and numbers.max() >= len(segments):
        raise InputError(
            f"each {what} needs its segment, but there are {len(segments)} and {what} {numbers.max()} was evaluated: "
            "segment all that have a number"
        )
    return segments[numbers]
