"""The same world is the same bytes, however it is simulated; a home holds one world."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import InputError
from daybreak.world import delivery
from daybreak.world.day_file import DayFile
from daybreak.world.delivery import Destination, Ledger, event_chunks
from daybreak.world.drifts import Drift
from daybreak.world.parameters import World, world_from_json
from daybreak.world.simulation import Simulation, simulate
from daybreak.world.soiling import Dirt

TINY = World(seed=3, users=120, items=60, events_per_day=1_500)
# Of the first six days of TINY, uncompressed. It changes only when the world itself is changed on purpose.
TINY_DIGEST = "970f8afa90ced55527cb998ae7bf82b3dff07f3afe31196633b86ac033a2dea8"


def _to(home: Path, *, plain: bool = False) -> Destination:
    return Destination(home / "landing", home / "world", plain)


def _simulated(home: Path, days: int, world: World = TINY, first: int = 0, workers: int = 1) -> dict[str, bytes]:
    simulate(Simulation(world, days, _to(home), first=first, workers=workers), lambda _: None)
    return _files(home)


def _plain_digest(home: Path) -> str:
    """The digest of six days of TINY, uncompressed."""
    simulate(Simulation(TINY, 6, _to(home, plain=True)), lambda _: None)
    digest = hashlib.sha256()
    for path in sorted((home / "landing").rglob("*.jsonl")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_two_runs_give_equal_bytes(tmp_path: Path) -> None:
    """Every file, ledgers and parameters included, is the same in two homes and after running again in one."""
    first = _simulated(tmp_path / "a", 6)
    assert first == _simulated(tmp_path / "b", 6)
    assert first == _simulated(tmp_path / "a", 6)
    assert len(first) == 6 * 5 + 1


def test_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    """Two processes write what one writes."""
    assert _simulated(tmp_path / "one", 4) == _simulated(tmp_path / "two", 4, workers=2)


def test_longer_simulations_begin_with_shorter_ones(tmp_path: Path) -> None:
    """The first days are the same however many follow, and any day can be simulated alone."""
    short, long = _simulated(tmp_path / "short", 3), _simulated(tmp_path / "long", 6)
    assert short.items() <= long.items()
    alone = _simulated(tmp_path / "alone", 1, first=4)
    assert alone.items() <= long.items()


def test_bytes_are_those_of_every_other_machine(tmp_path: Path) -> None:
    """The digest of the plain text is the one written down here, whatever machine runs this."""
    assert _plain_digest(tmp_path) == TINY_DIGEST


def test_bytes_do_not_depend_on_the_instructions_of_the_processor(tmp_path: Path) -> None:
    """The digest is the same where numpy may use nothing but its baseline instructions."""
    numpy = importlib.import_module("numpy._core._multiarray_umath")
    optional = [name for name in numpy.__cpu_dispatch__ if numpy.__cpu_features__[name]]
    program = "import sys, pathlib, tests.world.test_simulation as t; print(t._plain_digest(pathlib.Path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(optional)},
        cwd=Path(__file__).resolve().parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == TINY_DIGEST


def test_compressed_files_hold_the_plain_text_and_no_time_or_name(tmp_path: Path) -> None:
    """gzip adds nothing: the text is that of --plain, and the header has neither a moment nor a file name."""
    packed = _simulated(tmp_path / "packed", 2)
    simulate(Simulation(TINY, 2, _to(tmp_path / "plain", plain=True)), lambda _: None)
    plain = _files(tmp_path / "plain")
    names = [name for name in packed if name.endswith(".gz")]
    assert len(names) == 8
    for name in names:
        assert gzip.decompress(packed[name]) == plain[name.removesuffix(".gz")]
        assert packed[name][3] == 0, "no optional header field"
        assert packed[name][4:8] == bytes(4), "no modification time"


def test_the_other_form_of_a_file_is_removed(tmp_path: Path) -> None:
    """Simulating plain after compressed leaves one file per day, so that no row is delivered twice."""
    _simulated(tmp_path, 1)
    simulate(Simulation(TINY, 1, _to(tmp_path, plain=True)), lambda _: None)
    assert [path.name for path in (tmp_path / "landing" / "events").rglob("part*")] == ["part-00000.jsonl"]


def test_the_size_of_a_chunk_changes_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day made for a few users at a time has the rows of a day made at once."""
    whole = b"".join(event_chunks(TINY, 5, Ledger("whole")))
    monkeypatch.setattr(delivery, "EVENTS_A_CHUNK", 70)
    pieces = list(event_chunks(TINY, 5, Ledger("pieces")))
    assert len(pieces) > 10
    assert sorted(b"".join(pieces).splitlines()) == sorted(whole.splitlines())


def test_an_interrupted_write_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    """A failure in the middle of a file neither changes it nor leaves another beside it."""
    with DayFile(tmp_path) as file:
        file.write(b"old\n")
    before = _files(tmp_path)

    def interrupted() -> None:
        with DayFile(tmp_path) as file:
            file.write(b"new\n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert _files(tmp_path) == before


def test_what_a_killed_simulation_left_beside_a_file_is_removed(tmp_path: Path) -> None:
    """Only what a dead process was writing; a file that somebody else has put there stays."""
    for name in (".part-00000.jsonl.gz.99999999.tmp", ".mine.tmp"):
        (tmp_path / name).touch()
    with DayFile(tmp_path) as file:
        file.write(b"new\n")
    assert sorted(_files(tmp_path)) == [".mine.tmp", "part-00000.jsonl.gz"]


def test_an_empty_dataset_leaves_no_file(tmp_path: Path) -> None:
    """Nor the one of an earlier simulation, nor a folder."""
    with DayFile(tmp_path / "day") as file:
        file.write(b"old\n")
    with DayFile(tmp_path / "day"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_deliveries_of_someone_else_are_not_overwritten(tmp_path: Path) -> None:
    """A day that was imported is refused, also with replace; days that are not written do not matter."""
    theirs = tmp_path / "landing" / "events" / f"ds={TINY.day(1)}" / "part-00000.jsonl.gz"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    with pytest.raises(InputError, match=r"events/ds=2026-10-23 holds a delivery that no simulation has made"):
        simulate(Simulation(TINY, 3, _to(tmp_path)), lambda _: None, replace=True)
    assert _files(tmp_path) == {"landing/events/ds=2026-10-23/part-00000.jsonl.gz": b"theirs"}
    simulate(Simulation(TINY, 1, _to(tmp_path)), lambda _: None)


def test_a_home_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Whether for rights, for room or, here, for a file where the folder should be."""
    (tmp_path / "home").touch()
    with pytest.raises(InputError, match=r"could not write to .*landing.*Not a directory; make room"):
        simulate(Simulation(TINY, 1, _to(tmp_path / "home")), lambda _: None)


def test_a_simulation_ends_while_days_can_be_told_apart(tmp_path: Path) -> None:
    """More days than a world has are refused before anything is written."""
    with pytest.raises(InputError, match="within the first 100,000 days"):
        Simulation(TINY, 1, _to(tmp_path), first=100_000)


def test_another_world_is_refused_in_the_same_home(tmp_path: Path) -> None:
    """Deliveries of two worlds never mix unless one is removed; drifts and dirt are told apart."""
    _simulated(tmp_path, 3)
    other = Simulation(replace(TINY, seed=4), 1, _to(tmp_path))
    with pytest.raises(InputError, match="describes another world"):
        simulate(other, lambda _: None)
    simulate(other, lambda _: None, replace=True)
    assert [path.name for path in (tmp_path / "landing" / "events").iterdir()] == ["ds=2026-10-22"]
    assert _files(tmp_path) == _simulated(tmp_path.with_name("fresh"), 1, world=other.world)


def test_a_world_survives_its_json() -> None:
    """The parameters that a simulation writes down give the same world back."""
    world = replace(TINY, drifts=(Drift("taste_shift", date(2026, 11, 1)), Drift("traffic_drop", date(2026, 11, 3))))
    assert world_from_json(world.to_json()) == world


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"users": 1}, "users"),
        ({"items": 0}, "items"),
        ({"seed": -1}, "seed"),
        ({"events_per_day": 0}, "events a day"),
        ({"start": date(1969, 12, 31)}, "first day"),
    ],
)
def test_impossible_worlds_are_refused(values: dict[str, Any], said: str) -> None:
    """The message names the parameter and its bounds."""
    with pytest.raises(InputError, match=f"a world's {said} must be between"):
        replace(TINY, **values)


def test_a_truncated_gzip_needs_gzip(tmp_path: Path) -> None:
    """Asking for a fault that plain files cannot have is refused at once."""
    with pytest.raises(InputError, match="leave out --plain"):
        Simulation(TINY, 1, _to(tmp_path, plain=True), dirt=(Dirt("truncated_gzip", 1.0),))
