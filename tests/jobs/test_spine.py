"""The spine of training rows equals one told event by event in plain Python, whatever comes late, twice or at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from daybreak.clock import days_before
from daybreak.features.training import SHOWN, SPINE, UNPROMPTED
from jobs.spine import spine, wanted_on
from tests.tiny import Row, day

OUTCOME_HOURS, MATURITY_DAYS = 36, 2
DAYS = [day(number) for number in range(3, 7)]
KINDS = ("impression", "impression", "impression", "view", "view", "rating", "cart", "purchase", "dismiss")
SCHEMA = (
    "event_id string, event_ts timestamp, user_id string, item_id string, event_type string, surface string,"
    " position int, ds string, landed_ds string"
)
COLUMNS = [column.name for column in SPINE if column.name != "sampling_probability"]


def random_events(random: Random, number: int) -> list[Row]:
    """Events of few users and items at few moments, so that many are equal; some come days late."""
    rows = []
    for n in range(number):
        happened = datetime.fromisoformat(day(random.randint(0, 9))).replace(tzinfo=UTC)
        moment = happened + timedelta(hours=random.choice((0, 11, 12, 23)), minutes=random.choice((0, 59)))
        ds = moment.date().isoformat()
        kind = random.choice(KINDS)
        rows.append(
            {
                "event_id": f"e{random.randint(0, 9)}-{n}",
                "event_ts": moment,
                "user_id": f"u{random.randint(0, 7)}",
                "item_id": f"i{random.randint(0, 3)}",
                "event_type": kind,
                "surface": random.choice(("home", None)),
                "position": random.randint(0, 3) if kind == "impression" else None,
                "ds": ds,
                "landed_ds": days_before(ds, -random.choice((0, 0, 0, 1, 2, 3))),
            }
        )
    return rows


def told(events: list[Row], ds: str) -> Iterable[Row]:
    """The rows of a day: showings with what they led to, then what was wanted unprompted."""
    mature = days_before(ds, -MATURITY_DAYS)
    known = [event for event in events if event["landed_ds"] <= mature and event["ds"] <= mature]
    order = {kind: 0 if kind == "impression" else 1 for kind in KINDS}
    known.sort(key=lambda event: (event["event_ts"], order[event["event_type"]], event["event_id"]))
    led_to: dict[str, list[Row]] = {event["event_id"]: [] for event in known if event["event_type"] == "impression"}
    unprompted: dict[tuple[str, str], list[Row]] = {}
    for place, event in enumerate(known):
        if event["event_type"] in ("impression", "dismiss"):
            continue
        pair = (event["user_id"], event["item_id"])
        showings = [
            other
            for other in known[:place]
            if other["event_type"] == "impression" and (other["user_id"], other["item_id"]) == pair
        ]
        if showings and event["event_ts"] - showings[-1]["event_ts"] <= timedelta(hours=OUTCOME_HOURS):
            led_to[showings[-1]["event_id"]].append(event)
        elif event["ds"] == ds:
            unprompted.setdefault(pair, []).append(event)
    for event in known:
        if event["ds"] == ds and event["event_type"] == "impression":
            yield row_of(event, SHOWN, led_to[event["event_id"]])
    for outcomes in unprompted.values():
        yield row_of(outcomes[0], UNPROMPTED, outcomes)


def row_of(event: Row, kind: str, outcomes: list[Row]) -> Row:
    types = {outcome["event_type"] for outcome in outcomes}
    return {
        "row_id": event["event_id"],
        "user_id": event["user_id"],
        "item_id": event["item_id"],
        "request_ts": event["event_ts"],
        "kind": kind,
        "surface": event["surface"],
        "position": event["position"],
        "clicked": bool(types),
        "carted": "cart" in types,
        "purchased": "purchase" in types,
        "ds": event["ds"],
    }


def by_spark(spark: SparkSession, events: list[Row], days: list[str]) -> list[Row]:
    names = [field.split()[0] for field in SCHEMA.split(", ")]
    rows = spark.createDataFrame([tuple(event[name] for name in names) for event in events], SCHEMA)
    made = spine(rows, days, OUTCOME_HOURS, MATURITY_DAYS).toArrow().to_pylist()
    return sorted(made, key=lambda row: (row["ds"], row["row_id"]))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_spine_is_what_happened_told_event_by_event(spark: SparkSession, seed: int) -> None:
    """Every showing once, each outcome at the last showing before it within the hours, each want of its own once."""
    events = random_events(Random(seed), 900)
    expected = [row for ds in DAYS for row in told(events, ds)]
    expected.sort(key=lambda row: (row["ds"], row["row_id"]))
    assert {row["kind"] for row in expected} == {SHOWN, UNPROMPTED}
    assert sum(row["purchased"] and row["kind"] == SHOWN for row in expected) > 5
    assert by_spark(spark, events, DAYS) == expected


def test_days_told_at_once_are_as_if_told_alone(spark: SparkSession) -> None:
    """What one day's rows need of other days is not mixed with what those days' rows need."""
    events = random_events(Random(3), 500)
    at_once = by_spark(spark, events, DAYS)
    assert [row for row in at_once if row["ds"] == DAYS[1]] == by_spark(spark, events, [DAYS[1]])


def test_wanted_on_a_day_is_all_that_had_an_outcome_then(spark: SparkSession) -> None:
    """Also where the outcome is told in an earlier day's row; as known when the day's labels were mature."""
    events = random_events(Random(4), 500)
    names = [field.split()[0] for field in SCHEMA.split(", ")]
    rows = spark.createDataFrame([tuple(event[name] for name in names) for event in events], SCHEMA)
    found = [tuple(row.values()) for row in wanted_on(rows, DAYS, MATURITY_DAYS).toArrow().to_pylist()]
    assert sorted(found) == sorted(
        {
            (event["user_id"], event["item_id"], event["ds"])
            for event in events
            if event["event_type"] not in ("impression", "dismiss")
            and event["ds"] in DAYS
            and event["landed_ds"] <= days_before(event["ds"], -MATURITY_DAYS)
        }
    )


EVENT: dict[str, Any] = {"user_id": "u", "item_id": "i", "surface": "home", "position": 0}


def event(name: str, kind: str, moment: str, landed: str) -> Row:
    happened = datetime.fromisoformat(f"{moment}+00:00")
    told = {"event_id": name, "event_type": kind, "event_ts": happened, "ds": moment[:10], "landed_ds": landed}
    return {**EVENT, **told}


def test_an_outcome_counts_if_it_came_by_the_night_that_made_labels_mature(spark: SparkSession) -> None:
    """A purchase a day later counts when its night delivers it in time, and not when it comes a night too late."""
    shown = event("shown", "impression", f"{DAYS[0]}T23:00", DAYS[0])
    for late, counts in ((0, True), (1, True), (2, False)):
        bought = event("bought", "purchase", f"{DAYS[1]}T01:00", days_before(DAYS[1], -late))
        (row,) = by_spark(spark, [shown, bought], [DAYS[0]])
        assert row["purchased"] == counts
