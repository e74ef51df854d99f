"""A dataset's declaration as Arrow and Delta schemas, and the check that rows fit it."""

from __future__ import annotations

import pyarrow as pa

from daybreak.contracts import ColumnType, Dataset
from daybreak.errors import LakeError

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.STRING: pa.string(),
    ColumnType.INT32: pa.int32(),
    ColumnType.INT64: pa.int64(),
    ColumnType.FLOAT64: pa.float64(),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    ColumnType.STRINGS: pa.list_(pa.string()),
    ColumnType.VECTOR: pa.list_(pa.float32()),
}


def data_schema(dataset: Dataset) -> pa.Schema:
    """The columns inside the data files: all but the partition."""
    return pa.schema([pa.field(c.name, ARROW_TYPES[c.type], nullable=c.nullable) for c in dataset.columns])


def full_schema(dataset: Dataset) -> pa.Schema:
    """The columns of the table, its partition last."""
    partition = [pa.field(name, pa.string()) for name in dataset.partition]
    return pa.schema([*data_schema(dataset), *partition])


def conform(rows: pa.Table, dataset: Dataset, columns: tuple[str, ...]) -> pa.Table:
    """The rows with exactly `columns`, in order and of the declared types."""
    schema = full_schema(dataset)
    missing = [name for name in columns if name not in rows.column_names]
    if missing:
        raise LakeError(
            f"{dataset.name}: rows to write lack {', '.join(missing)}; they have: {', '.join(rows.column_names)}"
        )
    arrays = []
    for name in columns:
        field, array = schema.field(name), rows.column(name)
        if _is_text(array.type) != _is_text(field.type) and not pa.types.is_null(array.type):
            raise LakeError(f"{dataset.name}.{name} must be {field.type}, got {array.type}; convert it in the step")
        try:
            array = array.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise LakeError(f"{dataset.name}.{name} must be {field.type}, got {array.type}: {error}") from None
        if (not field.nullable or name in dataset.partition) and array.null_count:
            raise LakeError(f"{dataset.name}.{name} must not be null, but {array.null_count} rows have no value")
        arrays.append(array)
    return pa.table(arrays, schema=pa.schema([schema.field(name) for name in columns]))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
