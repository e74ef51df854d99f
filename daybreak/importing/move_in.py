"""Moves a finished import into the landing, whole or not at all.

The import is written into a folder beside the landing, and what is to be moved is written down first; so an import
that dies while moving is undone by the next one. Days that are already there with the same bytes are left alone; days
with other content are refused, or set aside until all is moved.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daybreak.errors import InputError
from daybreak.files import fsync_dir, locked, write_atomically

NEW, OLD, MOVES = "new", "old", "moves.json"


@dataclass(frozen=True)
class Moved:
    """What became of the days of an import."""

    new: int
    unchanged: int
    replaced: int


@contextmanager
def staging_folder(landing: Path) -> Iterator[Path]:
    """A folder beside the landing to write an import into; one import at a time. Undoes imports that died.

    Its name begins with the landing's, because other landings may lie in the same folder.
    """
    landing.parent.mkdir(parents=True, exist_ok=True)
    name = f".{landing.name}-import"
    with locked(landing.parent / f"{name}.lock"):
        for dead in [path for path in landing.parent.iterdir() if path.name.startswith(f"{name}-") and path.is_dir()]:
            _settle(dead, landing)
            shutil.rmtree(dead)
        staging = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=landing.parent))
        try:
            (staging / NEW).mkdir()
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def move_in(staging: Path, landing: Path, replace: bool) -> Moved:
    """Moves `staging/new/<dataset>/ds=<day>` into the landing."""
    days = sorted(day.relative_to(staging / NEW) for day in (staging / NEW).glob("*/ds=*/"))
    unchanged = [day for day in days if _same_files(staging / NEW / day, landing / day)]
    there = [day for day in days if day not in set(unchanged) and _holds_files(landing / day)]
    if there and not replace:
        raise InputError(
            f"{len(there)} of {len(days)} imported days are already in {landing} with other content, such as "
            f"{there[0]}; nothing was changed: pass --replace to put the imported ones in their place"
        )
    for day in unchanged:
        shutil.rmtree(staging / NEW / day)
    _move_all(staging, landing)
    return Moved(len(days) - len(unchanged) - len(there), len(unchanged), len(there))


def _move_all(staging: Path, landing: Path) -> None:
    moves = [str(day.relative_to(staging / NEW)) for day in sorted((staging / NEW).glob("*/ds=*/"))]
    os.sync()
    write_atomically(staging / MOVES, json.dumps(moves).encode())
    try:
        for day in moves:
            target = landing / day
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                (staging / OLD / day).parent.mkdir(parents=True, exist_ok=True)
                target.rename(staging / OLD / day)
            (staging / NEW / day).rename(target)
    except BaseException:
        _settle(staging, landing)
        raise
    for dataset in {(landing / day).parent for day in moves}:
        fsync_dir(dataset)
    (staging / MOVES).unlink()


def _settle(staging: Path, landing: Path) -> None:
    """Undoes a move that did not finish; one that moved all is done."""
    if not (staging / MOVES).exists():
        return
    moves: list[str] = json.loads((staging / MOVES).read_text(encoding="utf-8"))
    if all(not (staging / NEW / day).exists() for day in moves):
        return
    for day in reversed(moves):
        if not (staging / NEW / day).exists():
            (landing / day).rename(staging / NEW / day)
        if (staging / OLD / day).exists():
            (staging / OLD / day).rename(landing / day)
    (staging / MOVES).unlink()


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _same_files(mine: Path, theirs: Path) -> bool:
    if not theirs.is_dir():
        return False
    names = sorted(path.name for path in mine.iterdir())
    if names != sorted(path.name for path in theirs.iterdir()):
        return False
    return filecmp.cmpfiles(mine, theirs, names, shallow=False)[0] == names
