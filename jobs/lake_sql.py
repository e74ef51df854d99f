"""Tables of the lake as DuckDB reads them: files by path, columns as declared."""

from __future__ import annotations

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

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


def rows_of(engine: DuckDBPyConnection, dataset: Dataset, paths: Sequence[str]) -> str:
    """What a query can read the dataset's columns from. One that no file has, as it was declared since, is null."""
    source = f"read_parquet([{', '.join(map(_text, paths))}], union_by_name = true)"
    there = set(engine.sql(f"FROM {source} LIMIT 0").columns) if paths else set()
    columns = []
    for column in dataset.columns:
        value = _name(column.name) if column.name in there else "NULL"
        columns.append(f"{value}::{DUCKDB_TYPES[column.type]} AS {_name(column.name)}")
    return f"(SELECT {', '.join(columns)} {f'FROM {source}' if paths else 'WHERE false'})"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"
