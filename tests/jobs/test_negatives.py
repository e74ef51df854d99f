"""Sampled negatives: from what was offered the night before, at the chances that are told, never what was wanted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from daybreak.clock import end_of
from daybreak.datasets import ITEMS
from daybreak.features.partials import ITEM_DAYS
from daybreak.item_states import may_be_shown
from daybreak.lake import Lake
from daybreak.lake.schemas import full_schema
from daybreak.lake.spark_tables import read_spark, spark_schema
from daybreak.lake.table import Window
from jobs.negatives import offered, sampled
from tests.jobs.feature_nights import item_state
from tests.lake import put
from tests.tiny import Row, day

DAY = day(5)
OFFERS = [("popular", 90), ("known", 9), ("new", 0)]
DRAWS = 3_000
NIGHT_BEFORE = day(4)
STEPS = [timedelta(days=days, microseconds=micros) for days in (-1, 0, 1) for micros in (-1, 0, 1)]
MOMENTS = [None, *(end_of(NIGHT_BEFORE) + step for step in STEPS)]


@pytest.fixture
def offers(spark: SparkSession, lake: Lake) -> dict[str, int]:
    """What is offered on the day, and the interest in it."""
    states = [
        item_state("popular", 0, 0),
        item_state("new", 4, 0),
        item_state("gone", 0, 0),
        item_state("returns", 0, 0, status="inactive"),
        item_state("soon", 4, 0, launched_ts=f"{day(6)}T00:00:00+00:00"),
        item_state("retired", 4, 0, retired_ts=f"{day(4)}T00:00:00+00:00"),
    ]
    put(lake, ITEMS, day(0), [state for state in states if state["updated_ts"] < day(1)])
    put(lake, ITEMS, day(4), [*[s for s in states if s["updated_ts"] > day(1)], item_state("gone", 4, 0, status="x")])
    put(lake, ITEMS, day(5), [item_state("returns", 5, 0), item_state("too_new", 5, 0)])
    put(
        lake,
        ITEM_DAYS,
        day(4),
        [counted("popular", day(3), 7), counted("popular", day(4), 2), counted("gone", day(4), 9)],
    )
    put(lake, ITEM_DAYS, day(5), [counted("popular", day(4), 100)])
    items, days = (read_spark(spark, lake.table(each), Window(), None) for each in (ITEMS, ITEM_DAYS))
    return {row["item_id"]: row["interest"] for row in offered(items, days, [DAY]).toArrow().to_pylist()}


def counted(item: str, happened: str, interest: int) -> Row:
    zeros = {column.name: 0 for column in ITEM_DAYS.columns if column.type.value == "int64"}
    return {**zeros, "item_id": item, "day": happened, "interest": interest, "last_ts": f"{happened}T12:00:00+00:00"}


def test_offered_is_what_the_night_before_knew_to_be_so(offers: dict[str, int]) -> None:
    """Neither what had left by then, nor what was not there yet, nor what the day itself delivered."""
    assert offers == {"popular": 9, "new": 0}


def test_offered_are_the_items_that_lists_of_the_night_before_may_show(spark: SparkSession) -> None:
    """Spark's rule and that of the lists agree on every kind of state, to the microsecond."""
    rows = [
        {"item_id": f"i{number}", "status": status, "launched_ts": launched, "retired_ts": retired}
        | {"updated_ts": end_of(NIGHT_BEFORE), "title": "", "ds": NIGHT_BEFORE}
        for number, (status, launched, retired) in enumerate(product(("active", "deactivated"), MOMENTS, MOMENTS))
    ]
    states = pa.Table.from_pylist(rows, schema=full_schema(ITEMS))
    untouched = spark.createDataFrame([], spark_schema(ITEM_DAYS))
    found = offered(spark.createDataFrame(states), untouched, [DAY]).toArrow()["item_id"]
    expected = states.filter(may_be_shown(states, NIGHT_BEFORE))["item_id"]
    assert 0 < len(expected) < len(rows)
    assert sorted(found.to_pylist()) == sorted(expected.to_pylist())


def draws(
    spark: SparkSession, wanted: list[tuple[str, str, str]], own: tuple[tuple[str, str], ...] = (), seed: int = 1
) -> list[Row]:
    """What is drawn beside the wanted rows; `own` are users with what they wanted."""
    moment = datetime.fromisoformat(f"{DAY}T12:00:00").replace(tzinfo=UTC)
    rows = spark.createDataFrame(
        [(*row, moment, DAY) for row in wanted],
        "row_id string, user_id string, item_id string, request_ts timestamp, ds string",
    )
    offers = spark.createDataFrame([(DAY, *offer) for offer in OFFERS], "ds string, item_id string, interest long")
    pairs = spark.createDataFrame([(*pair, DAY) for pair in own], "user_id string, item_id string, ds string")
    return sampled(rows, pairs, offers, DRAWS, 0.5, seed).toArrow().to_pylist()


def test_items_are_drawn_as_often_as_the_chance_told(spark: SparkSession) -> None:
    """Half evenly, half by interest; what nobody wants yet is drawn too."""
    rows = draws(spark, [("r", "u", "elsewhere")])
    assert len(rows) == len({row["row_id"] for row in rows}) == DRAWS
    chances = {row["item_id"]: row["sampling_probability"] for row in rows}
    expected = {item: 0.5 / 3 + 0.5 * interest / 99 for item, interest in OFFERS}
    assert chances == pytest.approx(expected, rel=2e-3)
    assert sum(chances.values()) == pytest.approx(1)
    for item, times in Counter(row["item_id"] for row in rows).items():
        usual = (DRAWS * chances[item] * (1 - chances[item])) ** 0.5
        assert abs(times - DRAWS * chances[item]) < 5 * usual


def test_nothing_that_the_user_wanted_on_the_day_is_a_negative(spark: SparkSession) -> None:
    """A draw that hits it gives no row; the chances of the others stay those of the draw."""
    own = (("u", "popular"), ("u", "new"), ("v", "known"))
    rows = draws(spark, [("r", "u", "popular"), ("t", "v", "known")], own)
    assert {row["item_id"] for row in rows if row["user_id"] == "u"} == {"known"}
    assert {row["item_id"] for row in rows if row["user_id"] == "v"} == {"popular", "new"}
    assert {row["clicked"] for row in rows} == {False}


@pytest.mark.parametrize("own", [(), (("u", "known"),)])
def test_what_a_row_was_clicked_for_is_no_negative_whenever_the_click_came(
    spark: SparkSession, own: tuple[tuple[str, str], ...]
) -> None:
    """It may have come after midnight, and so be no want of the row's own day."""
    items = {row["item_id"] for row in draws(spark, [("r", "u", "popular")], own)}
    assert items == {"known", "new"} - {item for _, item in own}


def test_draws_follow_from_the_seed(spark: SparkSession) -> None:
    """The same seed draws the same, another one does not; how rows are dealt to tasks does not matter."""
    wanted = [("r", "u", "x"), ("s", "v", "x")]
    first, again = (pa.Table.from_pylist(draws(spark, rows)).sort_by("row_id") for rows in (wanted, wanted[::-1]))
    assert first == again
    assert pa.Table.from_pylist(draws(spark, wanted, seed=2)).sort_by("row_id") != first
