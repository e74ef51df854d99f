"""What a point-in-time join must give, row by row in plain Python, and worlds of nasty rows to try it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS, AsOf

Row = dict[str, Any]
MOMENT = pa.timestamp("us", tz="UTC")
TTL = timedelta(days=1)
START = datetime(2026, 3, 8, 6, 30, tzinfo=UTC)
"""New York moves its clocks within the day that follows."""
MICROSECOND = timedelta(microseconds=1)
STEPS = [
    timedelta(0),
    MICROSECOND,
    timedelta(minutes=45),
    TTL - MICROSECOND,
    TTL,
    TTL + MICROSECOND,
    2 * TTL,
    2 * TTL + MICROSECOND,
]

SPINE = pa.schema(
    {"user_id": pa.string(), "item_id": pa.int32(), "ts": MOMENT, "slate": pa.list_(pa.string()), "request": pa.int64()}
)
TASTE = AsOf("taste", ("user_id",), ("score", "tags", "vector"), TTL)
VISITS = AsOf("visits", ("visitor",), ("last_seen", "loyal"), None, ("user_id",))
PAIR = AsOf("pair", ("item", "user"), ("views",), TTL, ("item_id", "user_id"))
TIMES = {EVENT_TS: MOMENT, AVAILABLE_TS: MOMENT}
SIDES: dict[AsOf, pa.Schema] = {
    TASTE: pa.schema(
        {
            "user_id": pa.string(),
            **TIMES,
            "score": pa.float64(),
            "tags": pa.list_(pa.string()),
            "vector": pa.list_(pa.float32()),
        }
    ),
    VISITS: pa.schema({"visitor": pa.string(), **TIMES, "last_seen": MOMENT, "loyal": pa.bool_()}),
    PAIR: pa.schema({"item": pa.int64(), "user": pa.string(), **TIMES, "views": pa.int32()}),
}


@dataclass(frozen=True)
class World:
    """The rows of a spine and of each of `SIDES`."""

    spine: list[Row]
    sides: dict[AsOf, list[Row]]

    @property
    def expected(self) -> list[Row]:
        return join(self.spine, "ts", list(self.sides.items()))

    def tables(self) -> tuple[pa.Table, dict[AsOf, pa.Table]]:
        sides = {side: pa.Table.from_pylist(rows, SIDES[side]) for side, rows in self.sides.items()}
        return pa.Table.from_pylist(self.spine, SPINE), sides


def join(spine: Sequence[Row], spine_ts: str, sides: Sequence[tuple[AsOf, Sequence[Row]]]) -> list[Row]:
    """Each row of the spine with, for each side, the columns of the row that counts for it."""
    joined = []
    for asked in spine:
        answer = dict(asked)
        for side, rows in sides:
            found = _that_counts(asked, asked[spine_ts], side, rows)
            answer |= {side.output(column): found[column] if found else None for column in side.columns}
        joined.append(answer)
    return joined


def _that_counts(asked: Row, moment: datetime | None, side: AsOf, rows: Sequence[Row]) -> Row | None:
    keys = [asked[key] for key in side.found_by]
    if moment is None or None in keys:
        return None
    known = [
        row
        for row in rows
        if [row[key] for key in side.keys] == keys
        and row[EVENT_TS] is not None
        and row[AVAILABLE_TS] is not None
        and row[AVAILABLE_TS] <= moment
    ]
    by = (EVENT_TS, AVAILABLE_TS, *side.columns)
    latest = max(known, key=lambda row: _in_order([row[column] for column in by]), default=None)
    if latest is None or (side.ttl is not None and moment - latest[EVENT_TS] > side.ttl):
        return None
    return latest


def _in_order(value: Any) -> Any:
    """Something that sorts as the value should: nulls first, also in lists, and what is no number after all numbers."""
    if value is None:
        return (0,)
    if isinstance(value, list):
        return (1, [_in_order(part) for part in value])
    if isinstance(value, float):
        return (1, isnan(value), 0.0 if isnan(value) else value)
    return (1, value)


def told(rows: Sequence[Row]) -> list[str]:
    """The rows in a form to compare, whatever their order and the zone that their times are told in."""
    return sorted(repr([(name, _plain(row[name])) for name in sorted(row)]) for row in rows)


def _plain(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def worlds() -> st.SearchStrategy[World]:
    """Few entities, few moments and few values, so that rows tie, come late, grow too old and repeat."""
    user, item = st.sampled_from(["ann", "Ann", "bob", None]), st.sampled_from([1, 2, None])
    moment = st.sampled_from(STEPS).map(lambda step: START + step)
    times = {EVENT_TS: moment, AVAILABLE_TS: st.one_of(moment, moment, st.none())}
    tags = st.one_of(st.none(), st.lists(st.sampled_from(["a", "b", None]), max_size=2))
    vector = st.one_of(st.none(), st.lists(st.sampled_from([0.5, -1.0]), max_size=2))
    score = st.sampled_from([None, -1.0, 2.5, float("nan"), float("inf")])
    asked = {
        "user_id": user,
        "item_id": item,
        "ts": st.one_of(*[moment] * 5, st.none()),
        "slate": tags,
        "request": st.sampled_from([1, 2]),
    }
    columns: dict[AsOf, dict[str, st.SearchStrategy[Any]]] = {
        TASTE: {"user_id": user, **times, "score": score, "tags": tags, "vector": vector},
        VISITS: {"visitor": user, **times, "last_seen": moment, "loyal": st.sampled_from([None, False, True])},
        PAIR: {"item": item, "user": user, **times, "views": st.sampled_from([None, 0, 7])},
    }
    sides = {side: st.lists(st.fixed_dictionaries(drawn), max_size=8) for side, drawn in columns.items()}
    spine = st.lists(st.fixed_dictionaries(asked), max_size=5).map(lambda rows: rows + rows[:1])
    return st.builds(World, spine, st.fixed_dictionaries(sides))
