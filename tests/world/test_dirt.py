"""Each kind of dirt is put in as often as the ledger says, breaks the rule it names, and costs no good row."""

from __future__ import annotations

import gzip
import json
import math
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daybreak.contracts import Arrives, Between, Column, ColumnType, Matches, MaxLength, OneOf, Rule
from daybreak.datasets import EVENTS
from daybreak.errors import InputError
from daybreak.world import delivery
from daybreak.world.delivery import Destination, Ledger, deliver_day, event_chunks
from daybreak.world.dirt import CONFLICT, DIRT, FAULTS, UNREADABLE
from daybreak.world.parameters import World
from daybreak.world.soiling import Dirt, parse_dirt

TINY = World(seed=3, users=120, items=60, events_per_day=1_500)
OFFSET = 4
DAY = TINY.day(OFFSET)
TYPES: dict[ColumnType, tuple[type, ...]] = {
    ColumnType.STRING: (str,),
    ColumnType.INT32: (int,),
    ColumnType.FLOAT64: (int, float),
    ColumnType.TIMESTAMP: (str,),
}


@pytest.fixture(scope="module")
def clean() -> list[bytes]:
    return b"".join(event_chunks(TINY, OFFSET, Ledger("clean"))).splitlines(keepends=True)


def _dirty(home: Path, *dirt: Dirt) -> tuple[list[bytes], Ledger]:
    """The lines of the day's events file with that dirt in it, and the ledger."""
    to = Destination(home / "landing", home / "world")
    ledger = deliver_day(TINY, OFFSET, to, dirt)
    return gzip.decompress(_file(home).read_bytes()).splitlines(keepends=True), ledger


def _file(home: Path) -> Path:
    return home / "landing" / "events" / f"ds={DAY}" / "part-00000.jsonl.gz"


def _added(clean: list[bytes], dirty: list[bytes]) -> list[bytes]:
    """What `dirty` holds besides `clean`, which must all be there and in order."""
    rest = iter(clean)
    expected = next(rest, None)
    added = []
    for line in dirty:
        if line == expected:
            expected = next(rest, None)
        else:
            added.append(line)
    assert expected is None, "a good row is missing"
    return added


def _broken_rules(line: bytes, taken: set[str]) -> set[str]:
    """The rules of the contract that a line breaks, worked out value by value."""
    try:
        row = json.loads(line.decode("utf-8"))
    except ValueError:
        return {UNREADABLE}
    if not isinstance(row, dict):
        return {UNREADABLE}
    broken = {rule for column in EVENTS.columns for rule in _broken_by(column, row.get(column.name))}
    return broken | ({CONFLICT} if row.get("event_id") in taken else set())


def _broken_by(column: Column, value: Any) -> set[str]:
    if value is None:
        return set() if column.nullable else {column.required_rule_id}
    if not isinstance(value, TYPES[column.type]):
        return {column.type_rule_id}
    if column.type is ColumnType.TIMESTAMP:
        try:
            value = datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%S.%f%z").date()
        except ValueError:
            return {column.type_rule_id}
    return {column.rule_id(rule) for rule in column.rules if not _kept(rule, value)}


def _kept(rule: Rule, value: Any) -> bool:
    match rule:
        case Between(low, high):
            return not math.isnan(value) and (low is None or value >= low) and (high is None or value <= high)
        case OneOf(values):
            return value in values
        case Matches(pattern):
            return re.fullmatch(pattern, value) is not None
        case MaxLength(characters):
            return 1 <= len(value) <= characters
        case Arrives(late_days):
            return value <= DAY and (late_days is None or value >= DAY - timedelta(days=late_days))


def test_there_are_at_least_twenty_kinds() -> None:
    """Rows can be bad in twenty ways and more, files in four."""
    assert len(DIRT) >= 20
    assert set(FAULTS) == {"truncated_gzip", "empty_file", "missing_file", "utf16_file"}


@pytest.mark.parametrize("name", DIRT)
def test_a_kind_breaks_the_rule_it_names(name: str, clean: list[bytes], tmp_path: Path) -> None:
    """As many rows as the ledger says and the share asks each break that rule, and every good row is still there."""
    lines, ledger = _dirty(tmp_path, Dirt(name, 0.01))
    added = _added(clean, lines)
    assert ledger.dirt == {name: len(added)}
    assert len(added) == int(len(clean) * 0.01)
    taken = {json.loads(line)["event_id"] for line in clean}
    breaks = DIRT[name].breaks
    for line in added:
        if name == "blank_line":
            assert line == b"\n"
        else:
            assert breaks in _broken_rules(line, taken) if breaks else not _broken_rules(line, taken)


def test_what_is_spoiled_was_good(clean: list[bytes]) -> None:
    """The contract checker above finds nothing wrong with clean rows, so that what it finds is the dirt's doing."""
    assert {rule for line in clean for rule in _broken_rules(line, set())} == set()


def test_all_kinds_at_once_are_counted_one_by_one(clean: list[bytes], tmp_path: Path) -> None:
    """With every kind switched on each is there, spread through the file, and the ledger on disk says how many."""
    lines, ledger = _dirty(tmp_path, *parse_dirt("all_rows=0.002", TINY.start))
    added = _added(clean, lines)
    assert set(ledger.dirt) == set(DIRT)
    assert sum(ledger.dirt.values()) == len(added)
    assert ledger.events == len(clean)
    written = json.loads((tmp_path / "world" / "days" / f"{DAY}.json").read_text())
    assert written["dirt"] == ledger.dirt
    first, last = lines.index(added[0]), len(lines) - 1 - lines[::-1].index(added[-1])
    assert first < len(lines) / 10
    assert last > len(lines) * 0.9


def test_every_kind_that_is_asked_for_is_there(tmp_path: Path) -> None:
    """However small the share, a kind has one row; with a share of nothing it has none."""
    _, ledger = _dirty(tmp_path, Dirt("null_id", 1e-9), Dirt("empty_id", 0.0))
    assert ledger.dirt == {"null_id": 1}


@pytest.mark.parametrize("chunk", [300, 100_000])
def test_a_kind_that_is_asked_for_twice_strikes_with_the_larger_share(
    chunk: int, clean: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the day is chunked: all rows a little, and one kind more on a day."""
    monkeypatch.setattr(delivery, "EVENTS_A_CHUNK", chunk)
    dirt = (Dirt("null_id", 0.001), Dirt("null_id", 0.02, DAY), Dirt("missing_file", 0.0), Dirt("utf16_file", 0.0))
    _, ledger = _dirty(tmp_path, *dirt)
    assert ledger.dirt == {"null_id": int(len(clean) * 0.02)}


def test_dirt_is_the_same_bytes_again(tmp_path: Path) -> None:
    """Dirt is seeded too."""
    dirt = parse_dirt("all_rows", TINY.start)
    assert _dirty(tmp_path / "a", *dirt)[0] == _dirty(tmp_path / "b", *dirt)[0]


def test_dirt_of_one_day_leaves_the_others_clean(clean: list[bytes], tmp_path: Path) -> None:
    """NAME@DAY strikes on that day alone."""
    lines, ledger = _dirty(tmp_path, *parse_dirt("negative_price=0.5@2", TINY.start))
    assert lines == clean
    assert ledger.dirt == {}


def test_a_truncated_file_ends_in_the_middle(clean: list[bytes], tmp_path: Path) -> None:
    """It begins as the good one does, and reading it to the end fails."""
    good = _dirty(tmp_path / "good")[1]
    deliver_day(TINY, OFFSET, Destination(tmp_path / "landing", tmp_path / "world"), (Dirt("truncated_gzip", 1.0),))
    assert good.events == len(clean)
    content, whole = _file(tmp_path).read_bytes(), _file(tmp_path / "good").read_bytes()
    assert content == whole[: len(whole) // 2]
    with pytest.raises(EOFError):
        gzip.decompress(content)


def test_an_empty_file_has_no_bytes(tmp_path: Path) -> None:
    """The file is there, and it is empty."""
    ledger = deliver_day(
        TINY, OFFSET, Destination(tmp_path / "landing", tmp_path / "world"), (Dirt("empty_file", 1.0),)
    )
    assert ledger.faults == ["empty_file"]
    assert _file(tmp_path).read_bytes() == b""


def test_a_missing_file_is_not_there_even_if_it_was(tmp_path: Path) -> None:
    """The fault removes what an earlier simulation has delivered; the other datasets stay."""
    to = Destination(tmp_path / "landing", tmp_path / "world")
    deliver_day(TINY, OFFSET, to)
    assert _file(tmp_path).exists()
    deliver_day(TINY, OFFSET, to, (Dirt("missing_file", 1.0),))
    assert not _file(tmp_path).exists()
    assert (tmp_path / "landing" / "users" / f"ds={DAY}").exists()


def test_a_utf16_file_holds_the_same_text(clean: list[bytes], tmp_path: Path) -> None:
    """Only the encoding is another."""
    deliver_day(TINY, OFFSET, Destination(tmp_path / "landing", tmp_path / "world"), (Dirt("utf16_file", 1.0),))
    text = gzip.decompress(_file(tmp_path).read_bytes()).decode("utf-16")
    assert text == b"".join(clean).decode()


def test_dirt_is_read_from_its_switch() -> None:
    """NAME, NAME=SHARE, NAME@DAY and both together; faults strike every day unless told otherwise."""
    start = date(2026, 10, 22)
    assert parse_dirt("null_id", start) == [Dirt("null_id", 0.001)]
    assert parse_dirt("null_id=0.2@3", start) == [Dirt("null_id", 0.2, date(2026, 10, 24))]
    assert parse_dirt("missing_file@2026-11-01", start) == [Dirt("missing_file", 1.0, date(2026, 11, 1))]


@pytest.mark.parametrize(
    "text", ["dust", "null_id=much", "null_id=2", "null_id@someday", "null_id@", "null_id@0", "null_id=-1"]
)
def test_wrong_switches_are_refused_with_a_sentence(text: str) -> None:
    """An unknown kind, a share that is none and a day that is none are errors."""
    with pytest.raises(InputError):
        parse_dirt(text, date(2026, 10, 22))
