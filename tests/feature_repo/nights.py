"""Feature tables for tests: rows written straight into the lake, without the jobs."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from daybreak.clock import due, end_of
from daybreak.contracts import ColumnType
from daybreak.datasets import DELIVERIES
from daybreak.features.declaration import FeatureView
from daybreak.features.views import VIEWS
from daybreak.lake import Lake
from daybreak.lake.schemas import data_schema
from tests.lake import land

MONDAY, TUESDAY, WEDNESDAY = "2026-11-16", "2026-11-17", "2026-11-18"
POOLS = {"user_id": "u{}", "item_id": "i{}", "category": "c{}", "brand": "b é{}"}
Row = dict[str, Any]


def key(view: FeatureView, number: int) -> Row:
    """The keys of the view's entity of that number."""
    return {name: POOLS[name].format(number) for name in view.keys}


def rows(view: FeatureView, ds: str, numbers: Iterable[int] = range(5), **values: Any) -> list[Row]:
    """One row per entity, its features drawn from the day and the number; some are null. `values` are set over them."""
    return [_row(view, ds, number) | values for number in numbers]


def write(lake: Lake, view: FeatureView, ds: str, found: list[Row]) -> None:
    """Replaces a night of the view's table; the night was landed."""
    if not lake.table(DELIVERIES).was_written(ds):
        land(lake, ds)
    table = pa.Table.from_pylist(found, schema=data_schema(view.dataset))
    lake.table(view.dataset).replace(table, lake.begin(view.made_by, ds))


def write_night(lake: Lake, ds: str, numbers: Iterable[int] = range(5)) -> None:
    """A night of every view."""
    for view in VIEWS.values():
        write(lake, view, ds, rows(view, ds, list(numbers)))


def _row(view: FeatureView, ds: str, number: int) -> Row:
    chance = random.Random(f"{view.name}/{ds}/{number}")
    began = end_of(ds) if view.nightly else end_of(ds) - timedelta(microseconds=chance.randrange(1, 80_000_000_000))
    stamps = {"event_ts": began, "available_ts": due(ds, "06:00")}
    return {**key(view, number), **stamps, **{each.name: _value(each.type, chance) for each in view.features}}


def _value(kind: ColumnType, chance: random.Random) -> Any:
    if chance.random() < 0.15:
        return None
    return {
        ColumnType.STRING: lambda: chance.choice(["", "tea", "café crème", "x" * 200]),
        ColumnType.INT32: lambda: chance.randrange(-(2**31), 2**31),
        ColumnType.INT64: lambda: chance.choice([0, 1, -1, chance.randrange(-(2**63), 2**63)]),
        ColumnType.FLOAT64: lambda: chance.choice([0.0, -0.0, 0.1, chance.uniform(-1e300, 1e300)]),
        ColumnType.BOOL: lambda: chance.random() < 0.5,
        ColumnType.TIMESTAMP: lambda: (
            datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=chance.randrange(10**13))
        ),
        ColumnType.STRINGS: lambda: [f"i{chance.randrange(9)}" for _ in range(chance.randrange(4))],
        ColumnType.VECTOR: lambda: [chance.random() for _ in range(chance.choice([0, 3, 64]))],
    }[kind]()
