"""No room left: one sentence, a non-zero exit, and nothing half-written."""

from __future__ import annotations

import errno
import os
import resource
import threading
from pathlib import Path

import pytest

from daybreak.candidates import TRENDING
from daybreak.errors import DaybreakError
from daybreak.files import write_atomically
from daybreak.lake import Lake
from daybreak.runner import run_steps
from daybreak.settings import Settings
from tests.daybreak.children import outcomes
from tests.daybreak.rows import DAY, tags
from tests.daybreak.steps import TOY

LIMITS = [0, 60, 600, 3_000, 30_000]
MANY = 20_000
FINISHED, NO_ROOM = 0, 71


@pytest.mark.parametrize("limit", LIMITS)
def test_a_step_that_finds_no_room_says_so_and_leaves_the_day_whole(settings: Settings, lake: Lake, limit: int) -> None:
    """Wherever the room ends (in the attempt's number, the rows, the commit, the record), the day is the old or the
    new one, and with room again the same command finishes it."""
    run_steps([TOY], DAY, settings, overrides={"tag": "old", "number": 4})
    assert outcomes(_run_within, (limit, settings.model_dump(mode="json"))) == [NO_ROOM]
    table = lake.table(TRENDING)
    assert tags(table) in (["old"] * 4, ["new"] * MANY)
    run_steps([TOY], DAY, settings, overrides={"tag": "new", "number": MANY})
    assert tags(table) == ["new"] * MANY


def test_a_file_that_finds_no_room_keeps_its_old_content(tmp_path: Path) -> None:
    """The device that is always full stands in for the disk: the old file stays, and no half one beside it."""
    path = tmp_path / "CURRENT"
    write_atomically(path, b"old")
    beside = tmp_path / f".CURRENT.{threading.get_native_id()}.{os.getpid()}.tmp"
    beside.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(path, b"new")
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["CURRENT"]


def _run_within(limit: int, values: dict[str, object]) -> None:
    """Runs the step where no file may grow beyond `limit` bytes, which the system tells like a full disk."""
    settings = Settings(**values)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        run_steps([TOY], DAY, settings, overrides={"tag": "new", "number": MANY})
    except DaybreakError as error:
        said = str(error)
        os._exit(NO_ROOM if said.startswith("the disk is full (") and "\n" not in said else 1)
