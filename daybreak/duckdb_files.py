"""Tables of the lake as DuckDB reads them: files by path, columns as declared, within a bound of memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from daybreak.contracts import ColumnType, Dataset

DUCKDB_TYPES: dict[ColumnType, str] = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INT32: "INTEGER",
    ColumnType.INT64: "BIGINT",
    ColumnType.FLOAT64: "DOUBLE",
    ColumnType.BOOL: "BOOLEAN",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMPTZ",
    ColumnType.STRINGS: "VARCHAR[]",
    ColumnType.VECTOR: "FLOAT[]",
}


def opened(scratch: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """An engine that keeps to `memory`, spills to `scratch`, which must be its own, and promises no order of rows.
    Close it."""
    scratch.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(scratch),
        "preserve_insertion_order": False,
    }
    return duckdb.connect(config=config)


def rows_of(engine: duckdb.DuckDBPyConnection, dataset: Dataset, paths: Sequence[str]) -> str:
    """What a query can read the dataset's columns from. One that no file has, as it was declared since, is null."""
    source = f"read_parquet([{', '.join(map(literal, paths))}], union_by_name = true, hive_partitioning = false)"
    there = set(engine.sql(f"FROM {source} LIMIT 0").columns) if paths else set()
    columns = []
    for column in dataset.columns:
        value = quoted(column.name) if column.name in there else "NULL"
        columns.append(f"{value}::{DUCKDB_TYPES[column.type]} AS {quoted(column.name)}")
    return f"(SELECT {', '.join(columns)} {f'FROM {source}' if paths else 'WHERE false'})"


def quoted(name: str) -> str:
    """A name as SQL takes any."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL takes any."""
    return "'" + text.replace("'", "''") + "'"
