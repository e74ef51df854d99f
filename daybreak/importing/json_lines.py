"""Columns to JSON lines, vectorised: each value is written as its declared type asks, nulls are left out.

A value that is not of its type is written as a string, as it stood: landing refuses the row and keeps it whole.
An event without an id of its own gets one: the hash of all that its line says.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from daybreak.contracts import ColumnType, Dataset
from daybreak.importing.texts import as_numbers

NEEDS_ESCAPE = r'["\\\x00-\x1f]'
JSON_NUMBER = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$"
WHOLE_BUT_FLOAT = r"^(-?\d+)\.0+$"


def json_lines(dataset: Dataset, columns: dict[str, pa.Array]) -> pa.Array:
    """One JSON object a row, each ended by a line feed; the columns are text, in the order of the declaration."""
    fields = [
        pc.binary_join_element_wise(f'"{column.name}":', WRITERS[column.type](columns[column.name]), "")
        for column in dataset.columns
        if column.name in columns
    ]
    body = pc.binary_join_element_wise(*fields, ",", null_handling="skip")
    own_id = dataset.key[0] if len(dataset.key) == 1 and dataset.key[0] not in columns else None
    start = "{"
    if own_id is not None:
        start = pc.binary_join_element_wise(f'{{"{own_id}":"', contents_ids(body), '",', "")
    return pc.binary_join_element_wise(start, body, "}\n", "")


def contents_ids(bodies: pa.Array) -> pa.Array:
    """An id for each text, equal for equal texts: 128 bits of xxh3, the same on every machine."""
    digest: Callable[[bytes], str] = xxhash.xxh3_128_hexdigest
    return pa.array([digest(body) for body in bodies.cast(pa.binary()).to_pylist()], pa.string())


def _write_string(text: pa.Array) -> pa.Array:
    if _may_need_escape(text):
        special = pc.match_substring_regex(text, NEEDS_ESCAPE)
        escaped = [json.dumps(value, ensure_ascii=False)[1:-1] for value in text.filter(special).to_pylist()]
        text = pc.replace_with_mask(text, pc.fill_null(special, False), pa.array(escaped, pa.string()))
    return pc.binary_join_element_wise('"', text, '"', "")


def _may_need_escape(text: pa.Array) -> bool:
    """Whether any byte below the values asks for an escape: a look at all bytes at once, much faster than at values."""
    data = text.buffers()[2]
    if data is None:
        return False
    codes = np.frombuffer(data, dtype=np.uint8)
    return bool((codes < 0x20).any() or (codes == ord('"')).any() or (codes == ord("\\")).any())


def _write_float(text: pa.Array) -> pa.Array:
    """A number as it was written, where JSON can say it so."""
    if pc.all(pc.match_substring_regex(pc.unique(text), JSON_NUMBER)).as_py():
        return text
    is_json = pc.match_substring_regex(text, JSON_NUMBER)
    numbers = as_numbers(text)
    finite = pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))
    return pc.coalesce(pc.if_else(is_json, text, finite.cast(pa.string())), _write_string(text))


def _write_int(text: pa.Array) -> pa.Array:
    return _write_float(pc.replace_substring_regex(text, WHOLE_BUT_FLOAT, r"\1"))


WRITERS: dict[ColumnType, Callable[[pa.Array], pa.Array]] = {
    ColumnType.STRING: _write_string,
    ColumnType.TIMESTAMP: _write_string,
    ColumnType.FLOAT64: _write_float,
    ColumnType.INT32: _write_int,
    ColumnType.INT64: _write_int,
}
