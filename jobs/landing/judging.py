"""Judges delivered files: every line of a file becomes a typed row or one with the rules it broke.

This is what Spark's tasks run in their Python workers, so it imports nothing that a worker need not wait for. The
judging is DuckDB's: one query over a stream of lines in Arrow. Spark's own JSON expressions took four times as long for
the same verdicts, and most of a small day went into compiling them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from daybreak.contracts import LANDED_DS, Dataset
from jobs.landing.lines import LEGIBLE, LINE, NUMBER, read_lines
from jobs.landing.predicates import PATH, PLACE, ROW, judging

FILE_BITS = 40
"""A row's place is its file's number above this many bits, and its line's number below."""
ROWS_A_BATCH = 1 << 16
_REPEATED = pa.dictionary(pa.int8(), pa.string())
PLACED_LINES = pa.schema(
    {PATH: _REPEATED, LANDED_DS: _REPEATED, PLACE: pa.int64(), LINE: pa.large_string(), LEGIBLE: pa.bool_()}
)
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class DeliveredFile:
    """A file of a delivery: its number in the order in which files count, where it lies, and the day it is for."""

    number: int
    path: Path
    day: str

    @property
    def below_landing(self) -> str:
        """Its path below the landing folder, as people write it."""
        return "/".join(self.path.parts[-3:])


@dataclass(frozen=True)
class Share:
    """A part of a file's lines: every `of`-th block, from `share` on."""

    file: DeliveredFile
    share: int = 0
    of: int = 1


def numbered(files: Sequence[Path]) -> list[DeliveredFile]:
    """The files with their numbers, and the days that their folders name."""
    return [DeliveredFile(number, path, path.parent.name.removeprefix("ds=")) for number, path in enumerate(files)]


def judge(dataset: Dataset, shares: Sequence[Share]) -> Batches:
    """The verdicts on the lines of some files, in this process."""
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.register("lines", pa.RecordBatchReader.from_batches(PLACED_LINES, _lines(shares)))
        yield from engine.sql(judging(dataset, "lines")).to_arrow_reader(ROWS_A_BATCH)


def tell_again(shares: Sequence[Share]) -> Batches:
    """Every line of some files as it came, with its place, in this process."""
    for lines in _lines(shares):
        rows = [line.rstrip("\r\n") for line in lines[LINE].to_pylist()]
        yield pa.record_batch({PATH: lines[PATH].cast(pa.string()), ROW: rows, PLACE: lines[PLACE]})


def _lines(shares: Sequence[Share]) -> Batches:
    for share in shares:
        file = share.file
        for lines in read_lines(file.path, share.share, share.of):
            places = np.asarray(lines[NUMBER]) + (file.number << FILE_BITS)
            always = [
                pa.DictionaryArray.from_arrays(np.zeros(len(places), np.int8), [text])
                for text in (file.below_landing, file.day)
            ]
            yield pa.record_batch([*always, pa.array(places), lines[LINE], lines[LEGIBLE]], schema=PLACED_LINES)
