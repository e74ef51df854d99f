"""Sorts any number of lines into days within bounded memory, and writes a delivery's file for each day.

Lines gather in memory; when there are enough, they are sorted by day and written behind one another into one spill
file, with an index of which bytes belong to which day. Reading a day back joins its pieces in the order they came.
The same lines give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.importing.timestamps import write_days
from daybreak.part_files import GZIP_PART, gzipped

SPILL_BYTES = 64 << 20
MEMBER_BYTES = 1 << 20
WRITERS = min(4, os.cpu_count() or 1)


class DaySpill:
    """Lines of one dataset on their way into day files."""

    def __init__(self, path: Path, spill_bytes: int = SPILL_BYTES) -> None:
        self._file = path.open("w+b")
        self._spill_bytes = spill_bytes
        self._lines: list[pa.Array] = []
        self._days: list[npt.NDArray[np.int64]] = []
        self._held = 0
        self._end = 0
        self._pieces: dict[int, list[tuple[int, int]]] = {}
        self.rows: dict[int, int] = {}

    def add(self, lines: pa.Array, days: npt.NDArray[np.int64]) -> None:
        """Takes lines, each ended by a line feed, and the day of each."""
        self._lines.append(lines)
        self._days.append(days)
        self._held += lines.nbytes
        if self._held >= self._spill_bytes:
            self._spill()

    def days(self) -> list[int]:
        """All days that hold lines, in order. From here on, lines are only read."""
        self._spill()
        self._file.flush()
        return sorted(self._pieces)

    def pieces(self, day: int) -> Iterator[bytes]:
        """The lines of a day, in the order they were added. Threads may read at the same time."""
        for start, length in self._pieces[day]:
            yield os.pread(self._file.fileno(), length, start)

    def close(self) -> None:
        self._file.close()

    def _spill(self) -> None:
        if not self._lines:
            return
        days = np.concatenate(self._days)
        order = np.argsort(days, kind="stable")
        lines = pc.take(pa.concat_arrays(self._lines), pa.array(order)).cast(pa.large_binary())
        offsets = np.frombuffer(lines.buffers()[1], dtype=np.int64)[lines.offset : lines.offset + len(lines) + 1]
        distinct, firsts, counts = np.unique(days[order], return_index=True, return_counts=True)
        base = int(offsets[0])
        self._file.write(memoryview(lines.buffers()[2])[base : int(offsets[-1])])
        ends = offsets[firsts + counts]
        for day, start, end, count in zip(
            distinct.tolist(), offsets[firsts].tolist(), ends.tolist(), counts.tolist(), strict=True
        ):
            self._pieces.setdefault(day, []).append((self._end + start - base, end - start))
            self.rows[day] = self.rows.get(day, 0) + count
        self._end += int(offsets[-1]) - base
        self._lines, self._days, self._held = [], [], 0


def write_day_files(spill: DaySpill, folder: Path, on_day: Callable[[str], None]) -> list[str]:
    """Writes every day of a spill below `folder`, which is new; gives back the days."""
    numbers = spill.days()
    days = write_days(numbers)

    def write(number: int, day: str) -> str:
        target = folder / f"ds={day}"
        target.mkdir(parents=True)
        _write_day(target / GZIP_PART, spill.pieces(number))
        return day

    with ThreadPoolExecutor(WRITERS) as writers:
        for day in writers.map(write, numbers, days):
            on_day(day)
    return days


def _write_day(path: Path, pieces: Iterator[bytes]) -> None:
    """A gzip file whose members are cut by size alone, so that its bytes do not tell how its lines were spilled."""
    held = b""
    with path.open("wb") as file:
        for piece in pieces:
            held += piece
            whole = len(held) - len(held) % MEMBER_BYTES
            for start in range(0, whole, MEMBER_BYTES):
                file.write(gzipped(held[start : start + MEMBER_BYTES]))
            held = held[whole:]
        if held:
            file.write(gzipped(held))
