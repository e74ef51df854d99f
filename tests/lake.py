"""Tables written straight into the lake, without the steps that make them, and the reach of a step over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from daybreak.contracts import LANDED_DS, ColumnType, Dataset
from daybreak.datasets import DELIVERIES, EVENTS
from daybreak.lake import Lake
from daybreak.lake.schemas import full_schema
from daybreak.settings import Settings
from daybreak.step_io import StepIO
from daybreak.steps import step_named
from tests.tiny import Row

NOTHING_COUNTED = dict.fromkeys(("files", "rows_in", "accepted", "quarantined", "duplicates", "late"), 0)


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


def land(lake: Lake, *nights: str) -> None:
    """The accounts that say that these nights were landed."""
    put_days(lake, DELIVERIES, {ds: [{"dataset": EVENTS.name, **NOTHING_COUNTED}] for ds in nights})


def io_of(step: str, settings: Settings, ds: str) -> StepIO:
    """What the step would be handed on that night."""
    lake = Lake.of(settings)
    return StepIO(step_named(step), ds, settings, lake, lake.begin(step, ds))
