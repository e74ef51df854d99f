"""Landing: what comes in is accounted for, night by night, in whatever order the nights run."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from daybreak.datasets import DELIVERIES, EVENTS, ITEMS, LANDINGS, QUARANTINE, USERS
from daybreak.errors import DeliveryError
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.tiny import day, deliver, event

INGEST = step_named("jobs.ingest")
pytestmark = [pytest.mark.usefixtures("spark"), pytest.mark.slow]


def land(settings: Settings, ds: str, **overrides) -> dict:
    return run_steps([INGEST], ds, settings, overrides=overrides)[0].summary


def events(settings: Settings, as_of: str) -> list[tuple[str, str, str]]:
    """Id, day of the event and day of delivery of all that had landed on a night, in order."""
    rows = Lake.of(settings).table(EVENTS).read(Window(as_of=as_of), ["event_id", "ds", "landed_ds"]).to_pylist()
    return sorted((row["event_id"], row["ds"], row["landed_ds"]) for row in rows)


def digests(settings: Settings, as_of: str) -> dict[str, str]:
    """The digest of every day of every landed table, as of a night."""
    lake = Lake.of(settings)
    return {
        f"{dataset.name} {ds}": lake.table(dataset).digest(ds, as_of=as_of)
        for dataset in (EVENTS, USERS, ITEMS, QUARANTINE, LANDINGS, DELIVERIES)
        for ds in lake.table(dataset).days(Window(until=as_of, as_of=as_of))
    }


def user(name: str, ds: str, **more) -> dict:
    return {"user_id": name, "updated_ts": f"{ds}T00:00:00Z", "status": "active", **more}


def write_world(landing: Path) -> None:
    """Four days: repeats within a file, across files and across nights, late and too late events, one conflict."""
    first = [event(n, day(0), f"u{n % 3}", f"i{n}") for n in range(20)]
    deliver(landing, "events", day(0), [*first, first[0], first[0]])
    deliver(landing, "events", day(0), [first[5], event(20, day(0), "u1", "i1")], "part-00001.jsonl")
    deliver(landing, "users", day(0), [user("u0", day(0)), user("u1", day(0))])
    second = [event(100 + n, day(1), f"u{n % 3}", f"i{n}") for n in range(20)]
    late = [event(200, day(0), "u2", "i9")]
    deliver(landing, "events", day(1), [*second, *late, first[1], event(2, day(0), "u9", "other contents")])
    third = [event(300 + n, day(2), f"u{n % 3}", f"i{n}") for n in range(20)]
    deliver(landing, "events", day(2), [*third, late[0], event(210, day(1), "u2", "i9")])
    fifth = [event(400 + n, day(4), f"u{n % 3}", f"i{n}") for n in range(20)]
    deliver(landing, "events", day(4), [*fifth, event(220, day(1), "u2", "i9"), event(221, day(0), "u2", "i9")])


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> tuple[Settings, list[dict]]:
    """The world landed night by night, and the summaries of the nights."""
    settings = Settings(home=tmp_path_factory.mktemp("nights"))
    write_world(settings.landing)
    return settings, [land(settings, day(n), max_bad_share=0.06) for n in (0, 1, 2, 4)]


def test_repeats_are_left_out_and_contradictions_refused(nights):
    """The first row of an id stands: within a file, across files, and across nights."""
    settings, summaries = nights
    told = [{name: s[name] for name in ("rows_in", "accepted", "quarantined", "duplicates")} for s in summaries]
    assert told == [
        {"rows_in": 26, "accepted": 23, "quarantined": 0, "duplicates": 3},
        {"rows_in": 23, "accepted": 21, "quarantined": 1, "duplicates": 1},
        {"rows_in": 22, "accepted": 21, "quarantined": 0, "duplicates": 1},
        {"rows_in": 22, "accepted": 21, "quarantined": 1, "duplicates": 0},
    ]
    assert max(Counter(event_id for event_id, _, _ in events(settings, day(9))).values()) == 1
    [stands] = [row for row in Lake.of(settings).table(EVENTS).read(Window()).to_pylist() if row["event_id"] == "e2"]
    assert (stands["user_id"], stands["item_id"]) == ("u2", "i2")
    refused = Lake.of(settings).table(QUARANTINE).read(Window(day(1), day(1))).to_pylist()
    assert [(row["rules"], row["line"]) for row in refused] == [("event_id.conflict", 23)]
    assert '"other contents"' in refused[0]["row"]
    assert refused[0]["file"] == f"events/ds={day(1)}/part-00000.jsonl.gz"


def test_late_events_land_in_the_day_they_happened_on(nights):
    """Up to three days late they are accepted there, and the ledger tells which days changed; four days are refused."""
    settings, _ = nights
    placed = {event_id: (ds, landed) for event_id, ds, landed in events(settings, day(9))}
    assert placed["e200"] == (day(0), day(1))
    assert placed["e210"] == (day(1), day(2))
    assert placed["e220"] == (day(1), day(4))
    assert "e221" not in placed
    ledger = Lake.of(settings).table(LANDINGS).read(Window()).to_pylist()
    changed = {(row["ds"], row["event_day"]): row["accepted"] for row in ledger if row["event_day"] != row["ds"]}
    assert changed == {(day(1), day(0)): 1, (day(2), day(1)): 1, (day(4), day(1)): 1}
    refused = Lake.of(settings).table(QUARANTINE).read(Window(day(4), day(4))).to_pylist()
    assert [row["rules"] for row in refused] == ["event_ts.arrival"]


def test_a_day_built_again_is_the_same_day(nights):
    """Landing a day again after later days have landed changes no digest of any night."""
    settings, _ = nights
    before = {n: digests(settings, day(n)) for n in (0, 1, 2, 4)}
    land(settings, day(1), max_bad_share=0.06)
    assert {n: digests(settings, day(n)) for n in (0, 1, 2, 4)} == before


def test_a_night_after_an_outage_lands_what_was_missed(nights, tmp_path):
    """One night over all days gives the tables that four nights gave, and leaves days without events alone."""
    settings, _ = nights
    other = Settings(home=tmp_path)
    shutil.copytree(settings.landing, other.landing)
    summary = land(other, day(4), max_bad_share=0.06)
    assert (summary["days"], summary["first_day"]) == (4, day(0))
    assert digests(other, day(4)) == digests(settings, day(4))


def test_files_that_come_too_late_or_are_withdrawn_are_followed(settings, lake):
    """A file delivered for a night that has run is landed by the next one; what was withdrawn is gone after a rerun;
    days on which only users came need no events."""
    deliver(settings.landing, "users", day(0), [user("u0", day(0))])
    deliver(settings.landing, "events", day(1), [event(1, day(1), "u0", "i0")])
    assert land(settings, day(1))["first_day"] == day(0)
    deliver(settings.landing, "items", day(1), [{**user("x", day(1)), "item_id": "i0", "title": "Lamp"}])
    deliver(settings.landing, "events", day(2), [event(2, day(2), "u0", "i0")])
    summary = land(settings, day(2))
    assert (summary["days"], summary["first_day"]) == (2, day(1))
    assert lake.table(ITEMS).days() == {day(1): 1}
    assert [row[0] for row in events(settings, day(2))] == ["e1", "e2"]
    (settings.landing / "items" / f"ds={day(1)}" / "part-00000.jsonl.gz").unlink()
    land(settings, day(1))
    assert lake.table(ITEMS).days() == {}
    assert lake.table(USERS).days() == {day(0): 1}


def test_a_stale_file_stops_the_night(nights):
    """Yesterday's file again holds nothing new; the sentence says so, and nothing lands."""
    settings, _ = nights
    before = events(settings, day(9))
    folder = settings.landing / "events"
    shutil.copytree(folder / f"ds={day(4)}", folder / f"ds={day(5)}")
    try:
        with pytest.raises(DeliveryError, match=rf"events of {day(5)} is stale: .* \(20 of its rows") as caught:
            land(settings, day(5), max_bad_share=0.5)
    finally:
        shutil.rmtree(folder / f"ds={day(5)}")
    assert "\n" not in str(caught.value)
    assert events(settings, day(9)) == before


def test_above_the_bad_share_nothing_lands_but_the_quarantine_tells_why(settings, lake):
    """Every kind of bad row is refused by the rule it broke, the night stops, and no table but quarantine has it."""
    good = [event(n, day(0), "u1", "i1") for n in range(9)]

    def bad(n, **values):
        return {**event(f"bad{n}", day(0), "u1", "i1", "purchase"), **values}

    renamed = {("uid" if name == "user_id" else name): value for name, value in bad(9).items()}
    dirt = {
        "user_id.required": bad(0, user_id=None),
        "item_id.length item_id.pattern": bad(1, item_id=""),
        "event_id.length": bad(2, event_id="x" * 10_000),
        "event_ts.arrival": bad(3, event_ts="2999-01-01T00:00:00Z"),
        "event_ts.arrival ": bad(4, event_ts="1970-01-01T00:00:00Z"),
        "price.range": bad(5, price=-1),
        "price.range ": bad(6, price=float("nan")),
        "event_type.set": bad(7, event_type="glance"),
        "position.type": bad(8, position="first"),
        "user_id.required ": renamed,
        "user_id.type": bad(10, user_id=["u1"]),
        "row.json": '{"event_id": "e77", "event_ts": "20',
        "row.json ": '[{"event_id": "e78"}]',
        "row.json  ": '{"event_id": "e79"}{"event_id": "e80"}',
    }
    deliver(settings.landing, "events", day(0), ["", *good, " ", *dirt.values()], "part-00000.jsonl")
    with pytest.raises(DeliveryError, match=r"14 of 23 rows \(60\.9%\) break the contract.*daybreak tables quarantine"):
        land(settings, day(0))
    for dataset in (EVENTS, LANDINGS, DELIVERIES):
        assert lake.table(dataset).version() is None
    refused = sorted(lake.table(QUARANTINE).read(Window()).to_pylist(), key=lambda row: row["line"])
    assert [row["rules"] for row in refused] == [name.rstrip() for name in dirt]
    assert [row["line"] for row in refused] == [*range(12, 12 + len(dirt))]
    summary = land(settings, day(0), max_bad_share=0.7)
    assert (summary["rows_in"], summary["accepted"], summary["quarantined"]) == (23, 9, 14)


BROKEN_FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.jsonl.gz", b"", "a.jsonl.gz is empty; deliver it again"),
    "not gzip": ("a.jsonl.gz", b'{"event_id": "e1"}\n', "is named as gzip but is not"),
    "gzip by another name": ("a.jsonl", gzip.compress(b"{}\n"), "is named as plain text but is gzip"),
    "UTF-16": ("a.jsonl", '{"event_id": "e1"}\n'.encode("utf-16"), "is written in UTF-16; JSON lines must be UTF-8"),
    "blank lines only": ("a.jsonl", b"\n  \n\t\n", f"events of {day(0)} holds no rows; deliver it again"),
    "broken off": (
        "a.jsonl.gz",
        gzip.compress(b"".join(b'{"event_id": "%d"}\n' % n for n in range(3_000)))[:-400],
        "is a broken gzip file: it breaks off after line",
    ),
}


@pytest.mark.parametrize("kind", BROKEN_FILES)
def test_a_file_that_cannot_be_read_stops_the_night_in_one_sentence(settings, lake, kind):
    """The sentence names the file or day and the way out; nothing lands."""
    name, content, told = BROKEN_FILES[kind]
    folder = settings.landing / "events" / f"ds={day(0)}"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    with pytest.raises(DeliveryError) as caught:
        land(settings, day(0))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert lake.table(EVENTS).version() is None


def test_a_missing_delivery_and_a_folder_of_no_day_are_told(settings):
    """Where events should be and what the folder should be called."""
    with pytest.raises(DeliveryError, match=f"events of {day(0)} is missing: expected .* files in .*ds={day(0)}"):
        land(settings, day(0))
    deliver(settings.landing, "users", "2026-11-31", [])
    with pytest.raises(DeliveryError, match="ds=2026-11-31 is no delivery: '2026-11-31' is no day"):
        land(settings, day(0))
