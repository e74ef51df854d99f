"""An import is in the landing as a whole or not at all, and never overwrites unasked."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from daybreak.errors import InputError
from daybreak.importing.move_in import staging_folder
from tests.importing.sources import EVENTS_MAPPING, imported_by, tree, write

DAYS = [f"2026-11-{day:02d}" for day in range(10, 16)]


def source(folder: Path, item: str, days: list[str] = DAYS) -> Path:
    write(folder / "events.csv", "when,who,what,did\n" + "".join(f"{day},u1,{item},view\n" for day in days))
    return folder


def test_other_content_is_refused_and_replaced_only_when_asked(tmp_path):
    """Days that are there with other content stay, unless --replace."""
    landing = tmp_path / "landing"
    imported_by(EVENTS_MAPPING, source(tmp_path / "a", "i1"), landing)
    before = tree(landing)
    with pytest.raises(InputError, match=r"6 of 6 imported days .* such as events/ds=2026-11-10; nothing .*--replace"):
        imported_by(EVENTS_MAPPING, source(tmp_path / "b", "i2"), landing)
    assert tree(landing) == before
    summary = imported_by(EVENTS_MAPPING, tmp_path / "b", landing, replace=True)
    assert (summary.new_days, summary.replaced_days) == (0, 6)
    fresh = tmp_path / "fresh" / "landing"
    imported_by(EVENTS_MAPPING, tmp_path / "b", fresh)
    assert tree(landing) == tree(fresh)


def test_new_days_join_those_that_are_there(tmp_path):
    """Equal days are left alone, other deliveries of other days stay."""
    landing = tmp_path / "landing"
    imported_by(EVENTS_MAPPING, source(tmp_path / "a", "i1", DAYS[:4]), landing)
    touched = (landing / "events" / f"ds={DAYS[0]}" / "part-00000.jsonl.gz").stat().st_mtime_ns
    summary = imported_by(EVENTS_MAPPING, source(tmp_path / "a", "i1", DAYS[2:]), landing)
    assert (summary.new_days, summary.unchanged_days, summary.replaced_days) == (2, 2, 0)
    assert [day.name for day in sorted((landing / "events").iterdir())] == [f"ds={day}" for day in DAYS]
    assert (landing / "events" / f"ds={DAYS[0]}" / "part-00000.jsonl.gz").stat().st_mtime_ns == touched


def test_a_delivery_of_another_name_in_an_imported_day_is_not_lost(tmp_path):
    """A day folder with another file in it is other content."""
    other = write(tmp_path / "landing" / "events" / f"ds={DAYS[0]}" / "mine.jsonl", "{}\n")
    with pytest.raises(InputError, match="1 of 6"):
        imported_by(EVENTS_MAPPING, source(tmp_path / "a", "i1"), tmp_path / "landing")
    assert other.exists()


@pytest.mark.parametrize("renames", [1, 4, 7, 11])
def test_a_fault_while_moving_undoes_what_was_moved(tmp_path, monkeypatch, renames):
    """When a rename fails, every day has what it had before."""
    landing = tmp_path / "landing"
    imported_by(EVENTS_MAPPING, source(tmp_path / "a", "i1", DAYS[1:]), landing)
    before = tree(landing)
    left = renames
    rename = Path.rename

    def failing(self, target):
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", failing)
        with pytest.raises(InputError, match="No space left on device; nothing was changed"):
            imported_by(EVENTS_MAPPING, source(tmp_path / "b", "i2"), landing, replace=True)
    assert tree(landing) == before
    assert not list(tmp_path.glob(".landing-import-*/"))


def killed_import(folder: Path, data: Path, renames: int) -> None:
    """An import whose process ends, with no chance to clean up, at its n-th rename."""
    rename = Path.rename
    left = renames

    def ending(self, target):
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(9)
        return rename(self, target)

    Path.rename = ending
    imported_by(EVENTS_MAPPING, data, folder / "landing", replace=True)


@pytest.mark.parametrize("renames", [1, 2, 5, 11])
def test_an_import_that_was_killed_is_undone_by_the_next(tmp_path, renames):
    """After a death while moving, the next import, here one that is refused, restores the landing first."""
    landing = tmp_path / "landing"
    imported_by(EVENTS_MAPPING, source(tmp_path / "a", "i1", DAYS[1:]), landing)
    before = tree(landing)
    spawn = multiprocessing.get_context("spawn")
    child = spawn.Process(target=killed_import, args=(tmp_path, source(tmp_path / "b", "i2"), renames))
    child.start()
    child.join(60)
    assert child.exitcode == 9
    with pytest.raises(InputError, match="with other content"):
        imported_by(EVENTS_MAPPING, source(tmp_path / "c", "i3", DAYS[1:]), landing)
    assert tree(landing) == before
    assert not list(tmp_path.glob(".landing-import-*/"))


def test_a_dead_import_into_a_landing_next_door_is_left_alone(tmp_path):
    """Two landings in one folder: an import into one neither undoes nor removes what was begun for the other."""
    with staging_folder(tmp_path / "other") as dead:
        pass
    begun = write(dead / "new" / "events" / "ds=2026-11-10" / "part", "{}")
    write(dead / "moves.json", '["events/ds=2026-11-10", "events/ds=2026-11-11"]')
    imported_by(EVENTS_MAPPING, source(tmp_path / "a", "i1"), tmp_path / "landing")
    assert begun.exists()


def test_later_days_in_the_landing_are_told(tmp_path):
    """Who imports old data beside newer is told that a night without --ds is another's."""
    imported_by(EVENTS_MAPPING, source(tmp_path / "a", "i1", DAYS[3:]), tmp_path / "landing")
    earlier = imported_by(EVENTS_MAPPING, source(tmp_path / "b", "i1", DAYS[:3]), tmp_path / "landing")
    assert f"later days of events, up to {DAYS[-1]}" in earlier.notes[0]
    again = imported_by(EVENTS_MAPPING, source(tmp_path / "a", "i1", DAYS[3:]), tmp_path / "landing")
    assert again.notes == ()
