"""A few queries as a person would look at them: who or what it is, what the user last did, and the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from validation.report.catalogue import Catalogue, Item

EVENTS_SHOWN = 8
ENTRIES_SHOWN = 10
UNWATCHED = "impression"


@dataclass(frozen=True)
class Done:
    """One thing that a user did."""

    at: datetime
    kind: str
    item_id: str
    item: Item | None


@dataclass(frozen=True)
class Entry:
    """One place of a list."""

    place: int
    item_id: str
    item: Item | None
    score: float
    source: str
    reason: str


@dataclass(frozen=True)
class Sample:
    """One query with its list. `about` tells who or what it is; `done` is empty for an item."""

    query_id: str
    about: tuple[str, ...]
    done: tuple[Done, ...]
    entries: tuple[Entry, ...]


def choose(lists: pa.Table, count: int, seed: int) -> list[str]:
    """Some of the queries that have a list, the same for the same lists and seed."""
    queries = pc.unique(lists.filter(pc.equal(lists["audience"], "query"))["query_id"])
    queries = queries.take(pc.sort_indices(queries))
    chosen = np.random.default_rng(seed).choice(len(queries), min(count, len(queries)), replace=False)
    names: list[str] = queries.take(pa.array(np.sort(chosen), pa.int64())).to_pylist()
    return names


def last_done(users: Sequence[str], days: Iterable[pa.Table]) -> pa.Table | None:
    """What the users last did, the newest first. `days` are events by day, newest first, read while needed."""
    found: list[pa.Table] = []
    wanted = pa.array(users, pa.string())
    for day in days:
        mine = day.filter(pc.is_in(day["user_id"], value_set=wanted))
        found.append(mine.filter(pc.not_equal(mine["event_type"], UNWATCHED)))
        counts = pc.value_counts(pa.chunked_array([c for part in found for c in part["user_id"].chunks], pa.string()))
        if sum(row["counts"] >= EVENTS_SHOWN for row in counts.to_pylist()) == len(users):
            break
    if not found:
        return None
    order = [("event_ts", "descending"), ("item_id", "ascending"), ("event_type", "ascending")]
    return pa.concat_tables(found).sort_by(order)


def samples(
    queries: Sequence[str],
    lists: pa.Table,
    items: Catalogue,
    about: Mapping[str, tuple[str, ...]],
    done: pa.Table | None,
) -> list[Sample]:
    """The chosen queries of one surface with the heads of their lists."""
    top = lists.filter(pc.and_(pc.less(lists["rank"], ENTRIES_SHOWN), pc.equal(lists["audience"], "query")))
    heads = top.filter(pc.is_in(top["query_id"], value_set=pa.array(queries, pa.string())))
    heads = heads.sort_by([("query_id", "ascending"), ("rank", "ascending")])
    mentioned = [heads["candidate_id"], *([done["item_id"]] if done else [])]
    named = items.named(pa.chunked_array([chunk for ids in mentioned for chunk in ids.chunks], pa.string()))
    rows, acts = heads.to_pylist(), done.to_pylist() if done else []
    return [
        Sample(
            query_id=query,
            about=about.get(query, ()),
            done=tuple(
                Done(act["event_ts"], act["event_type"], act["item_id"], named.get(act["item_id"]))
                for act in [act for act in acts if act["user_id"] == query][:EVENTS_SHOWN]
            ),
            entries=tuple(
                Entry(
                    place=row["rank"] + 1,
                    item_id=row["candidate_id"],
                    item=named.get(row["candidate_id"]),
                    score=row["score"],
                    source=row["source"],
                    reason=row["reason"],
                )
                for row in rows
                if row["query_id"] == query
            ),
        )
        for query in queries
    ]
