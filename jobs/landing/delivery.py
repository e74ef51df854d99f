"""Finds the files of a delivery, and explains what is wrong with one that cannot be read."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from daybreak.contracts import Dataset
from daybreak.errors import DeliveryError

SUFFIXES = (".jsonl", ".jsonl.gz")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
GZIP_MARK = b"\x1f\x8b"


def delivered_days(landing: Path, dataset: Dataset) -> list[str]:
    """Every day for which there is a folder of this dataset."""
    return sorted(
        path.name.removeprefix("ds=") for path in (landing / dataset.short_name).glob("ds=*") if path.is_dir()
    )


def files_of(landing: Path, dataset: Dataset, day: str) -> list[Path]:
    """The files delivered for a day; a clear error where a required one is missing or has no content."""
    folder = landing / dataset.short_name / f"ds={day}"
    files = sorted(
        path for path in folder.glob("*") if path.name.endswith(SUFFIXES) and not path.name.startswith((".", "_"))
    )
    assert dataset.delivery is not None
    if not files and dataset.delivery.required:
        raise DeliveryError(
            f"{dataset.short_name} of {day} is missing: expected {'/'.join(SUFFIXES)} files in {folder}, found none;"
            " deliver it and run the night again"
        )
    for path in files:
        _refuse_if_unreadable_at_start(path)
    return files


def _refuse_if_unreadable_at_start(path: Path) -> None:
    with path.open("rb") as file:
        mark = file.read(2)
    if not mark:
        raise DeliveryError(f"{path} is empty; deliver it again and run the night again")
    if path.suffix == ".gz" and mark != GZIP_MARK:
        raise DeliveryError(f"{path} is named .gz but is not gzip; deliver it again or name it for what it is")
    if mark in UTF16_MARKS:
        raise DeliveryError(
            f"{path} is written in UTF-16; JSON lines must be UTF-8: convert it and run the night again"
        )


def explain_unreadable(files: list[Path]) -> DeliveryError | None:
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
