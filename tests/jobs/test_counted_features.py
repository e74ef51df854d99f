"""What is counted of users and items equals the same figures worked out by another engine, for each night as that
night saw its events."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from pyspark.sql import SparkSession

from daybreak.clock import days_before, end_of
from daybreak.contracts import Dataset
from daybreak.datasets import EVENTS, ITEMS
from daybreak.errors import InputError
from daybreak.features.counted import (
    ITEM_ACTIVITY,
    USER_ACTIVITY,
    USER_BRAND,
    USER_CATEGORY,
    USER_ITEM,
    USER_SESSIONS,
)
from daybreak.features.declaration import FeatureView
from daybreak.features.partials import PAIR_DAYS, PARTIALS
from daybreak.lake import Lake, Window
from daybreak.settings import Settings
from tests.jobs.feature_nights import build, item_state, land_night, land_nights, random_events, rows_of
from tests.tiny import Row, day

pytestmark = pytest.mark.slow
VIEWS = (USER_ACTIVITY, ITEM_ACTIVITY, USER_SESSIONS, USER_CATEGORY, USER_BRAND, USER_ITEM)
LAST = 44
NIGHTS = (37, LAST)

KNOWN = """
    SELECT *, CASE event_type WHEN 'view' THEN 1 WHEN 'purchase' THEN 5 WHEN 'cart' THEN 3 WHEN 'rating' THEN 3 END
           AS w,
           date_diff('day', ds::DATE, $night::DATE) AS age
    FROM events WHERE landed_ds <= $night AND ds <= $night AND ds > $reach
"""


def _count(kind: str, days: int) -> str:
    return f"count(*) FILTER (event_type = '{kind}' AND age < {days}) AS {kind}s_{days}d"


COUNTS = ", ".join(_count(kind, days) for kind in ("impression", "view", "cart", "purchase") for days in (1, 7, 28))
ACTIVITY = f"""
    WITH known AS ({KNOWN}), counted AS (
        SELECT KEY, {COUNTS},
            count(*) FILTER (event_type = 'rating' AND age < 28) AS ratings_28d,
            avg(rating) FILTER (event_type = 'rating' AND age < 28) AS rating_mean_28d,
            count(*) FILTER (event_type = 'dismiss' AND age < 28) AS dismissals_28d,
            count(DISTINCT ds) FILTER (age < 7) AS active_days_7d,
            count(DISTINCT ds) FILTER (age < 28) AS active_days_28d,
            max(event_ts) AS last_event_ts,
            max(event_ts) FILTER (event_type = 'purchase') AS last_purchase_ts,
            coalesce(sum(w) FILTER (age < 7), 0) AS interest_7d,
            coalesce(sum(w) FILTER (age < 28), 0) AS interest_28d,
            coalesce(sum(price) FILTER (event_type = 'purchase' AND age < 7), 0) AS spend_7d,
            coalesce(sum(price) FILTER (event_type = 'purchase' AND age < 28), 0) AS spend_28d
        FROM known GROUP BY KEY
    ), usual AS (
        SELECT sum(views_7d) / sum(impressions_7d) AS c7, sum(views_28d) / sum(impressions_28d) AS c28,
               sum(purchases_28d) / sum(views_28d) AS v28 FROM counted
    )
    SELECT * EXCLUDE (c7, c28, v28),
        (views_7d + 20 * c7) / (impressions_7d + 20) AS click_rate_7d,
        (views_28d + 20 * c28) / (impressions_28d + 20) AS click_rate_28d,
        (purchases_28d + 20 * v28) / (views_28d + 20) AS conversion_rate_28d,
        pow(0.5, epoch($end - last_event_ts) / 604800) AS recency_score,
        CASE WHEN active_days_7d > 0 THEN interest_7d / active_days_7d ELSE 0 END AS engagement_7d,
        (interest_7d / 7 + 1) / ((interest_28d - interest_7d) / 21 + 1) AS popularity_trend
    FROM counted, usual
"""
SESSIONS = f"""
    WITH known AS ({KNOWN}), visits AS (
        SELECT user_id, min(event_ts) AS first_ts, max(event_ts) AS last_ts, count(*) AS events,
               count(*) FILTER (event_type = 'view') AS views
        FROM known WHERE session_id IS NOT NULL GROUP BY user_id, session_id
    ), visiting AS (
        SELECT user_id, count(*) FILTER (last_ts >= $end - INTERVAL 7 DAY) AS sessions_7d,
               count(*) FILTER (last_ts >= $end - INTERVAL 28 DAY) AS sessions_28d,
               avg(epoch(last_ts - first_ts) / 60) FILTER (last_ts >= $end - INTERVAL 28 DAY) AS session_minutes_28d,
               avg(events) FILTER (last_ts >= $end - INTERVAL 28 DAY) AS session_events_28d,
               avg(views) FILTER (last_ts >= $end - INTERVAL 28 DAY) AS session_depth_28d,
               max(last_ts) AS last_session_ts
        FROM visits GROUP BY user_id
    ), newest AS (
        SELECT user_id, item_id, max(event_ts) AS ts FROM known WHERE w IS NOT NULL GROUP BY user_id, item_id
    ), lists AS (
        SELECT user_id, list(item_id ORDER BY ts DESC, item_id)[:20] AS last_items FROM newest GROUP BY user_id
    ), users AS (
        SELECT user_id, avg(dwell_s) FILTER (event_type = 'view' AND age < 28) AS dwell_s_28d
        FROM known GROUP BY user_id
    )
    SELECT users.*, coalesce(sessions_7d, 0) AS sessions_7d, coalesce(sessions_28d, 0) AS sessions_28d,
           session_minutes_28d, session_events_28d, session_depth_28d, last_session_ts, last_items
    FROM users LEFT JOIN visiting USING (user_id) LEFT JOIN lists USING (user_id)
"""
AFFINITY = f"""
    WITH known AS ({KNOWN}), placed AS (
        SELECT known.user_id, i.KIND, w, age,
        FROM known JOIN items i ON i.item_id = known.item_id AND i.ds <= known.landed_ds
        WHERE w IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY known.event_id ORDER BY i.updated_ts DESC, i.ds DESC) = 1
    ), tastes AS (
        SELECT user_id, KIND, coalesce(sum(w * pow(0.5, age / 7)) FILTER (age < 28), 0) AS interest,
               count(*) FILTER (age < 28) AS events_28d
        FROM placed WHERE KIND IS NOT NULL GROUP BY ALL
    )
    SELECT *, CASE WHEN sum(interest) OVER (PARTITION BY user_id) > 0
                   THEN interest / sum(interest) OVER (PARTITION BY user_id) ELSE 0 END AS affinity FROM tastes
"""
PAIRS = f"""
    WITH known AS ({KNOWN})
    SELECT user_id, item_id, count(*) FILTER (event_type = 'impression') AS impressions_28d,
           count(*) FILTER (event_type = 'view') AS views_28d, count(*) FILTER (event_type = 'cart') AS carts_28d,
           count(*) FILTER (event_type = 'purchase') AS purchases_28d, max(event_ts) AS last_contact_ts
    FROM known WHERE age < 28 GROUP BY ALL HAVING bool_or(landed_ds = $night)
"""
ORACLES = {
    USER_ACTIVITY: ACTIVITY.replace("KEY", "user_id"),
    ITEM_ACTIVITY: ACTIVITY.replace("KEY", "item_id"),
    USER_SESSIONS: SESSIONS,
    USER_CATEGORY: AFFINITY.replace("KIND", "category"),
    USER_BRAND: AFFINITY.replace("KIND", "brand"),
    USER_ITEM: PAIRS,
}


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Settings:
    """Events of 45 nights, all landed before the features of any are made. One user came once, on day 3, so that the
    windows run out; nobody does anything on one night."""
    settings = Settings(home=tmp_path_factory.mktemp("features"), feature_history_days=0)
    random = Random(11)
    events = {night: [] if night == 20 else random_events(random, night) for night in range(LAST + 1)}
    events[3].append({**events[3][0], "event_id": "gone", "user_id": "gone", "event_ts": f"{day(3)}T23:59:00+00:00"})
    changed = {night: range(16) if night == 0 else [random.randint(0, 15)] for night in range(LAST + 1)}
    items = {night: [item_state(f"i{n}", night, n + night) for n in numbers] for night, numbers in changed.items()}
    land_nights(Lake.of(settings), events, items)
    for night in NIGHTS:
        build(settings, night)
    return settings


def oracle(settings: Settings, view: FeatureView, number: int) -> dict[tuple[str, ...], dict[str, Any]]:
    lake, night = Lake.of(settings), day(number)
    with duckdb.connect() as connection:
        connection.register("events", lake.table(EVENTS).read(Window()))
        connection.register("items", lake.table(ITEMS).read(Window()))
        values = {"night": night, "reach": days_before(night, 35), "end": end_of(night)}
        sql = ORACLES[view]
        answer = connection.execute(sql, {name: value for name, value in values.items() if f"${name}" in sql})
        names = [column[0] for column in answer.description]
        rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    return {tuple(row[key] for key in view.keys): row for row in rows}


def same(made: Any, expected: Any) -> bool:
    if isinstance(made, float) and expected is not None:
        return math.isclose(made, expected, rel_tol=1e-9, abs_tol=1e-8)
    return made == expected


@pytest.mark.parametrize("number", NIGHTS)
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_features_equal_those_of_another_engine(counted: Settings, view: FeatureView, number: int) -> None:
    """The same entities, and each feature of each, from the events that had happened and landed by that night."""
    made, expected = rows_of(Lake.of(counted), view, number), oracle(counted, view, number)
    assert made.keys() == expected.keys()
    assert len(made) >= 12
    for key, row in made.items():
        wrong = [name for name in view.feature_names if not same(row[name], expected[key][name])]
        assert not wrong, f"{key}: " + "; ".join(f"{n} {row[n]} != {expected[key][n]}" for n in wrong)


def test_rows_say_what_they_describe_and_from_when_they_could_be_known(counted: Settings) -> None:
    """They describe the end of their day, and are available when its night was due, whenever they were made."""
    for view in VIEWS:
        for row in rows_of(Lake.of(counted), view, LAST).values():
            assert row["event_ts"] == end_of(day(LAST))
            assert row["available_ts"] == end_of(day(LAST)) + timedelta(hours=6)


def test_who_left_the_longest_window_is_told_as_idle_for_a_week_and_then_not_at_all(counted: Settings) -> None:
    """The only event was on day 3: on night 37 it is in reach of 35 days for the last time."""
    at_rest = rows_of(Lake.of(counted), USER_ACTIVITY, 37)["gone",]
    assert at_rest["views_28d"] == at_rest["active_days_28d"] == 0
    assert at_rest["last_event_ts"] == end_of(day(3)) - timedelta(minutes=1)
    assert ("gone",) not in rows_of(Lake.of(counted), USER_ACTIVITY, LAST)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Settings:
    """Three nights, all landed before the last of them makes the features of all."""
    settings = Settings(home=tmp_path_factory.mktemp("short"))
    land_short(Lake.of(settings))
    build(settings, 2)
    return settings


@pytest.fixture
def again(short: Settings, tmp_path: Path) -> Settings:
    """A copy of the three nights to go on from."""
    shutil.copytree(short.home, tmp_path / "again")
    return Settings(home=tmp_path / "again")


def land_short(lake: Lake) -> None:
    random = Random(3)
    for number in range(3):
        land_night(lake, number, random_events(random, number), [item_state("i1", number, number)])


def told_by(lake: Lake, number: int, pair: tuple[str, ...]) -> list[Row]:
    """What a night's delivery told of a user with an item."""
    rows = lake.table(PAIR_DAYS).read(Window(day(number), day(number))).to_pylist()
    return [row for row in rows if (row["user_id"], row["item_id"]) == pair]


def digests(settings: Settings, tables: Iterable[Dataset], nights: Iterable[int]) -> dict[tuple[str, int], str]:
    lake = Lake.of(settings)
    return {(table.name, night): lake.table(table).digest(day(night)) for table in tables for night in nights}


def test_a_history_built_at_once_equals_its_nights_built_one_by_one(short: Settings, tmp_path: Path) -> None:
    """The first run leaves the rows of the nights before it, as those nights would have made them."""
    alone = Settings(home=tmp_path, feature_history_days=0)
    land_short(Lake.of(alone))
    for number in range(3):
        build(alone, number)
    tables = [*PARTIALS, *(view.dataset for view in VIEWS)]
    assert digests(alone, tables, range(3)) == digests(short, tables, range(3))


def test_a_late_event_changes_features_only_from_the_night_that_saw_it(again: Settings) -> None:
    """The night of its day, built again after it came, stays as it was to the last bit; the next night counts it."""
    lake, tables = Lake.of(again), [view.dataset for view in VIEWS]
    before = digests(again, tables, [2])
    views = rows_of(lake, USER_ACTIVITY, 2)["u0",]["views_7d"]
    late = {"event_id": "late", "event_ts": f"{day(2)}T12:00:00+00:00", "user_id": "u0", "item_id": "i1"}
    land_night(lake, 3, [{**late, "event_type": "view"}])
    build(again, 2)
    assert digests(again, tables, [2]) == before
    build(again, 3)
    assert rows_of(lake, USER_ACTIVITY, 3)["u0",]["views_7d"] == views + 1
    assert rows_of(lake, USER_ITEM, 3).keys() == {("u0", "i1")}


def test_a_night_landed_again_is_counted_anew(again: Settings) -> None:
    """Whoever lands other events for a night finds them in the features of the next run."""
    lake = Lake.of(again)
    met = min(rows_of(lake, USER_ITEM, 2))
    before = rows_of(lake, USER_ITEM, 2)[met]["purchases_28d"]
    moment = {"event_ts": f"{day(1)}T12:00:00+00:00"}
    new = {"event_id": "new", **moment, "user_id": "new", "item_id": "i1", "event_type": "view"}
    bought = {"event_id": "b", **moment, "user_id": met[0], "item_id": met[1], "event_type": "purchase", "price": 1.0}
    was_bought = sum(row["purchases"] for row in told_by(lake, 1, met))
    land_night(lake, 1, [new, bought])
    land_night(lake, 3, [])
    build(again, 3, ("partials", "user_activity", "user_item"))
    assert ("new",) in rows_of(lake, USER_ACTIVITY, 3)
    assert rows_of(lake, USER_ITEM, 1).keys() == {("new", "i1"), met}, "each night tells its own news"
    assert rows_of(lake, USER_ITEM, 2)[met]["purchases_28d"] == before - was_bought + 1, "with all contact until then"


def test_a_view_is_not_counted_from_partials_that_lack_a_night(again: Settings) -> None:
    """What would be counted too low is refused, with the step that mends it, and nothing is written."""
    land_night(Lake.of(again), 3, [])
    lacking = f"counted from partials/user_days, which lacks nights from {day(3)} on; run jobs.partials for {day(3)}"
    with pytest.raises(InputError, match=lacking):
        build(again, 3, ("user_activity",))
    assert day(3) not in Lake.of(again).table(USER_ACTIVITY.dataset).written([day(3)])


@pytest.mark.parametrize("step", ["partials", "user_activity", "user_profile"])
def test_features_of_a_night_that_was_never_landed_are_refused(again: Settings, step: str) -> None:
    """A day typed wrong makes no features of it."""
    with pytest.raises(InputError, match=f"raw/deliveries has no day {day(400)}; run the step that makes it first"):
        build(again, 400, (step,))


def test_a_night_without_events_has_features_of_those_before(again: Settings) -> None:
    """Everything still in reach gets its row, a day older."""
    lake = Lake.of(again)
    land_night(lake, 3, [])
    build(again, 3)
    before, now = rows_of(lake, USER_ACTIVITY, 2), rows_of(lake, USER_ACTIVITY, 3)
    assert before.keys() == now.keys()
    assert all(row["views_1d"] == 0 for row in now.values())
    assert rows_of(lake, USER_ITEM, 3) == {}
