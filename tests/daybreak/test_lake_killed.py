"""A writer of the lake that is killed, anywhere: the table is whole before, and the same command finishes it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from daybreak.candidates import POPULARITY
from daybreak.lake import Lake, Table
from tests.daybreak.children import Kill, kill_after, kill_at, points_of, times_of
from tests.daybreak.rows import DAY, tags, write

NEIGHBOUR = "2026-11-19"
POINTS = 64
TIMED = 32
OLD, NEW = ["old"] * 4, ["new"] * 3


def replace_the_day(folder: Path) -> None:
    """The command that is killed: a new attempt that replaces the day."""
    write(Lake(str(folder / "lake")), "new")


@dataclass(frozen=True)
class Scene:
    """A lake with the day as it was and a neighbour, to be copied for each kill."""

    folder: Path
    finished: str
    neighbour: str

    def copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.folder, self.folder.with_name(name)))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("killed") / "scene"
    lake = Lake(str(folder / "lake"))
    write(lake, "old", NEIGHBOUR, number=5)
    write(lake, "old", number=4)
    undisturbed = Path(shutil.copytree(folder, folder.with_name("undisturbed")))
    replace_the_day(undisturbed)
    table = _table(undisturbed)
    return Scene(folder, table.digest(DAY), table.digest(NEIGHBOUR))


@pytest.mark.slow
def test_killed_anywhere_in_a_table_write_leaves_the_old_day_or_the_new_one(scene: Scene) -> None:
    """Killed at points spread over every line that runs and every file that is touched, the day is whole, old or new,
    and the same command ends with the digest of a run that nobody disturbed."""
    points = points_of(replace_the_day, scene.copy("counted"), POINTS)
    seen = {_assert_survives_a_kill(scene, partial(kill_at, point)) for point in points}
    assert seen == {"old", "new"}, "the points must lie on both sides of the commit"


@pytest.mark.slow
def test_killed_by_the_clock_in_a_table_write_leaves_the_old_day_or_the_new_one(scene: Scene) -> None:
    """The same with a timer, which also falls inside the engine that writes the commit."""
    for seconds in times_of(replace_the_day, scene.copy("clocked"), TIMED):
        _assert_survives_a_kill(scene, partial(kill_after, seconds))


def _assert_survives_a_kill(scene: Scene, kill: Kill) -> str:
    """Kills a write of a fresh copy; which rows the day held then."""
    folder = scene.copy("killed")
    kill(replace_the_day, folder)
    table = _table(folder)
    left = tags(table)
    assert left in (OLD, NEW)
    assert table.digest(NEIGHBOUR) == scene.neighbour
    replace_the_day(folder)
    assert (table.digest(DAY), table.digest(NEIGHBOUR)) == (scene.finished, scene.neighbour)
    _leftovers_go(folder, table)
    shutil.rmtree(folder)
    return left[0]


def _leftovers_go(folder: Path, table: Table) -> None:
    table.clean(retention_hours=0)
    place = folder / "lake" / POPULARITY.name
    assert {str(path.relative_to(place)) for path in place.rglob("*.parquet")} == {file.path for file in table.files()}
    assert table.days() == {NEIGHBOUR: 5, DAY: 3}


def _table(folder: Path) -> Table:
    return Lake(str(folder / "lake")).table(POPULARITY)
