"""Popularity, trending and co-occurrence equal the same figures worked out by another engine, for each night as that
night saw its events."""

from __future__ import annotations

import math
from random import Random

import duckdb
import pytest
from pyspark.sql import SparkSession

from daybreak.candidates import COOCCURRENCE, POPULARITY, TRENDING
from daybreak.clock import days_before
from daybreak.datasets import EVENTS
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import put
from tests.tiny import Row, day

STEPS = [step_named(f"jobs.{name}") for name in ("popularity", "trending", "cooccurrence")]
TABLES = (POPULARITY, TRENDING, COOCCURRENCE)
NIGHTS = (day(30), day(33))
pytestmark = pytest.mark.slow
KINDS = ("impression", "view", "view", "cart", "purchase", "rating", "dismiss")
BOT_ITEMS = 3_000

WEIGHTED = """
    SELECT *, CASE event_type WHEN 'view' THEN 1.0 WHEN 'purchase' THEN 5.0 ELSE 3.0 END AS weight
    FROM events WHERE event_type IN ('view', 'cart', 'rating', 'purchase')
      AND ds BETWEEN $since AND $night AND landed_ds <= $night
"""
POPULARITY_SQL = f"""
    SELECT item_id, sum(weight * pow(0.5, date_diff('day', ds::DATE, $night::DATE) / 7.0)) AS score, count(*) AS events
    FROM ({WEIGHTED}) GROUP BY item_id
"""
TRENDING_SQL = f"""
    SELECT item_id,
           (sum(weight) FILTER (ds > $recent) / 3 + 20.0 / 3)
             / (coalesce(sum(weight) FILTER (ds <= $recent), 0) / 21 + 20.0 / 3) AS score,
           count(*) FILTER (ds > $recent) AS events
    FROM ({WEIGHTED}) GROUP BY item_id HAVING events > 0
"""
COOCCURRENCE_SQL = f"""
    WITH touched AS (SELECT user_id, item_id, max(event_ts) AS last_ts FROM ({WEIGHTED}) GROUP BY ALL),
    baskets AS (
        SELECT user_id, item_id FROM touched
        QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY last_ts DESC, item_id) <= 100
    ),
    popularity AS (SELECT item_id, count(*) AS users FROM baskets GROUP BY item_id),
    pairs AS (
        SELECT a.item_id, b.item_id AS neighbour_id, count(*) AS users FROM baskets a JOIN baskets b USING (user_id)
        WHERE a.item_id <> b.item_id GROUP BY ALL HAVING count(*) >= 2
    )
    SELECT p.item_id, p.neighbour_id, round(p.users / (sqrt(x.users * y.users) + 10), 9) AS score, p.users
    FROM pairs p JOIN popularity x ON x.item_id = p.item_id JOIN popularity y ON y.item_id = p.neighbour_id
    QUALIFY row_number() OVER (PARTITION BY p.item_id ORDER BY score DESC, p.neighbour_id) <= 100
"""


def random_events(random: Random, landed: int) -> list[Row]:
    """What a day delivers: events of the day and late ones, of few users and popular items, at few moments."""
    rows = []
    for number in range(random.randint(20, 60)):
        happened = day(max(landed - random.choice([0] * 8 + [1, 2, 3]), 0))
        rows.append(
            {
                "event_id": f"{landed}-{number}",
                "event_ts": f"{happened}T{random.randint(0, 3):02d}:00:00+00:00",
                "user_id": f"u{random.randint(0, 14)}",
                "item_id": f"i{min(int(random.paretovariate(0.7)), 130)}",
                "event_type": random.choice(KINDS),
            }
        )
    return rows


def bot_events(landed: int) -> list[Row]:
    """A user that viewed thousands of items within a day."""
    return [
        {
            "event_id": f"bot-{number}",
            "event_ts": f"{day(landed)}T05:{number // 60 % 60:02d}:{number % 60:02d}+00:00",
            "user_id": "bot",
            "item_id": f"bot-item-{number:05d}",
            "event_type": "view",
        }
        for number in range(BOT_ITEMS)
    ]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Settings:
    """Events of 36 days, landed to the end before any night is counted."""
    settings = Settings(home=tmp_path_factory.mktemp("counted"))
    lake, random = Lake.of(settings), Random(7)
    for landed in range(36):
        rows = random_events(random, landed)
        put(lake, EVENTS, day(landed), [*rows, *bot_events(landed)] if landed == 29 else rows)
    for night in NIGHTS:
        run_steps(STEPS, night, settings)
    return settings


def oracle(settings: Settings, sql: str, night: str, window_days: int) -> dict[tuple[str, ...], tuple[float, int]]:
    """The same figures by DuckDB over all that has landed, by now or ever."""
    events = Lake.of(settings).table(EVENTS).read(Window())
    with duckdb.connect() as connection:
        connection.register("events", events)
        values = {"night": night, "since": days_before(night, window_days - 1), "recent": days_before(night, 3)}
        wanted = {name: value for name, value in values.items() if f"${name}" in sql}
        return {tuple(row[:-2]): row[-2:] for row in connection.execute(sql, wanted).fetchall()}


def found(settings: Settings, dataset, night: str) -> dict[tuple[str, ...], tuple[float, int]]:
    rows = Lake.of(settings).table(dataset).read(Window(night, night), dataset.column_names)
    return {tuple(row[:-2]): row[-2:] for row in zip(*rows.to_pydict().values(), strict=True)}


@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize(
    ("dataset", "sql", "window_days"),
    [(POPULARITY, POPULARITY_SQL, 28), (TRENDING, TRENDING_SQL, 24), (COOCCURRENCE, COOCCURRENCE_SQL, 28)],
    ids=["popularity", "trending", "cooccurrence"],
)
def test_counts_equal_those_of_another_engine(counted, dataset, sql, window_days, night):
    """The same keys, counts and scores, from the events that had happened and landed by that night."""
    expected, made = oracle(counted, sql, night, window_days), found(counted, dataset, night)
    assert len(expected) > 15
    assert made.keys() == expected.keys()
    for key, (score, count) in expected.items():
        assert made[key][1] == count, key
        assert math.isclose(made[key][0], score, abs_tol=2e-9), key


def test_counting_again_after_later_days_landed_gives_the_same_digests(counted):
    """A second run of an early night equals the first to the last bit."""
    lake = Lake.of(counted)
    before = [lake.table(dataset).digest(NIGHTS[0]) for dataset in TABLES]
    put(lake, EVENTS, day(40), random_events(Random(3), 33))
    run_steps(STEPS, NIGHTS[0], counted)
    assert [lake.table(dataset).digest(NIGHTS[0]) for dataset in TABLES] == before


def test_a_bot_makes_no_flood_of_pairs(counted):
    """Of the thousands of items that one user touched only the newest hundred can pair."""
    lake = Lake.of(counted)
    run_steps(STEPS[2:], NIGHTS[0], counted, overrides={"min_users": 1, "neighbours": 1000})
    pairs = lake.table(COOCCURRENCE).read(Window(NIGHTS[0], NIGHTS[0]))["item_id"].to_pylist()
    of_bot = [item for item in pairs if item.startswith("bot-item")]
    assert len(of_bot) == 100 * 99
    assert min(of_bot) == f"bot-item-{BOT_ITEMS - 100:05d}"
