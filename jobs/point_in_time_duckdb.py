"""Point-in-time joins on one machine: what `jobs.point_in_time` does, as one query of DuckDB.

Of a side, the rows that can still win are those which no row available earlier surpasses; among them the latest
available is also the latest described. So a running maximum turns two times into one, and DuckDB's own ASOF join does
the rest. Sides whose rows are in order (see `AsOf`) need no such search. DuckDB keeps to its `memory_limit` and spills
to its `temp_directory`; the relation that comes back is computed when it is read or written, a batch at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from daybreak.duckdb_files import quoted
from daybreak.features import as_of
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS, AsOf

ASKED = "asked"
KINDS = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), as_of.WHOLE),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"), as_of.WHOLE),
    "VARCHAR": as_of.TEXT,
    "DATE": as_of.DATE,
    "BOOLEAN": as_of.BOOLEAN,
    "TIMESTAMP WITH TIME ZONE": as_of.INSTANT,
}


def join(engine: DuckDBPyConnection, spine: str, spine_ts: str, sides: Sequence[tuple[AsOf, str]]) -> DuckDBPyRelation:
    """The rows of the spine, each with the columns of the sides as of its `spine_ts`.

    The spine and each side are what SQL may read from: a table, a view, a registered Arrow table, or a call such as
    `read_parquet([…])`.
    """
    types = [_types(engine, rows) for _, rows in sides]
    known = [(side, _kinds(columns)) for (side, _), columns in zip(sides, types, strict=True)]
    as_of.check(_kinds(_types(engine, spine)), spine_ts, known)
    columns, joins = [f"{ASKED}.*"], []
    for number, ((side, rows), columns_of) in enumerate(zip(sides, types, strict=True)):
        found = f"side_{number}"
        columns += _columns(side, found, spine_ts)
        joins.append(_asof_join(side, _able_to_win(side, rows, columns_of), found, spine_ts))
    return engine.sql(f"SELECT {', '.join(columns)} FROM {spine} AS {ASKED} {' '.join(joins)}")


def _types(engine: DuckDBPyConnection, rows: str) -> dict[str, str]:
    frame = engine.sql(f"FROM {rows} LIMIT 0")
    return {name: str(type_) for name, type_ in zip(frame.columns, frame.types, strict=True)}


def _kinds(types: dict[str, str]) -> dict[str, str]:
    return {name: KINDS.get(type_, type_) for name, type_ in types.items()}


def _asof_join(side: AsOf, rows: str, found: str, spine_ts: str) -> str:
    same = [
        f"{ASKED}.{quoted(asked)} = {found}.{quoted(key)}" for key, asked in zip(side.keys, side.found_by, strict=True)
    ]
    by_then = f"{ASKED}.{quoted(spine_ts)} >= {found}.{AVAILABLE_TS}"
    return f"ASOF LEFT JOIN ({rows}) AS {found} ON {' AND '.join([*same, by_then])}"


def _able_to_win(side: AsOf, rows: str, types: dict[str, str]) -> str:
    """The rows of a side which would be the answer for at least the moment when they became available."""
    wanted = dict.fromkeys((*side.keys, EVENT_TS, AVAILABLE_TS, *side.columns))
    complete = [f"{quoted(column)} IS NOT NULL" for column in (*side.keys, EVENT_TS, AVAILABLE_TS)]
    able = f"SELECT {', '.join(map(quoted, wanted))} FROM {rows} WHERE {' AND '.join(complete)}"
    if side.in_order:
        return able
    order = [AVAILABLE_TS, EVENT_TS, *(f"{_in_order(column, types)} NULLS FIRST" for column in side.columns)]
    window = f"WINDOW by_then AS (PARTITION BY {', '.join(map(quoted, side.keys))} ORDER BY {', '.join(order)})"
    surpassed = f"max({EVENT_TS}) OVER (by_then ROWS UNBOUNDED PRECEDING) > {EVENT_TS}"
    followed = f"lead({AVAILABLE_TS}) OVER by_then IS NOT DISTINCT FROM {AVAILABLE_TS}"
    return f"{able} {window} QUALIFY NOT ({surpassed} OR {followed})"


def _in_order(column: str, types: dict[str, str]) -> str:
    """What to sort a column by so that nulls come first; DuckDB alone would put those within a list last."""
    name = quoted(column)
    if not types[column].endswith("[]"):
        return name
    return f"list_transform({name}, lambda value: {{'known': value IS NOT NULL, 'value': value}})"


def _columns(side: AsOf, found: str, spine_ts: str) -> list[str]:
    """The side's columns of what was found, unless that was too old."""
    age = f"epoch_us({ASKED}.{quoted(spine_ts)}) - epoch_us({found}.{EVENT_TS})"
    fresh = f"{age} <= {side.ttl_us}" if side.ttl_us is not None else "true"
    return [
        f"CASE WHEN {fresh} THEN {found}.{quoted(column)} END AS {quoted(side.output(column))}"
        for column in side.columns
    ]
