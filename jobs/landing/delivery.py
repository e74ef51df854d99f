"""Finds the files of a delivery, and explains what is wrong with one that cannot be read."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path

from daybreak.clock import parse_day
from daybreak.contracts import Dataset
from daybreak.errors import DeliveryError, InputError

SUFFIXES = (".jsonl", ".jsonl.gz")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
GZIP_MARK = b"\x1f\x8b"


def delivered_days(landing: Path, dataset: Dataset, until: str) -> list[str]:
    """Every day up to `until` for which there are files of this dataset."""
    days = []
    for folder in sorted((landing / dataset.short_name).glob("ds=*")):
        day = folder.name.removeprefix("ds=")
        try:
            parse_day(day)
        except InputError as error:
            raise DeliveryError(f"{folder} is no delivery: {error}; rename the folder or move it away") from None
        if day <= until and _files_in(folder):
            days.append(day)
    return days


def files_of(landing: Path, dataset: Dataset, day: str) -> list[Path]:
    """The files delivered for a day, each one readable as far as its first bytes tell."""
    files = _files_in(landing / dataset.short_name / f"ds={day}")
    for path in files:
        _refuse_if_unreadable_at_start(path)
    return files


def refuse_missing(landing: Path, dataset: Dataset, day: str) -> None:
    """Raises where a dataset that must come every day has no file for this one."""
    folder = landing / dataset.short_name / f"ds={day}"
    if dataset.delivery and dataset.delivery.required and not _files_in(folder):
        raise DeliveryError(
            f"{dataset.short_name} of {day} is missing: expected {' or '.join(SUFFIXES)} files in {folder}, found none;"
            " deliver it and run the night again"
        )


def _files_in(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.glob("*") if path.name.endswith(SUFFIXES) and not path.name.startswith((".", "_"))
    )


def _refuse_if_unreadable_at_start(path: Path) -> None:
    with path.open("rb") as file:
        mark = file.read(2)
    if not mark:
        raise DeliveryError(f"{path} is empty; deliver it again and run the night again")
    if (path.suffix == ".gz") != (mark == GZIP_MARK):
        told, found = ("gzip", "is not") if path.suffix == ".gz" else ("plain text", "is gzip")
        raise DeliveryError(f"{path} is named as {told} but {found}; deliver it again or name it for what it is")
    if mark in UTF16_MARKS:
        raise DeliveryError(
            f"{path} is written in UTF-16; JSON lines must be UTF-8: convert it and run the night again"
        )


def explain_unreadable(files: Iterable[Path]) -> DeliveryError | None:
    """Which file cannot be read to its end, and where it breaks off; None where all can."""
    for path in files:
        if path.suffix != ".gz":
            continue
        lines = 0
        try:
            with gzip.open(path) as file:
                for _ in file:
                    lines += 1
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            return DeliveryError(
                f"{path} is a broken gzip file: it breaks off after line {lines} ({error}); nothing was landed,"
                " deliver it again and run the night again"
            )
    return None
