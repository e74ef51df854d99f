"""What a person sees of tables, releases and the machine: readable at any width, whatever things are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.candidates import POPULARITY
from daybreak.cli.console import console
from daybreak.datasets import EVENTS, QUARANTINE
from daybreak.lake import Lake
from daybreak.releases import ReleaseStore
from daybreak.settings import Settings
from tests.daybreak.command_line import Command
from tests.daybreak.releases import audited, build, published
from tests.daybreak.rows import DAY, write
from tests.lake import put
from tests.tiny import event


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_the_tables_of_a_lake_fit_a_terminal(daybreak: Command, lake: Lake) -> None:
    """One line per table, empty ones told by dashes, under the lake's place."""
    write(lake, "a", DAY, number=1_234)
    shown = daybreak("tables").out
    assert lines(shown)[0] == f"Lake {lake.url}"
    assert any(line.split()[:4] == ["candidates/popularity", "1,234", "1", DAY] for line in lines(shown))
    assert any(line.split()[:4] == ["raw/edges", "0", "0", "–"] for line in lines(shown))


def test_one_table_tells_each_day_and_commit_in_a_line(daybreak: Command, lake: Lake) -> None:
    """Of a digest so much is shown that days can be told apart; a program gets it whole."""
    for number in range(25):
        write(lake, f"night{number}")
    shown = daybreak("tables", "popularity").out
    assert f"{DAY}     3  {lake.table(POPULARITY).digest(DAY)[:19]}…" in lines(shown)
    assert "The newest 20 of 26 commits" in lines(shown)
    assert daybreak("tables", "edges").out.count("nothing yet") == 2


@pytest.mark.parametrize("width", [80, 300])
def test_a_row_too_wide_for_the_terminal_is_told_line_by_line(
    daybreak: Command, lake: Lake, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """An event has more columns than a terminal: then each value stands beside its name, and nulls are left out."""
    put(lake, EVENTS, DAY, [event(n, DAY, "u1", "i1", "cart") for n in range(3)])
    monkeypatch.setattr(console, "width", width)
    shown = daybreak("tables", "events", "--ds", DAY, "--limit", "2").out
    assert lines(shown)[0] == f"raw/events of {DAY}: 3 rows, the first 2"
    assert ("event_type  cart" in lines(shown)) is (width == 80)
    assert ("price" in shown) is (width == 300)
    assert max(map(len, lines(shown))) <= width


def test_a_day_without_rows_says_where_to_look(daybreak: Command, lake: Lake) -> None:
    """Whether the day was never written or is empty."""
    told = f"candidates/popularity has no row of {DAY}; `daybreak tables popularity` shows its days"
    assert lines(daybreak("tables", "popularity", "--ds", DAY).out) == [told]
    write(lake, "a", number=0)
    assert lines(daybreak("tables", "popularity", "--ds", DAY).out) == [told]


def test_refused_rows_are_counted_by_rule_and_steer_nothing(daybreak: Command, lake: Lake) -> None:
    """What was refused is shown as it was delivered, also where it holds markup or codes for the terminal."""
    row = {"dataset": "raw/events", "file": "/in/a", "rules": "row.json", "row": "[/red]\x1b[2J{"}
    put(lake, QUARANTINE, DAY, [{**row, "line": line} for line in (1, 2)])
    outcome = daybreak("tables", "quarantine/rows", "--ds", DAY)
    assert outcome.code == 0
    assert "raw/events  row.json     2" in lines(outcome.out)
    assert "[/red]\N{REPLACEMENT CHARACTER}[2J{" in outcome.out


def test_damaged_releases_are_listed_with_the_reason(daybreak: Command, store: ReleaseStore) -> None:
    """Beside the others, without numbers that nobody counted."""
    live = published(store, DAY)
    damaged = build(store, "2026-11-15")
    (store.folder / damaged / "manifest.json").write_text("{")
    shown = lines(daybreak("releases", "list").out)
    assert any(line.split() == [live.id, "live", "model", "51", "0.0"] for line in shown)
    assert any(line.split() == [damaged, "damaged", "–", "–", "–"] for line in shown)
    assert any("manifest.json cannot be read" in line for line in shown)


def test_a_torn_pointer_hides_no_release(daybreak: Command, store: ReleaseStore) -> None:
    """The releases are listed as what they are, and then the pointer is told, with its exit code."""
    release = audited(store, DAY)
    store.pointer_path.write_text('{"release": ')
    for more in ((), ("--json",)):
        outcome = daybreak("releases", "list", *more)
        assert (release in outcome.out, "good" in outcome.out, "damaged" in outcome.out) == (True, True, False)
        assert "the pointer" in outcome.err
        assert outcome.code == 6


def test_before_the_first_release_there_is_a_sentence(daybreak: Command, store: ReleaseStore) -> None:
    """Not a blank line: what is missing and what to type."""
    for verb in ("list", "history"):
        assert "run a night: daybreak nightly" in daybreak("releases", verb).out
        assert daybreak("releases", verb, "--json").json == []


def test_reasons_are_shown_as_they_were_typed(daybreak: Command, store: ReleaseStore) -> None:
    """Brackets are brackets."""
    published(store, DAY)
    daybreak("releases", "pin", "--reason", "[sale] until [/monday]")
    outcome = daybreak("releases", "history")
    assert (outcome.code, "[sale] until [/monday]" in outcome.out) == (0, True)


def test_a_home_of_any_name_is_shown(daybreak: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may be called like markup."""
    home = tmp_path / "x[" / "red]"
    monkeypatch.setenv("DAYBREAK_HOME", str(home))
    for arguments in (("tables",), ("releases", "list"), ("releases", "history"), ("doctor",)):
        outcome = daybreak(*arguments)
        assert "x[/red]" in outcome.out, arguments


def test_doctor_tells_a_home_that_cannot_be(
    daybreak: Command, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home below a file is one wrong line among the fine ones, not a crash."""
    blocked = settings.surfaces / "home"
    monkeypatch.setenv("DAYBREAK_HOME", str(blocked))
    outcome = daybreak("doctor")
    assert outcome.code == 1
    assert any(line.startswith("wrong disk") and str(settings.surfaces) in line for line in lines(outcome.out))
    assert any(line.startswith("fine  python") for line in lines(outcome.out))
