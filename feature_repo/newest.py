"""The newest row of each entity of a view as of a night, streamed from the tables' files by DuckDB.

Which row is the newest is said in `daybreak.features.as_of`. DuckDB works within a bound of memory and spills to the
scratch folder, and rows come out in batches, so a view may be far larger than memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from daybreak.clock import due
from daybreak.duckdb_files import quoted, rows_of
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS
from daybreak.features.declaration import FeatureView
from daybreak.features.statistics import LISTS
from daybreak.lake.schemas import data_schema
from daybreak.step_io import StepIO

CELLS_A_BATCH = 500_000
KEYS_A_BATCH = 100_000


@dataclass(frozen=True)
class Nights:
    """The nights of a view that can matter for lookups after night `ds`, which count from the moment it was due."""

    view: FeatureView
    ds: str
    moment: datetime

    @classmethod
    def of(cls, view: FeatureView, io: StepIO) -> Nights:
        return cls(view, io.ds, due(io.ds, io.settings.night_due))

    @property
    def oldest(self) -> datetime | None:
        """The earliest moment that a row may describe and still count."""
        return self.moment - self.view.ttl if self.view.ttl else None

    @property
    def since(self) -> str | None:
        """The first night whose rows may still count."""
        if self.oldest is None or not self.view.nightly:
            return None
        return (self.oldest - timedelta(days=1)).date().isoformat()

    def paths(self, io: StepIO, since: str | None = None) -> list[str]:
        """Their files; with `since`, those of fewer nights."""
        return io.paths(self.view.dataset, since=since or self.since)


class NewestRows:
    """The view's rows as of a night."""

    def __init__(self, nights: Nights, paths: Sequence[str], database: duckdb.DuckDBPyConnection) -> None:
        self._nights = nights
        self._paths = list(paths)
        self._database = database

    @property
    def _view(self) -> FeatureView:
        return self._nights.view

    def rows(self, touched: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Keys, stamps and features of each entity; with `touched`, of those alone that have rows in these files, which
        are of the newest nights: in a nightly view they hold the newest rows themselves."""
        if not self._paths or touched == []:
            return
        where, order = self._counts, ", ".join(f"{name} desc nulls last" for name in self._by_age)
        table = self._table(self._paths)
        if touched is not None and self._view.nightly:
            table = self._table(touched)
        elif touched is not None:
            where += f" and ({self._keys}) in (select ({self._keys}) from {self._table(touched)})"
        query = (
            f"select * from {table} where {where}"
            f" qualify row_number() over (partition by {self._keys} order by {order}) = 1"
        )
        schema = data_schema(self._view.dataset)
        for batch in self._stream(query, max(1, CELLS_A_BATCH // self._cells_of_a_row(table))):
            yield batch.select(schema.names).cast(schema)

    def _cells_of_a_row(self, table: str) -> int:
        """How many values a row holds at most: of a list, as many as the longest has."""
        lists = [quoted(each.name) for each in self._view.features if each.type in LISTS]
        longest = ", ".join(f"coalesce(max(len({name})), 0)" for name in lists)
        lengths = self._database.sql(f"select {longest} from {table}").fetchall()[0] if lists else ()
        return len(self._view.dataset.columns) + sum(lengths)

    def entities(self) -> Iterator[pa.RecordBatch]:
        """The keys of each entity."""
        if self._paths:
            query = f"select distinct {self._keys} from {self._table(self._paths)} where {self._counts}"
            yield from self._stream(query, KEYS_A_BATCH)

    def _stream(self, query: str, rows: int) -> Iterator[pa.RecordBatch]:
        yield from self._database.sql(query).to_arrow_reader(rows)

    @property
    def _counts(self) -> str:
        """The condition that a row could be known at the moment, and was not too old."""
        condition = f"{AVAILABLE_TS} <= {_moment(self._nights.moment)}"
        if self._nights.oldest is None:
            return condition
        return f"{condition} and {EVENT_TS} >= {_moment(self._nights.oldest)}"

    @property
    def _keys(self) -> str:
        return ", ".join(map(quoted, self._view.keys))

    @property
    def _by_age(self) -> list[str]:
        return [quoted(name) for name in (EVENT_TS, AVAILABLE_TS, *self._view.feature_names)]

    def _table(self, paths: Sequence[str]) -> str:
        return rows_of(self._database, self._view.dataset, paths)


def _moment(moment: datetime) -> str:
    return f"timestamptz '{moment.isoformat()}'"
