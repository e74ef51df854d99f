"""Delivered files as Arrow batches of numbered lines, a block at a time, whatever bytes they hold."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NUMBER, LINE, LEGIBLE = "_number", "_line", "_legible"
BLOCK_BYTES = 8 << 20
UTF8_MARK = b"\xef\xbb\xbf"


def read_lines(path: Path, share: int = 0, of: int = 1) -> Iterator[pa.RecordBatch]:
    """The lines of a file with their numbers, from 1, and whether they are UTF-8; or every `of`-th block of them.

    A line that is no UTF-8 is told byte for byte as Latin-1, so that nothing of it is lost. Line ends stay on.
    """
    first = 1
    with cast(BinaryIO, gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
        for number, block in enumerate(_blocks(file)):
            ends = _line_ends(block)
            if number % of == share:
                yield _lines_of(block, ends, first)
            first += len(ends)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file in blocks of whole lines, without the mark that some editors put before UTF-8."""
    rest = file.read(len(UTF8_MARK)).removeprefix(UTF8_MARK)
    while read := file.read(BLOCK_BYTES):
        end = read.rfind(b"\n") + 1
        if end:
            yield rest + read[:end]
            rest = read[end:]
        else:
            rest += read
    if rest:
        yield rest


def _line_ends(block: bytes) -> npt.NDArray[np.int64]:
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    return ends if ends.size and ends[-1] == len(block) else np.append(ends, len(block))


def _lines_of(block: bytes, ends: npt.NDArray[np.int64], first: int) -> pa.RecordBatch:
    offsets = pa.py_buffer(np.concatenate([[0], ends]).astype(np.int64))
    lines = pa.Array.from_buffers(pa.large_binary(), len(ends), [None, offsets, pa.py_buffer(block)])
    text, legible = _as_text(lines)
    numbers = pa.array(np.arange(first, first + len(ends)))
    return pa.record_batch({NUMBER: numbers, LINE: text, LEGIBLE: legible})


def _as_text(lines: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        return lines.cast(pa.large_string()), pa.array(np.ones(len(lines), dtype=bool))
    except pa.ArrowInvalid:
        legible = [_is_utf8(line) for line in lines.to_pylist()]
        text = [
            line.decode("utf-8" if good else "iso-8859-1")
            for line, good in zip(lines.to_pylist(), legible, strict=True)
        ]
        return pa.array(text, pa.large_string()), pa.array(legible)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
