"""The tables that gates measure by, read anew from the lake: nothing is taken from the step that made the lists."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from daybreak.clock import days_before
from daybreak.datasets import EVENTS, LISTS
from daybreak.duckdb_files import literal, rows_of
from daybreak.sources import Entity
from daybreak.surfaces import Surface
from serving_export.night import Night

SEGMENT_OF = {Entity.USER: "segment", Entity.ITEM: "category"}
"""By what queries are told apart."""


@dataclass(frozen=True)
class Bench:
    """A surface's lists of this night and of the one before, beside what is known of queries and candidates.

    Tables: `tonight` and `earlier` are lists with their audience; `expected` are the queries that must have one, with
    their segment; `candidate_states` is what is told of candidates.
    """

    name: str
    surface: Surface
    night: Night
    earlier_ds: str | None

    @classmethod
    def of(cls, name: str, surface: Surface, night: Night) -> Bench:
        earlier = max((day for day in night.io.days(LISTS) if day < night.ds), default=None)
        bench = cls(name, surface, night, earlier)
        for table, day in (("tonight", night.ds), ("earlier", earlier)):
            paths = night.io.paths(LISTS, since=day, until=day) if day else []
            night.engine.execute(
                f"CREATE OR REPLACE TEMP VIEW {table} AS FROM {rows_of(night.engine, LISTS, paths)}"
                f" WHERE surface = {literal(name)}"
            )
        bench._keep("expected", bench._expected())
        bench._keep("candidate_states", bench._candidates())
        return bench

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""
        return self.night.engine.sql(sql).fetchall()

    def value(self, sql: str) -> float:
        """The one number that a query gives; 0 where it gives none."""
        found = self.rows(sql)[0][0]
        return float(found) if found is not None else 0.0

    @property
    def shown(self) -> str:
        """The condition that an entry is shown by itself."""
        return f"audience = 'query' AND rank < {self.surface.length}"

    @cached_property
    def events(self) -> str:
        """Everything that happened, for a query."""
        return rows_of(self.night.engine, EVENTS, self.night.io.paths(EVENTS))

    def newest_events(self) -> str:
        """What happened on the day itself."""
        return f"(FROM {self.events} WHERE {self.night.age} = 0)"

    def days_ago(self, days: int) -> str:
        return days_before(self.night.ds, days)

    def _expected(self) -> pa.Table:
        night, entity = self.night, self.surface.query
        active = night.active(entity)
        segments = night.states[entity][SEGMENT_OF[entity]].take(pa.array(active))
        return pa.table({"query_id": night.names[entity].of(active), "segment": segments})

    def _candidates(self) -> pa.Table:
        night, entity = self.night, self.surface.candidate
        names, states = night.names[entity], night.states[entity]
        is_active = np.zeros(len(names), np.bool_)
        is_active[night.active(entity)] = True
        columns = {name: states[name] for name in states.column_names if name != f"{entity}_id"}
        return pa.table({"candidate_id": names.ids, "is_active": is_active, **columns})

    def _keep(self, table: str, rows: pa.Table) -> None:
        engine = self.night.engine
        engine.register("handed", rows)
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM handed")
        engine.unregister("handed")

    def keep(self, table: str, rows: pa.Table) -> None:
        """A table more to measure by."""
        self._keep(table, rows)
