"""Values and keys as the bytes that Feast keeps online, made a column at a time.

Feast makes a protobuf message a value; here the same bytes are laid side by side by Arrow, some hundred times faster.
A null is no bytes at all. Timestamps are whole seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.contracts import ColumnType
from daybreak.errors import InputError

NOTHING = pa.scalar(b"", pa.binary())
SECOND_US = 1_000_000
STRING_CODE = 2
"""Feast's number for the type of a key."""


def values(kind: ColumnType, column: pa.Array) -> pa.BinaryArray:
    """Each value as Feast's message of it, serialized."""
    return pc.fill_null(ENCODERS[kind](column), NOTHING)


def entity_keys(names: Sequence[str], columns: Sequence[pa.Array]) -> pa.BinaryArray:
    """Each row's keys as Feast serializes them (version 3): their names in order, then their values."""
    for name, column in zip(names, columns, strict=True):
        if column.null_count:
            raise InputError(
                f"{column.null_count} rows have no {name}, and what has no key cannot be looked up; mend the job that"
                " makes them and run its night again"
            )
    parts: list[pa.Array | pa.Scalar] = [pa.scalar(key_prefix(names), pa.binary())]
    for _, column in sorted(zip(names, columns, strict=True), key=lambda pair: pair[0]):
        text = column.cast(pa.binary())
        lengths = pc.binary_length(text).to_numpy(zero_copy_only=False).astype("<u4")
        parts += [pa.scalar(struct.pack("<I", STRING_CODE), pa.binary()), _fixed(lengths), text]
    return _joined(*parts)


def key_prefix(names: Sequence[str]) -> bytes:
    """How the key of every entity with keys of these names begins."""
    encoded = [name.encode() for name in sorted(names)]
    return struct.pack("<I", len(encoded)) + b"".join(
        struct.pack("<II", STRING_CODE, len(name)) + name for name in encoded
    )


def moments(column: pa.Array) -> pa.BinaryArray:
    """Each moment as a protobuf Timestamp, to the microsecond; zeros are left out, as protobuf does."""
    micros = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    seconds, nanos = micros // SECOND_US, micros % SECOND_US * 1000
    return _joined(_unless_zero(b"\x08", seconds), _unless_zero(b"\x10", nanos))


def whole_seconds(column: pa.Array) -> npt.NDArray[np.int64]:
    """Seconds since 1970, cut towards it as Feast cuts them; 0 for nulls."""
    micros = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return np.trunc(micros / SECOND_US).astype(np.int64)


def varints(numbers: npt.NDArray[np.uint64]) -> pa.BinaryArray:
    """Protobuf's variable-length integers: seven bits a byte, the lowest first."""
    lengths = np.ones(len(numbers), dtype=np.int32)
    for bits in range(7, 64, 7):
        lengths += numbers >= np.uint64(1 << bits)
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
    data = np.empty(int(offsets[-1]), dtype=np.uint8)
    for place in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(lengths > place)
        low = (numbers[rows] >> np.uint64(7 * place)) & np.uint64(0x7F)
        data[offsets[rows] + place] = low | np.where(lengths[rows] > place + 1, 0x80, 0).astype(np.uint64)
    return pa.Array.from_buffers(pa.binary(), len(numbers), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _whole_numbers(tag: bytes) -> Callable[[pa.Array], pa.BinaryArray]:
    def encode(column: pa.Array) -> pa.BinaryArray:
        numbers = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        return _where_valid(column, _joined(pa.scalar(tag), varints(numbers.view(np.uint64))))

    return encode


def _timestamps(column: pa.Array) -> pa.BinaryArray:
    return _where_valid(column, _joined(pa.scalar(b"\x40"), varints(whole_seconds(column).view(np.uint64))))


def _doubles(column: pa.Array) -> pa.BinaryArray:
    numbers = pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False).astype("<f8")
    return _where_valid(column, _joined(pa.scalar(b"\x29"), _fixed(numbers)))


def _bools(column: pa.Array) -> pa.BinaryArray:
    return pc.if_else(column, pa.scalar(b"\x38\x01"), pa.scalar(b"\x38\x00"))


def _strings(column: pa.Array) -> pa.BinaryArray:
    return _with_length(b"\x12", column.cast(pa.binary()))


def _string_lists(column: pa.Array) -> pa.BinaryArray:
    _refuse_gaps(column)
    return _with_length(b"\x62", _lists_of(column, _with_length(b"\x0a", column.flatten().cast(pa.binary()))))


def _vectors(column: pa.Array) -> pa.BinaryArray:
    _refuse_gaps(column)
    packed = _lists_of(column, _fixed(column.flatten().to_numpy(zero_copy_only=False).astype("<f4")))
    body = pc.if_else(pc.equal(pc.binary_length(packed), 0), NOTHING, _with_length(b"\x0a", packed))
    return _with_length(b"\x82\x01", body)


ENCODERS: dict[ColumnType, Callable[[pa.Array], pa.BinaryArray]] = {
    ColumnType.STRING: _strings,
    ColumnType.INT32: _whole_numbers(b"\x18"),
    ColumnType.INT64: _whole_numbers(b"\x20"),
    ColumnType.FLOAT64: _doubles,
    ColumnType.BOOL: _bools,
    ColumnType.TIMESTAMP: _timestamps,
    ColumnType.STRINGS: _string_lists,
    ColumnType.VECTOR: _vectors,
}


def _joined(*parts: pa.Array | pa.Scalar) -> pa.BinaryArray:
    """The parts of each row, side by side; null where one of them is."""
    return pc.binary_join_element_wise(*(part.cast(pa.binary()) for part in parts), NOTHING)


def _with_length(tag: bytes, data: pa.BinaryArray) -> pa.BinaryArray:
    """Data of any length as a protobuf field."""
    lengths = pc.fill_null(pc.binary_length(data), 0).to_numpy(zero_copy_only=False).astype(np.uint64)
    return _joined(pa.scalar(tag), varints(lengths), data)


def _unless_zero(tag: bytes, numbers: npt.NDArray[np.int64]) -> pa.BinaryArray:
    field = _joined(pa.scalar(tag), varints(numbers.astype(np.int64).view(np.uint64)))
    return pc.if_else(pa.array(numbers != 0), field, NOTHING)


def _fixed(numbers: npt.NDArray[np.generic]) -> pa.BinaryArray:
    """Numbers as the bytes they are."""
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * np.int32(numbers.dtype.itemsize)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(numbers.tobytes())]
    return pa.Array.from_buffers(pa.binary(), len(numbers), buffers)


def _lists_of(column: pa.ListArray, elements: pa.BinaryArray) -> pa.BinaryArray:
    """The encoded elements of each list, side by side; null where the list is."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return _where_valid(column, pc.binary_join(pa.ListArray.from_arrays(offsets, elements), NOTHING))


def _where_valid(column: pa.Array, encoded: pa.BinaryArray) -> pa.BinaryArray:
    return pc.if_else(column.is_valid(), encoded, pa.scalar(None, pa.binary())) if column.null_count else encoded


def _refuse_gaps(column: pa.ListArray) -> None:
    if column.flatten().null_count:
        raise InputError(
            "a list of a feature holds nulls, which an online store cannot keep; mend the job that makes it"
        )
