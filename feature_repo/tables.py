"""What the feature tables say of a few entities as of a moment, found by the rule itself, row by row.

It shares nothing with the way the online store is filled: all rows of the entities are read, and Python picks.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from daybreak.contracts import ColumnType
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS
from daybreak.features.declaration import FeatureView
from daybreak.lake.schemas import data_schema
from daybreak.step_io import StepIO

Keys = dict[str, str]
Row = dict[str, Any]


class Tables:
    """The feature tables as of a moment."""

    def __init__(self, io: StepIO, moment: datetime) -> None:
        self.moment = moment
        self._io = io
        self._database = duckdb.connect()
        self._database.execute("set timezone = 'UTC'")

    def sample(self, view: FeatureView, entities: int, seed: int) -> list[Keys]:
        """So many entities that the view has a row of, drawn by the seed; fewer where it has fewer."""
        names = ", ".join(view.keys)
        drawn = (
            f"select {names} from (select distinct {names} from rows where {AVAILABLE_TS} <= $1)"
            f" order by hash(concat_ws(chr(31), {names}, $2::varchar)), {names} limit $3"
        )
        return self._ask(view, drawn, [self.moment, str(seed), entities])

    def known(self, view: FeatureView, keys: list[Keys]) -> list[Row]:
        """For each of the keys the row that counts; an empty one where there is none."""
        schema = pa.schema([(name, pa.string()) for name in view.keys])
        self._database.register(
            "wanted", pa.Table.from_pylist(keys, schema=schema).group_by(list(view.keys)).aggregate([])
        )
        rows = self._ask(view, f"select rows.* from rows join wanted using ({', '.join(view.keys)})", [])
        found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            if row[AVAILABLE_TS] <= self.moment:
                found[tuple(row[name] for name in view.keys)].append(row)
        return [self._newest(view, found[tuple(each.values())]) for each in keys]

    def _newest(self, view: FeatureView, rows: list[Row]) -> Row:
        row = max(rows, key=lambda row: (row[EVENT_TS], row[AVAILABLE_TS]), default={})
        return {} if row and view.ttl and self.moment - row[EVENT_TS] > view.ttl else row

    def _ask(self, view: FeatureView, query: str, values: list[Any]) -> list[Row]:
        paths = self._io.paths(view.dataset)
        schema = data_schema(view.dataset)
        nowhere = schema.empty_table()
        self._database.register("nowhere", nowhere)
        rows = "select * from nowhere"
        if paths:
            files = f"read_parquet({paths!r}, union_by_name = true, hive_partitioning = false)"
            rows += f" union all by name select * from {files}"
        return self._database.sql(f"with rows as ({rows}) {query}", params=values).to_arrow_table().to_pylist()


def as_online(kind: ColumnType, value: Any) -> Any:
    """A value as an online store can keep it: moments in whole seconds."""
    if value is None or kind is not ColumnType.TIMESTAMP:
        return value
    return datetime.fromtimestamp(int(value.timestamp()), UTC)
