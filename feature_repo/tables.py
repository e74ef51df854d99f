"""What the feature tables say of a few entities as of a moment, found by the rule itself, row by row.

It shares nothing with the way the online store is filled: all rows of the entities that can matter are read, and
Python picks.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from daybreak.clock import end_of
from daybreak.contracts import ColumnType
from daybreak.duckdb_files import quoted, rows_of
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS
from daybreak.features.declaration import FeatureView
from daybreak.step_io import StepIO

Keys = dict[str, str]
Row = dict[str, Any]
EXPIRED_ONE_IN = 10
"""So much of a sample are entities whose last row is too old to count, where there are any."""
EXPIRED_NIGHTS = 7
"""Those of a nightly view are looked for among so many nights, the last whose rows are too old."""


class Tables:
    """The feature tables as of a moment."""

    def __init__(self, io: StepIO, moment: datetime, database: DuckDBPyConnection) -> None:
        self.moment = moment
        self._io = io
        self._database = database
        self._database.execute("set timezone = 'UTC'")

    def sample(self, view: FeatureView, entities: int, seed: int) -> list[Keys]:
        """So many entities that the view has a row of, drawn by the seed; fewer where it has fewer. Most have a row
        that counts; one in ten has none any more, where there are such."""
        keys = ", ".join(map(quoted, view.keys))
        drawn_by = f"hash(concat_ws(chr(31), {keys}, $seed)), {keys}"
        drawn = (
            f"select {keys}, coalesce(max({EVENT_TS}) >= $oldest, true) as counts,"
            f" row_number() over (partition by counts order by {drawn_by}) as place from rows"
            f" where {AVAILABLE_TS} <= $moment group by {keys}"
            " qualify place <= if(counts, $entities, $expired) order by place"
        )
        values: dict[str, Any] = {"oldest": self._oldest(view), "seed": str(seed), "moment": self.moment}
        values |= {"entities": entities, "expired": entities // EXPIRED_ONE_IN}
        rows = self._ask(view, self._first_night(view, EXPIRED_NIGHTS), drawn, values)
        expired = [row for row in rows if not row["counts"]]
        counting = [row for row in rows if row["counts"]][: entities - len(expired)]
        return [{name: row[name] for name in view.keys} for row in (*counting, *expired)]

    def known(self, view: FeatureView, keys: list[Keys]) -> list[Row]:
        """For each of the keys the row that counts; an empty one where there is none."""
        schema = pa.schema([(name, pa.string()) for name in view.keys])
        self._database.register(
            "wanted", pa.Table.from_pylist(keys, schema=schema).group_by(list(view.keys)).aggregate([])
        )
        wanted = f"select rows.* from rows join wanted using ({', '.join(map(quoted, view.keys))})"
        rows = self._ask(view, self._first_night(view), wanted, {})
        found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            if row[AVAILABLE_TS] <= self.moment:
                found[tuple(row[name] for name in view.keys)].append(row)
        return [self._newest(view, found[tuple(each.values())]) for each in keys]

    def _newest(self, view: FeatureView, rows: list[Row]) -> Row:
        row = max(rows, key=lambda row: (row[EVENT_TS], row[AVAILABLE_TS]), default={})
        return {} if row and view.ttl and self.moment - row[EVENT_TS] > view.ttl else row

    def _oldest(self, view: FeatureView) -> datetime | None:
        return self.moment - view.ttl if view.ttl else None

    def _first_night(self, view: FeatureView, before: int = 0) -> str | None:
        """The night so many nights before the first whose rows may count; None where those of any night may."""
        oldest = self._oldest(view)
        if oldest is None or not view.nightly:
            return None
        nights = sorted(self._io.days(view.dataset))
        expired = sum(end_of(night) < oldest for night in nights)
        return next(iter(nights[max(0, expired - before) :]), self._io.ds)

    def _ask(self, view: FeatureView, since: str | None, query: str, values: dict[str, Any]) -> list[Row]:
        """What a query finds in `rows`, those of the view since a night."""
        rows = rows_of(self._database, view.dataset, self._io.paths(view.dataset, since=since))
        answer = self._database.sql(f"with rows as (from {rows}) {query}", params=values)
        return answer.to_arrow_table().to_pylist()


def as_online(kind: ColumnType, value: Any) -> Any:
    """A value as an online store can keep it: moments in whole seconds."""
    if value is None or kind is not ColumnType.TIMESTAMP:
        return value
    return datetime.fromtimestamp(int(value.timestamp()), UTC)
