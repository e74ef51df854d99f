"""Nights whose tables are written straight into the lake, so that lists are tested without Spark."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from daybreak.contracts import LANDED_DS, ColumnType, Dataset
from daybreak.datasets import COOCCURRENCE, EVENTS, ITEMS, POPULARITY, TRENDING, USERS
from daybreak.lake import Lake
from daybreak.lake.schemas import full_schema
from daybreak.settings import Settings
from daybreak.step_io import StepIO
from daybreak.steps import step_named
from tests.tiny import Row, TinyWorld, day

NIGHT = day(3)


def put(lake: Lake, dataset: Dataset, ds: str, rows: Iterable[Row]) -> None:
    """Replaces a day of a dataset; moments may be ISO text, and columns that are null may be left out."""
    times = {column.name for column in dataset.columns if column.type is ColumnType.TIMESTAMP}
    shaped = []
    for row in rows:
        made: dict[str, Any] = {name: (_moment(value) if name in times else value) for name, value in row.items()}
        made.setdefault("ds", made["event_ts"].date().isoformat() if "event_ts" in made else ds)
        shaped.append({**made, LANDED_DS: ds})
    table = pa.Table.from_pylist(shaped, schema=full_schema(dataset))
    lake.table(dataset).replace(table, lake.begin("tests.put", ds))


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def io_of(step: str, settings: Settings, ds: str = NIGHT) -> StepIO:
    """What the step would be handed on that night."""
    lake = Lake.of(settings)
    return StepIO(step_named(step), ds, settings, lake, lake.begin(step, ds))


def put_tiny_night(lake: Lake, world: TinyWorld | None = None) -> TinyWorld:
    """The tiny world as landed, with candidates as counting would order them: an item's neighbours are its group."""
    world = world or TinyWorld()
    first = day(0)
    users = [world.user(g, n) for g in range(world.groups) for n in range(world.users)]
    items = [world.item(g, n) for g in range(world.groups) for n in range(world.items)]
    put(
        lake, USERS, first, [{"user_id": u, "updated_ts": f"{first}T00:00:00+00:00", "status": "active"} for u in users]
    )
    put(
        lake,
        ITEMS,
        first,
        [
            {"item_id": i, "updated_ts": f"{first}T00:00:00+00:00", "title": f"Item {i}", "status": "active"}
            for i in items
        ],
    )
    for number in range(world.days):
        put(lake, EVENTS, day(number), world.events(number))
    put_candidates(lake, world)
    return world


def put_candidates(lake: Lake, world: TinyWorld, ds: str = NIGHT) -> None:
    """Candidates of a night: everything is popular and trends a little, neighbours are the own group."""
    items = [world.item(g, n) for g in range(world.groups) for n in range(world.items)]
    liked = [{"item_id": item, "score": 1.0 + number / 100, "events": 5} for number, item in enumerate(items)]
    put(lake, POPULARITY, ds, liked)
    put(lake, TRENDING, ds, liked)
    near = [
        {"item_id": world.item(g, n), "neighbour_id": world.item(g, m), "score": 1 / (1 + abs(n - m)), "users": 3}
        for g in range(world.groups)
        for n in range(world.items)
        for m in range(world.items)
        if n != m
    ]
    put(lake, COOCCURRENCE, ds, near)
