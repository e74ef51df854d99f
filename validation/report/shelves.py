"""The lists of a surface, as numbers: lengths, sources, how much of the catalogue, how like what people do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from validation.report.catalogue import Catalogue

TOP = 10
POPULAR_SHARE = 0.01
SCORE_BINS = 30


@dataclass(frozen=True)
class CategoryShare:
    """A category's share of the top places of the lists, and of what people did."""

    category: str
    lists: float
    events: float


@dataclass(frozen=True)
class Scores:
    """How scores are distributed: entries by bin, and the bins' edges."""

    counts: tuple[int, ...]
    edges: tuple[float, ...]


@dataclass(frozen=True)
class Shelf:
    """The lists of one surface. `places` has for each source its share of every place, from the first."""

    surface: str
    lists: int
    entries: int
    fallback: int
    lengths: Mapping[int, int]
    sources: Mapping[str, float]
    places: Mapping[str, tuple[float, ...]]
    coverage: float | None
    top_coverage: float | None
    popular_share: float | None
    categories: tuple[CategoryShare, ...]
    scores: Scores


def shelf(surface: str, lists: pa.Table, items: Catalogue, popularity: pa.Table) -> Shelf:
    """The statistics of one surface's `lists`; `popularity` (item_id, score, events) says what people want."""
    own = lists.filter(pc.equal(lists["audience"], "query"))
    top = own.filter(pc.less(own["rank"], TOP))
    lengths = own.group_by("query_id").aggregate([([], "count_all")])["count_all"]
    by_length = {row["values"]: row["counts"] for row in pc.value_counts(lengths).to_pylist()}
    return Shelf(
        surface=surface,
        lists=len(lengths),
        entries=own.num_rows,
        fallback=pc.sum(pc.equal(lists["audience"], "everyone")).as_py() or 0,
        lengths=dict(sorted(by_length.items())),
        sources=_shares(own["source"]),
        places=_shares_by_place(own),
        coverage=_coverage(own["candidate_id"], items.shown),
        top_coverage=_coverage(top["candidate_id"], items.shown),
        popular_share=_popular_share(top["candidate_id"], popularity),
        categories=_category_mix(items.category_of(top["candidate_id"]), items, popularity),
        scores=_scores(own["score"]),
    )


def _shares(values: pa.ChunkedArray | pa.Array) -> dict[str, float]:
    """Each value's share, the largest first."""
    counts = pc.value_counts(values).to_pylist()
    counts.sort(key=lambda row: (-row["counts"], row["values"]))
    return {row["values"]: row["counts"] / len(values) for row in counts}


def _shares_by_place(own: pa.Table) -> dict[str, tuple[float, ...]]:
    groups = own.group_by(["source", "rank"]).aggregate([([], "count_all")])
    sources = list(_shares(own["source"]))
    counts = np.zeros((len(sources), int(pc.max(own["rank"]).as_py()) + 1 if own.num_rows else 0))
    for row in groups.to_pylist():
        counts[sources.index(row["source"]), row["rank"]] = row["count_all"]
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    return {source: tuple(shares[number].tolist()) for number, source in enumerate(sources)}


def _coverage(candidates: pa.ChunkedArray, shown: pa.Array) -> float | None:
    """The share of the items that may be shown which stand in some list."""
    if not len(shown):
        return None
    distinct = pc.unique(candidates)
    return float(pc.sum(pc.is_in(distinct, value_set=shown)).as_py() or 0) / len(shown)


def _popular_share(candidates: pa.ChunkedArray, popularity: pa.Table) -> float | None:
    """The share of these places taken by the most popular items."""
    if not popularity.num_rows or not len(candidates):
        return None
    order = pc.sort_indices(popularity, [("score", "descending"), ("item_id", "ascending")])
    head = popularity["item_id"].take(order.slice(0, int(np.ceil(POPULAR_SHARE * popularity.num_rows))))
    return float(pc.mean(pc.is_in(candidates, value_set=head.combine_chunks())).as_py())


def _category_mix(
    listed: pa.Array | pa.ChunkedArray, items: Catalogue, popularity: pa.Table
) -> tuple[CategoryShare, ...]:
    """Category shares of lists and events, the most wanted first."""
    in_lists = _shares(listed)
    wanted = pa.table({"category": items.category_of(popularity["item_id"]), "events": popularity["events"]})
    sums = wanted.group_by("category").aggregate([("events", "sum")]).to_pylist()
    events = sum(row["events_sum"] for row in sums)
    in_events = {row["category"]: row["events_sum"] / events for row in sums} if events else {}
    names = sorted({*in_lists, *in_events}, key=lambda name: (-in_events.get(name, 0), -in_lists.get(name, 0), name))
    return tuple(CategoryShare(name, in_lists.get(name, 0.0), in_events.get(name, 0.0)) for name in names)


def _scores(scores: pa.ChunkedArray) -> Scores:
    values = scores.to_numpy()
    values = values[np.isfinite(values)]
    if not len(values):
        return Scores((), ())
    counts, edges = np.histogram(values, bins=SCORE_BINS)
    return Scores(tuple(counts.tolist()), tuple(edges.tolist()))
