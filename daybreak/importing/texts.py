"""Values of any source as text, and texts as numbers: the common ground of all formats."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
EXACT = float(1 << 53)
"""Below this, a float that is whole is an exact integer."""


def as_text(values: pa.Array) -> pa.Array:
    """Any Arrow values as text; lists and structures as JSON, whole floats as integers: an id 7.0 is 7.
    Tools that have no null for floats write NaN, so that is null."""
    if pa.types.is_string(values.type):
        return values
    if pa.types.is_nested(values.type):
        texts = [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in values.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_float16(values.type):
        return as_text(values.cast(pa.float32()))
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        is_whole = pc.and_(pc.equal(pc.trunc(values), values), pc.less(pc.abs(values), EXACT))
        whole = pc.if_else(is_whole, values, pa.scalar(None, values.type)).cast(pa.int64())
        return pc.coalesce(whole.cast(pa.string()), values.cast(pa.string()))
    return values.cast(pa.string())


def as_numbers(text: pa.Array) -> pa.Array:
    """Texts as numbers, null where a text is none; spaces around a number and a plus before it do not count."""
    bare = pc.utf8_ltrim(pc.utf8_trim_whitespace(text), characters="+")
    is_number = pc.match_substring_regex(text, NUMBER)
    return pc.if_else(is_number, bare, pa.scalar(None, pa.string())).cast(pa.float64())
