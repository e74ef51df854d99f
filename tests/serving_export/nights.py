"""Nights whose tables are written straight into the lake, so that lists are tested without Spark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    put_days(lake, dataset, {ds: rows})


def put_days(lake: Lake, dataset: Dataset, nights: Mapping[str, Iterable[Row]]) -> None:
    """Replaces many days at once, each with the rows that it delivered."""
    times = {column.name for column in dataset.columns if column.type is ColumnType.TIMESTAMP}
    shaped = []
    for ds, row in ((ds, row) for ds, rows in nights.items() for row in rows):
        made: dict[str, Any] = {name: (_moment(value) if name in times else value) for name, value in row.items()}
        made.setdefault("ds", made["event_ts"].date().isoformat() if "event_ts" in made else ds)
        shaped.append({**made, LANDED_DS: ds})
    table = pa.Table.from_pylist(shaped, schema=full_schema(dataset))
    lake.table(dataset).replace(table, lake.begin("tests.put", max(nights)), days=list(nights))


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def io_of(step: str, settings: Settings, ds: str = NIGHT) -> StepIO:
    """What the step would be handed on that night."""
    lake = Lake.of(settings)
    return StepIO(step_named(step), ds, settings, lake, lake.begin(step, ds))


def users_of(world: TinyWorld, group: int) -> list[str]:
    return [world.user(group, number) for number in range(world.users)]


def items_of(world: TinyWorld, group: int) -> list[str]:
    return [world.item(group, number) for number in range(world.items)]


def all_items(world: TinyWorld) -> list[str]:
    return [item for group in range(world.groups) for item in items_of(world, group)]


def put_tiny_night(lake: Lake, world: TinyWorld | None = None) -> TinyWorld:
    """The tiny world as landed, with candidates as counting would order them: an item's neighbours are its group."""
    world = world or TinyWorld()
    first = day(0)
    state = {"updated_ts": f"{first}T00:00:00Z", "status": "active"}
    users = [user for group in range(world.groups) for user in users_of(world, group)]
    put(lake, USERS, first, [{"user_id": user, **state} for user in users])
    put(lake, ITEMS, first, [{"item_id": item, "title": f"Item {item}", **state} for item in all_items(world)])
    for number in range(world.days):
        put(lake, EVENTS, day(number), world.events(number))
    put_candidates(lake, world)
    return world


def put_candidates(lake: Lake, world: TinyWorld, ds: str = NIGHT) -> None:
    """Candidates of a night: everything is popular and trends a little, neighbours are the own group."""
    liked = [{"item_id": i, "score": 1.0 + n / 100, "events": 5} for n, i in enumerate(all_items(world))]
    put(lake, POPULARITY, ds, liked)
    put(lake, TRENDING, ds, liked)
    near = [
        {"item_id": item, "neighbour_id": other, "score": 1 / (1 + abs(n - m)), "users": 3}
        for group in range(world.groups)
        for n, item in enumerate(items_of(world, group))
        for m, other in enumerate(items_of(world, group))
        if n != m
    ]
    put(lake, COOCCURRENCE, ds, near)
