"""`daybreak import` prints what a person and a program hope for."""

from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

from daybreak.cli.import_data import command
from tests.importing.sources import EVENTS_MAPPING, movielens_1m, write


def invoke(monkeypatch, home, *arguments: str):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    monkeypatch.setenv("DAYBREAK_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner().invoke(app, list(arguments))


def test_the_summary_ends_with_the_command_to_type_next(tmp_path, monkeypatch):
    """Rows, days, users, items, the encoding that was found, and the night to run."""
    result = invoke(monkeypatch, tmp_path / "var", str(movielens_1m(tmp_path / "ml")))
    assert result.exit_code == 0
    assert "2 users, 2 items" in result.stdout
    assert "movies.dat was read as latin-1" in result.stdout
    assert result.stdout.rstrip().endswith("Next: daybreak nightly --ds 2001-01-01")


def test_json_is_one_document(tmp_path, monkeypatch):
    """For a program: the same, and nothing around it."""
    write(tmp_path / "data" / "events.csv", "when,who,what,did\n2026-11-20,u1,i1,view\n")
    mapping = write(tmp_path / "mapping.yaml", EVENTS_MAPPING)
    result = invoke(monkeypatch, tmp_path / "var", str(tmp_path / "data"), "--mapping", str(mapping), "--json")
    summary = json.loads(result.stdout)
    assert summary["datasets"]["events"]["rows"] == 1
    assert summary["days"] == {"new": 1, "unchanged": 0, "replaced": 0}
    assert (tmp_path / "var" / "landing" / "events" / "ds=2026-11-20" / "part-00000.jsonl.gz").exists()
    assert summary["next"] == "daybreak nightly --ds 2026-11-20"
