"""`daybreak lookup` shows a list as the reader would answer it, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak import files
from daybreak.cli.console import console
from daybreak.releases import Release
from daybreak.releases import manifest as manifests
from daybreak.settings import Settings
from serving_export.reader.layout import LISTS_FILE
from tests.daybreak.command_line import Command, command_line

Publish = Callable[[str], Release]


@pytest.fixture
def lookup(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`daybreak lookup` on the releases of the reader's tests."""
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path))
    monkeypatch.setattr(console, "width", 140)
    daybreak = command_line(monkeypatch, capsys)
    return lambda *arguments: daybreak("lookup", *arguments)


def test_a_list_is_shown_with_titles_and_where_it_comes_from(lookup: Command, publish: Publish) -> None:
    """For a person a table under one line of provenance; with --json the document of the reader."""
    release = publish("a")
    shown = lookup("for_you", "u1", "--k", "2")
    assert shown.out.splitlines()[0].startswith(f"for_you for u1  ·  release {release.id}  ·  day 2026-11-20  ·  model")
    assert ("a title of a-i1" in shown.out, "a title of a-i2" in shown.out) == (True, False)
    document = lookup("for_you", "u1", "--k", "2", "--json").json
    assert ([item["id"] for item in document["items"]], document["source"]) == (["a-i0", "a-i1"], "list")


def test_whoever_has_no_list_is_shown_the_fallback_and_told_so(lookup: Command, publish: Publish) -> None:
    """Beside an item without the item itself."""
    publish("a")
    assert "there is no list for a-i29: this is the list that everyone without one gets" in (
        lookup("similar_items", "a-i29").out
    )
    document = lookup("similar_items", "a-i29", "--k", "1", "--json").json
    assert ([item["id"] for item in document["items"]], document["fallback"]) == (["a-i28"], True)


def test_whoever_has_a_segment_is_shown_its_list_and_told_so(lookup: Command, publish: Publish) -> None:
    """With the reason of each entry, for a person and for a program."""
    publish("a")
    shown = lookup("for_you", "young-1", "--k", "1").out
    assert "there is no list for young-1: this is the list of its segment" in shown
    assert "popular with people like you" in shown
    document = lookup("for_you", "young-1", "--k", "1", "--json").json
    assert (document["source"], document["items"][0]["reason"]) == ("segment", "popular with people like you")


def test_another_release_than_the_live_one_is_looked_at(lookup: Command, publish: Publish) -> None:
    """By its id or the beginning of it."""
    old, new = publish("a"), publish("b")
    assert lookup("for_you", "u1", "--json").json["release"] == new.id
    assert lookup("for_you", "u1", "--release", old.id, "--json").json["model"] == "model-a"


def test_a_look_reads_no_more_than_its_list(lookup: Command, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksums of a release of any size are not made again for one list."""
    publish("a")
    summed: list[Path] = []
    monkeypatch.setattr(manifests, "sha256_of", lambda path: summed.append(path) or files.sha256_of(path))
    assert lookup("for_you", "u1").code == 0
    assert summed == []


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("nothing", "u1"), 3, "no surface is called 'nothing'; there are: for_you, similar_items"),
        (("for_you", ""), 3, "the id must not be empty"),
        (("for_you", "u1", "--release", "2030"), 6, "one release should be called '2030', found none"),
    ],
)
def test_a_mistake_is_one_sentence(
    lookup: Command, publish: Publish, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    """On standard error, with the exit code of its kind."""
    publish("a")
    outcome = lookup(*arguments)
    assert (sentence in outcome.sentence, outcome.code) == (True, code)


@pytest.mark.parametrize("damage", ["cut", "gone", "overwritten"])
def test_a_damaged_file_is_one_sentence(lookup: Command, publish: Publish, damage: str) -> None:
    """Although a look checks no sums, what cannot be opened is told, and ends no process."""
    path = publish("a").path / LISTS_FILE
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"x" * len(content))
    assert "lists" in lookup("for_you", "u1").sentence


def test_what_was_delivered_does_not_steer_the_terminal(lookup: Command, publish: Publish) -> None:
    """An id with markup and control characters is shown as text; a program gets it unchanged."""
    publish("a")
    strange = "[/bold]\x1b[2J\\"
    outcome = lookup("for_you", strange)
    assert outcome.code == 0
    assert "for [/bold]\N{REPLACEMENT CHARACTER}[2J\\" in outcome.out
    assert json.loads(lookup("for_you", strange, "--json").out)["id"] == strange
