"""The report tells of every night: one that went well, one that stopped anywhere, one that never began."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from daybreak.candidates import POPULARITY
from daybreak.clock import days_before
from daybreak.datasets import (
    AUDITS,
    DELIVERIES,
    EVENTS,
    GATES,
    ITEMS,
    LANDINGS,
    LISTS,
    OVERRIDES,
    QUARANTINE,
    SHELVES,
    USERS,
)
from daybreak.lake import Lake
from daybreak.lineage import LineageBook
from daybreak.releases import ReleaseStore
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.daybreak.records import record
from tests.lake import put
from tests.tiny import event

DS = "2026-11-20"
NOON = f"{DS}T12:00:00Z"
EVIL = '<script>alert("owned")</script>'
VOID = {"meta", "br", "img", "hr", "link", "input"}


class Reader(HTMLParser):
    """Reads a page as a browser would: its words, its elements, and whether every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "xlink:href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)


def _record(settings: Settings, step: str, second: int, status: str = "done", **more: Any) -> None:
    at = {"started_at": f"2026-11-21T02:00:{second:02d}Z", "seconds": 2.0, "spark_start_seconds": 0.5}
    LineageBook(settings.lineage).write(record(step, DS, status=status, **at, **more))


def _land(settings: Settings, lake: Lake, *, title: str = "Green tea") -> None:
    """What landing leaves: two users, three items, a few events, a late one, a refused row."""
    accounts = {"files": 1, "rows_in": 9, "accepted": 7, "quarantined": 1, "duplicates": 1, "late": 1}
    put(lake, EVENTS, DS, [event(n, DS, f"u{n % 2}", f"i{n % 3}") for n in range(6)])
    put(
        lake,
        USERS,
        DS,
        [{"user_id": f"u{n}", "updated_ts": NOON, "country": "DE", "status": "active"} for n in range(2)],
    )
    put(lake, ITEMS, DS, [
        {"item_id": f"i{n}", "updated_ts": NOON, "title": f"{title} {n}", "category": "tea", "status": "active"}
        for n in range(3)
    ])  # fmt: skip
    put(lake, DELIVERIES, DS, [{"dataset": "raw/events", **accounts}])
    put(lake, LANDINGS, DS, [{"dataset": "raw/events", "event_day": days_before(DS, 1), "accepted": 1}])
    put(lake, QUARANTINE, DS, [
        {"dataset": "raw/events", "file": "/x/events/ds=1/part.jsonl", "line": 4, "rules": "row.json", "row": EVIL}
    ])  # fmt: skip
    _record(settings, "jobs.ingest", 1)


def _list(lake: Lake, *, passed: bool = True) -> None:
    """What the steps after landing leave, up to the gates."""
    put(lake, AUDITS, DS, [
        {"dataset": "raw/events", "expectation": "e", "column": None, "severity": "stop", "passed": True, "checked": 7,
         "unexpected": 0, "detail": "fine"}
    ])  # fmt: skip
    put(lake, POPULARITY, DS, [{"item_id": f"i{n}", "score": 3.0 - n, "events": 3 - n} for n in range(3)])
    queries = [("for_you", "u0"), ("for_you", "u1"), ("for_you", ""), ("similar_items", "i0"), ("similar_items", "")]
    put(lake, LISTS, DS, [
        {"surface": surface, "audience": "query" if query else "everyone", "query_id": query, "rank": rank,
         "candidate_id": f"i{rank + 1}", "score": 0.5 / (rank + 1), "source": "popular", "sources": "popular",
         "reason": "popular with everybody", "made": DS}
        for surface, query in queries for rank in range(2)
    ])  # fmt: skip
    for ds, value in ((days_before(DS, 1), 0.97), (DS, 1.0 if passed else 0.25)):
        gate = {"surface": "for_you", "segment": "", "gate": "coverage", "value": value, "bound": ">= 0.95"}
        put(
            lake,
            GATES,
            ds,
            [
                {
                    **gate,
                    "passed": value > 0.95,
                    "absolute": False,
                    "detail": "" if value > 0.95 else "u7, u8",
                    "lists_digest": "d",
                }
            ],
        )


def _publish(settings: Settings) -> str:
    store = ReleaseStore(settings.releases)
    with store.build(ds=DS, model="blend-1", surfaces=("for_you",), built_from={}) as draft:
        (draft.path / "lists").write_bytes(b"lists")
        draft.add("lists", rows=3)
    store.audit(draft.release_id, [])
    store.publish(draft.release_id, reason="test")
    _record(settings, "serving_export.publish", 9, release=draft.release_id, summary={"published": True})
    return draft.release_id


def _report(settings: Settings, ds: str = DS) -> tuple[dict[str, Any], Reader]:
    (report,) = run_steps([step_named("validation.report")], ds, settings)
    return report.summary, Reader((settings.reports / f"{ds}.html").read_text(encoding="utf-8"))


def test_a_night_that_went_well_is_told_whole(settings: Settings, lake: Lake) -> None:
    """Release, account, changed day, refused row, audit, gate beside the night before, and a list with titles."""
    _land(settings, lake)
    _list(lake)
    release = _publish(settings)
    summary, page = _report(settings)
    assert summary["verdict"] == "published"
    for words in (
        f"Published {release}", "model blend-1", "daybreak lookup for_you u0",
        "raw/events 1 9 7 1 11.1% 1 1 adds up", "Late rows changed 1 earlier day: 2026-11-19 (1 events)",
        "the line must be one JSON object", "events/ds=1/part.jsonl, line 4", "11.1% of events",
        "raw/events 7 1 0 passed", "coverage 1 ≥ 0.95 0.9700 passed", "jobs.ingest 1 done 2.0 100 MB",
        "Of the 4 seconds, 1.0 went into starting Spark", "u0 DE", "11-20 12:00 view Green tea 0 tea",
        "1 Green tea 1 tea popular with everybody popular 0.5000", "i0 Green tea 0 · tea",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.elements.count("figure") == 3 + 2 * 4


def test_the_page_needs_nothing_beside_it_and_runs_nothing(settings: Settings, lake: Lake) -> None:
    """No script, no address outside, no id twice; what was delivered and what things are called stays text."""
    _land(settings, lake, title=EVIL + "\u202e\x07")
    _list(lake)
    _, page = _report(settings)
    assert EVIL in page.text
    assert "script" not in page.elements
    assert not [letter for letter in page.text if letter in "\u202e\x07"]
    assert {link for link in page.links if not link.startswith("#")} == {"index.html"}
    assert not re.search(r"@import|url\((?!#)", (settings.reports / f"{DS}.html").read_text())
    assert len(page.ids) == len(set(page.ids))


def test_a_night_without_anything_is_told(settings: Settings) -> None:
    """On an empty machine the report says that nothing ran, and what to type."""
    summary, page = _report(settings)
    assert summary["verdict"] == "unfinished"
    for words in (
        f"No step has run for {DS} yet.", "Nothing is live yet.", f"daybreak nightly --ds {DS}",
        "Nothing landed for this day.", "No row was refused.", "Nothing was audited", "No step has left a record",
        "were judged", "No lists were made",
    ):  # fmt: skip
        assert words in page.text, words


def test_a_night_that_was_too_dirty_shows_what_was_refused(settings: Settings, lake: Lake) -> None:
    """Nothing landed, yet the refused rows are there, with the sentence that stopped the night."""
    row = {"dataset": "raw/items", "file": "f", "line": 1, "rules": "price.range", "row": "{}"}
    put(lake, QUARANTINE, DS, [row])
    _record(settings, "jobs.ingest", 1, "failed", error="too dirty: see `daybreak tables`\n  trace")
    summary, page = _report(settings)
    assert summary["verdict"] == "stopped"
    assert "Stopped at jobs.ingest too dirty: see daybreak tables Nothing is live yet." in page.text
    assert "items · price.range 1 row" in page.text
    assert "Rows in – Accepted – Refused 1" in page.text


def test_a_night_that_a_gate_stopped_shows_the_lists_and_the_gate(settings: Settings, lake: Lake) -> None:
    """The gate that failed with its examples and the night before, and the lists that were refused, to look at."""
    _land(settings, lake)
    _list(lake, passed=False)
    _record(settings, "serving_export.gates", 5, "failed", error="coverage is 0.25")
    _, page = _report(settings)
    assert "Stopped at serving_export.gates coverage is 0.25" in page.text
    assert "coverage 0.2500 ≥ 0.95 0.9700 failed such as u7, u8" in page.text
    assert "u0 DE" in page.text


def test_lists_that_were_kept_and_gates_that_were_let_pass_are_told(settings: Settings, lake: Lake) -> None:
    """How many lists are the night before's, how much of them would be the same now, and which gate passed by hand."""
    _land(settings, lake)
    _list(lake, passed=False)
    put(lake, SHELVES, DS, [{"surface": "for_you", "recipe": "r", "models": "", "made": 3, "kept": 9, "alike": 0.75}])
    reason = f"a campaign {EVIL}"
    by_hand = {"surface": "for_you", "gate": "coverage", "reason": reason, "lists_digest": "d"}
    put(lake, OVERRIDES, DS, [by_hand, {**by_hand, "reason": "lists since made again", "lists_digest": "e"}])
    _, page = _report(settings)
    assert "Kept from the night before 9 made anew, 75.0% of a sample's entries would be the same" in page.text
    assert f"Let pass by hand: coverage of for_you. {reason}" in page.text
    assert "lists since made again" not in page.text
    assert page.elements.count("script") == 0


@pytest.mark.parametrize("surfaces", ["for_you: {query: planet}", "", None])
def test_a_broken_surfaces_file_does_not_stop_the_report(settings: Settings, lake: Lake, surfaces: str | None) -> None:
    """Lists made before the file broke are shown, without knowing whom they are for."""
    _land(settings, lake)
    _list(lake)
    settings.surfaces.unlink() if surfaces is None else settings.surfaces.write_text(surfaces)
    _, page = _report(settings)
    assert "similar_items" in page.text
    assert "one list for each" not in page.text


def test_a_torn_pointer_does_not_stop_the_report(settings: Settings, lake: Lake) -> None:
    """What is live cannot be told then, and the page says so."""
    _land(settings, lake)
    _publish(settings)
    ReleaseStore(settings.releases).pointer_path.write_bytes(b'{"release": ')
    _, page = _report(settings)
    assert "What is live cannot be told" in page.text


def test_a_night_told_again_gives_the_same_page(settings: Settings, lake: Lake) -> None:
    """Nothing in the page comes from the clock, and what later days land does not show in it."""
    _land(settings, lake)
    _list(lake)
    _publish(settings)
    _report(settings)
    before = (settings.reports / f"{DS}.html").read_bytes()
    later = {"item_id": "i0", "updated_ts": NOON, "title": "Later", "status": "active"}
    put(lake, ITEMS, "2026-11-21", [later])
    put(lake, EVENTS, "2026-11-21", [event(99, DS, "u0", "i2")])
    _report(settings)
    assert (settings.reports / f"{DS}.html").read_bytes() == before


def test_an_item_is_told_by_its_newest_state(settings: Settings, lake: Lake) -> None:
    """An item that was renamed and emptied of its category is as it is on that night, also where that is null."""
    _land(settings, lake)
    _list(lake)
    put(lake, ITEMS, days_before(DS, 1), [
        {"item_id": "i1", "updated_ts": f"{days_before(DS, 1)}T12:00:00Z", "title": "Old", "category": "tea",
         "status": "active"}
    ])  # fmt: skip
    put(lake, ITEMS, DS, [{"item_id": "i1", "updated_ts": NOON, "title": "New", "status": "active"}])
    _, page = _report(settings)
    assert "1 New no category popular with everybody popular 0.5000" in page.text
    assert "Old" not in page.text


def test_the_index_lists_every_night_the_newest_first(settings: Settings, lake: Lake) -> None:
    """Each night with what came of it and a link; one whose summary is torn says how to write it again."""
    _land(settings, lake)
    _publish(settings)
    _report(settings, "2026-11-18")
    (settings.reports / "2026-11-19.json").write_text("{torn")
    summary, _ = _report(settings)
    index = Reader((settings.reports / "index.html").read_text(encoding="utf-8"))
    assert summary["nights"] == 3
    assert index.links == ["2026-11-20.html", "2026-11-19.html", "2026-11-18.html"]
    assert "2026-11-20 published Published 2026-11-20-" in index.text
    assert "daybreak run validation.report --ds 2026-11-19" in index.text
    assert "2026-11-18 unfinished Not finished" in index.text
    line = json.loads((settings.reports / f"{DS}.json").read_bytes())
    assert (line["outcome"], line["rows_in"], line["refused"]) == ("published", 9, 1)
