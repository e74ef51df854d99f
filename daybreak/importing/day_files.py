"""Writes the files of a delivery: `<dataset>/ds=<day>/part-00000.jsonl.gz`, the same bytes for the same lines."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from daybreak.importing.day_spill import DaySpill
from daybreak.importing.timestamps import write_days

PART = "part-00000.jsonl.gz"
LEVEL = 1
"""The files are read once, by landing: fast beats small."""
GZIP_WINDOW = 31
WRITERS = min(4, os.cpu_count() or 1)


def write_day_files(spill: DaySpill, folder: Path, on_day: Callable[[str], None]) -> list[str]:
    """Writes every day of a spill below `folder`, which is new; gives back the days."""
    numbers = spill.days()
    days = write_days(numbers)

    def write(number: int, day: str) -> str:
        target = folder / f"ds={day}"
        target.mkdir(parents=True)
        _write_gzip(target / PART, spill, number)
        return day

    with ThreadPoolExecutor(WRITERS) as writers:
        for day in writers.map(write, numbers, days):
            on_day(day)
    return days


def _write_gzip(path: Path, spill: DaySpill, day: int) -> None:
    """A gzip file without name or time in its header, so that equal lines give equal bytes."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    with path.open("wb") as file:
        for piece in spill.pieces(day):
            file.write(packer.compress(piece))
        file.write(packer.flush())
