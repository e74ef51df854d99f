"""Rows of one small table, told apart by a tag, so that a mix of two writers would show."""

from __future__ import annotations

import pyarrow as pa
from deltalake import DeltaTable

from daybreak.candidates import POPULARITY
from daybreak.lake import Lake, Table, Window

WORK = "tests.popularity"
DAY = "2026-11-20"


def rows(tag: str, number: int = 3) -> pa.Table:
    """`number` rows that all carry the tag."""
    return pa.table(
        {
            "item_id": [f"{tag}-{i}" for i in range(number)],
            "score": [i / 2 for i in range(number)],
            "events": pa.array(range(number), pa.int64()),
        }
    )


def write(lake: Lake, tag: str, day: str = DAY, number: int = 3) -> int:
    """Replaces a day by rows of the tag, as a new attempt; the version it made."""
    return lake.table(POPULARITY).replace(rows(tag, number), lake.begin(WORK, day)).version


def tags(table: Table, day: str = DAY, version: int | None = None) -> list[str]:
    """The tag of each row of a day."""
    found = table.read(Window(since=day, until=day), ["item_id"], version)
    return sorted(name.rsplit("-", 1)[0] for name in found["item_id"].to_pylist())


def as_delta(lake: Lake) -> DeltaTable:
    """The table as a reader of Delta tables opens it, who knows nothing of the contract."""
    storage = lake._storage
    return DeltaTable(storage.location(POPULARITY.name), storage_options=storage.options)
