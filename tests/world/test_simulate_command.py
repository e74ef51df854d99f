"""`daybreak simulate` at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from daybreak.cli.simulate import command
from daybreak.errors import InputError
from daybreak.world.truth import open_truth

SMALL = ["--days", "2", "--users", "60", "--items", "30", "--events-per-day", "400"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_program_reads_what_was_simulated(home: Path) -> None:
    """--json prints one document: days, rows and where they are; the truth can be opened afterwards."""
    said = json.loads(_run(*SMALL, "--seed", "9", "--drift", "traffic_drop@2", "--dirt", "null_id=0.01", "--json"))
    assert (said["days"], said["first_day"], said["last_day"]) == (2, "2026-10-22", "2026-10-23")
    assert said["events"] > 200
    assert said["dirty_rows"] >= 2
    assert sorted(path.name for path in Path(said["landing"]).iterdir()) == ["edges", "events", "items", "users"]
    assert open_truth(home / "world").world.to_json() == said["parameters"]
    assert said["parameters"]["drifts"] == ["traffic_drop@2026-10-23"]


def test_a_person_reads_what_was_simulated(home: Path) -> None:
    """Without --json a few sentences say what is where."""
    said = _run(*SMALL)
    assert "2 days" in said
    assert "landing" in said.replace("\n", "")
    assert home.exists()


def test_a_later_day_can_be_added_alone(home: Path) -> None:
    """--from continues a world without writing its first days again."""
    _run(*SMALL)
    before = {path: path.stat().st_mtime_ns for path in (home / "landing").rglob("*.gz")}
    _run(*SMALL[2:], "--days", "1", "--from", "2026-10-24")
    assert (home / "landing" / "events" / "ds=2026-10-24").exists()
    assert all(path.stat().st_mtime_ns == moment for path, moment in before.items())


def test_kinds_are_listed_with_what_they_do() -> None:
    """--kinds tells every drift and dirt, for people and for programs."""
    sorts = {row["sort"] for row in json.loads(_run("--kinds", "--json"))}
    assert sorts == {"drift", "bad row", "bad file"}
    assert "taste_shift" in _run("--kinds")


def test_wrong_requests_are_refused(home: Path) -> None:
    """A day that is none, and a first day before the world, end in one sentence and write nothing."""
    with pytest.raises(InputError, match="is no day"):
        _run(*SMALL, "--start", "22.10.2026")
    with pytest.raises(InputError, match="on or after the first"):
        _run(*SMALL, "--from", "2026-10-01")
    assert not home.exists()
