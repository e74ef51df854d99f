"""Reads Parquet in batches: timestamps and dates as they are, everything else as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from daybreak.errors import InputError
from daybreak.importing.batches import Batch, require_columns
from daybreak.importing.text_files import reading
from daybreak.importing.texts import as_text

ROWS = 1 << 16


def read_parquet(path: Path, wanted: Sequence[str]) -> Iterator[Batch]:
    """The wanted columns of a file, in batches."""
    rows_before = 0
    try:
        with reading(path), parquet.ParquetFile(path) as file:
            require_columns(path, wanted, file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=ROWS, columns=list(wanted)):
                columns = {name: _readable(path, name, batch.column(name)) for name in wanted}
                yield Batch.of(path, rows_before, batch.num_rows, columns)
                rows_before += batch.num_rows
    except pa.ArrowException as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from None


def _readable(path: Path, name: str, values: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return values
    try:
        return as_text(values)
    except pa.ArrowException as error:
        raise InputError(
            f"{path}: column '{name}' of type {values.type} cannot be read as text ({error}); write it as text, "
            "numbers or timestamps"
        ) from None
