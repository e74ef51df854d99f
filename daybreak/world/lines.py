"""JSON lines written by the column: many rows at once, as one matrix of bytes.

A row is a sequence of pieces, each either the same text for every row or one fixed-width text a row, padded with NUL
bytes. The pieces are laid side by side in a matrix, and one pass deletes the padding. Texts come from tables of
values that need no JSON escape.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from daybreak.clock import DAY_US
from daybreak.draws import Ints

Texts = npt.NDArray[np.void]
Piece = bytes | Texts

PADDING = b"\0"


def text_table(values: Sequence[str]) -> Texts:
    """The values as fixed-width texts, to be picked by index; an empty value leaves nothing in the row."""
    encoded = [value.encode() for value in values]
    width = max(1, *(len(value) for value in encoded)) if encoded else 1
    return np.array([value.ljust(width, PADDING) for value in encoded], dtype=f"V{width}")


def numbers(prefix: str, values: Ints) -> Texts:
    """`prefix` and the value in decimal digits, for values from 0."""
    digits = len(str(int(values.max()))) if values.size else 1
    start = prefix.encode()
    width = len(start) + digits
    matrix = np.zeros((values.size, width), dtype=np.uint8)
    matrix[:, : len(start)] = np.frombuffer(start, dtype=np.uint8)
    rest = values
    for place in range(width - 1, len(start) - 1, -1):
        rest, digit = np.divmod(rest, 10)
        shown = (digit > 0) | (rest > 0) | (place == width - 1)
        matrix[:, place] = np.where(shown, digit + ord("0"), 0)
    return matrix.view(f"V{width}").reshape(values.size)


def joined(pieces: Sequence[Piece], rows: int) -> Texts:
    """The pieces of each row side by side, padding included."""
    fields = [(f"p{n}", f"V{len(p)}" if isinstance(p, bytes) else p.dtype) for n, p in enumerate(pieces)]
    dtype = np.dtype(fields)
    row: npt.NDArray[Any] = np.zeros(1, dtype=dtype)
    for name, piece in zip(dtype.names or (), pieces, strict=True):
        if isinstance(piece, bytes):
            row[name] = np.void(piece)
    matrix = np.frombuffer(bytearray(row.tobytes()) * rows, dtype=dtype)
    for name, piece in zip(dtype.names or (), pieces, strict=True):
        if not isinstance(piece, bytes):
            matrix[name] = piece
    return matrix.view(f"V{dtype.itemsize}")


def render(pieces: Sequence[Piece], rows: int) -> bytes:
    """The rows as text, one after another."""
    if rows == 0:
        return b""
    return joined(pieces, rows).tobytes().translate(None, PADDING)


def decimals(values: Ints, places: int) -> list[Piece]:
    """Whole hundredths (or tenths) as pieces that read as a decimal number."""
    unit = 10**places
    return [numbers("", values // unit), b".", _digits(places)[values % unit]]


def timestamps(moments_us: Ints) -> list[Piece]:
    """Moments in microseconds since 1970 as pieces that read `2026-11-20T12:34:56.123456Z`."""
    days, in_day = np.divmod(moments_us, DAY_US)
    first, last = (int(days.min()), int(days.max())) if days.size else (0, 0)
    return [_dates(first, last)[days - first], b"T", *clock_times(in_day), b"Z"]


def clock_times(in_day_us: Ints) -> list[Piece]:
    """Microseconds since midnight as pieces that read `12:34:56.123456`."""
    seconds, micros = np.divmod(in_day_us, 1_000_000)
    thousands, ones = np.divmod(micros, 1_000)
    return [_seconds_table()[seconds], b".", _digits(3)[thousands], _digits(3)[ones]]


def _dates(first: int, last: int) -> Texts:
    return np.arange(first, last + 1).astype("M8[D]").astype("S10").view("V10")


@cache
def _digits(places: int) -> Texts:
    return text_table([f"{n:0{places}}" for n in range(10**places)])


@cache
def _seconds_table() -> Texts:
    return text_table([f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86_400)])
