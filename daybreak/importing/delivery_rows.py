"""From batches of a source to lines of the landing, each with the day that delivers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import DAY_US
from daybreak.contracts import ColumnType, Dataset
from daybreak.errors import InputError
from daybreak.importing.batches import Batch, require_columns
from daybreak.importing.column_rules import ColumnRule
from daybreak.importing.json_lines import json_lines
from daybreak.importing.row_filters import rows_wanted
from daybreak.importing.sources import Source
from daybreak.importing.texts import as_text
from daybreak.importing.timestamps import EPOCHS, parse_timestamps, write_timestamps


@dataclass(frozen=True)
class DeliveryRows:
    """Lines of one dataset, the day of each as days since 1970, and the columns they say."""

    lines: pa.Array
    days: npt.NDArray[np.int64]
    columns: dict[str, pa.Array]
    unplaceable: int


def delivery_rows(source: Source, skip_unplaceable: bool) -> Iterator[DeliveryRows]:
    """All rows of a source, in the order of its files. A row without a time stops the import, or is skipped."""
    seen: dict[str, None] = {}
    for file in source.files:
        for batch in file.batches(source.columns, seen):
            kept = rows_wanted(batch, source.where)
            if len(kept.rows):
                yield _convert(source, kept, skip_unplaceable)
    if seen and all(file.kind == "jsonl" for file in source.files):
        require_columns(source.files[0].path, source.columns, seen)


def _convert(source: Source, batch: Batch, skip_unplaceable: bool) -> DeliveryRows:
    moments = _delivery_moments(source, batch)
    unplaceable = moments.null_count
    if unplaceable:
        if not skip_unplaceable:
            raise InputError(_without_a_time(source, batch, moments))
        placed = pc.is_valid(moments)
        batch, moments = batch.keep(placed), moments.filter(placed)
    columns = _target_columns(source, batch)
    columns[_time_column(source.dataset)] = write_timestamps(moments)
    days = np.floor_divide(moments.cast(pa.int64()).to_numpy(), DAY_US)
    return DeliveryRows(json_lines(source.dataset, columns), days, columns, unplaceable)


def _target_columns(source: Source, batch: Batch) -> dict[str, pa.Array]:
    """Every mapped column but the time of delivery, as text."""
    time_column = _time_column(source.dataset)
    columns = {}
    for name, rule in source.rules.items():
        if name == time_column:
            continue
        if source.dataset.column(name).type is ColumnType.TIMESTAMP and isinstance(rule, ColumnRule):
            columns[name] = _other_timestamp(rule, batch, source.nulls)
        else:
            columns[name] = rule.text(batch, source.nulls)
    return columns


def _other_timestamp(rule: ColumnRule, batch: Batch, nulls: tuple[str, ...]) -> pa.Array:
    """A timestamp that places no row: what cannot be read goes on as it is, for landing to refuse."""
    moments = write_timestamps(parse_timestamps(rule.raw(batch), rule.timestamp))
    return pc.coalesce(moments, rule.text(batch, nulls))


def _delivery_moments(source: Source, batch: Batch) -> pa.Array:
    rule = source.rules[_time_column(source.dataset)]
    how = rule.timestamp if isinstance(rule, ColumnRule) else ""
    return parse_timestamps(rule.raw(batch), how)


def _without_a_time(source: Source, batch: Batch, moments: pa.Array) -> str:
    rule = source.rules[_time_column(source.dataset)]
    at = pc.index(pc.is_null(moments), True).as_py()
    value = as_text(rule.raw(batch))[at].as_py()
    where = f"{batch.path}, row {batch.rows[at]}: {source.dataset.short_name}.{_time_column(source.dataset)}"
    or_skip = "or pass --skip-unplaceable to leave such rows out"
    if value is None or value in source.nulls:
        return f"{where} has no value, so the row has no day to lie in; correct it, {or_skip}"
    how = rule.timestamp if isinstance(rule, ColumnRule) else ""
    return (
        f"{where} must be {_in_words(how)}, found {value[:80]!r}; correct it or 'timestamp' in the mapping, {or_skip}"
    )


def _in_words(how: str) -> str:
    if how in EPOCHS:
        return f"a number of {how.removeprefix('epoch_')} since 1970 before the year 10000 ({how})"
    return "an ISO 8601 timestamp (iso)" if how == "iso" else f"of the format {how}"


def _time_column(dataset: Dataset) -> str:
    assert dataset.delivery is not None
    return dataset.delivery.time_column
