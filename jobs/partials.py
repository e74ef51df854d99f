"""What tonight's delivery adds to all that is counted, in `partials/*`.

Each partial is built from the events that one night delivered, by the day they happened on. Tonight's are built, and
those of earlier nights that the counting windows reach, where they are missing or where that night was landed again
since. So a night costs what its own delivery costs, and the first one builds the windows it needs. Events are counted
once, by user and item; what is told of users and of items alone adds those counts up. A second run of a night that
landed nothing new changes nothing but its own night, to the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from daybreak.clock import days_before, days_between
from daybreak.contracts import DS, LANDED_DS, Dataset
from daybreak.datasets import DELIVERIES, EVENTS, ITEMS, LATE_DAYS
from daybreak.features.counted import REACH_DAYS
from daybreak.features.partials import (
    COUNTS,
    DAY,
    ITEM_DAYS,
    LAST_ITEMS,
    LAST_ITEMS_KEPT,
    LATEST,
    PAIR_DAYS,
    PARTIALS,
    SESSION_DAYS,
    SUMS,
    TASTE_DAYS,
    USER_DAYS,
)
from daybreak.interest import WEIGHTS
from daybreak.spark import let_go
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.interest import weight_of_event


class PartialsConfig(StepConfig):
    """How far back partials are needed follows from the windows and from `feature_history_days`."""


def run(config: PartialsConfig, io: StepIO) -> Summary:
    """Builds the nights that any partial lacks, all partials side by side."""
    io.require(DELIVERIES)
    reach = REACH_DAYS + io.settings.feature_history_days
    days = days_between(days_before(io.ds, reach), io.ds)
    nights = sorted({io.ds, *(night for dataset in PARTIALS for night in io.unbuilt(dataset, EVENTS, days))})
    events = delivered(io.frame(EVENTS, since=days_before(nights[0], LATE_DAYS)), nights)
    pairs = counted(events).localCheckpoint()
    rows: dict[Dataset, Callable[[], DataFrame]] = {
        PAIR_DAYS: lambda: pairs,
        USER_DAYS: lambda: added_up(pairs, "user_id"),
        ITEM_DAYS: lambda: added_up(pairs, "item_id"),
        TASTE_DAYS: lambda: tastes(pairs, io.frame(ITEMS)),
        LAST_ITEMS: lambda: last_items(pairs),
        SESSION_DAYS: lambda: sessions(events),
    }

    def build(dataset: Dataset) -> int:
        return io.write(dataset, rows[dataset](), days=nights, built_from=EVENTS).rows

    try:
        with ThreadPoolExecutor(len(PARTIALS)) as pool:
            written = dict(zip((each.short_name for each in PARTIALS), pool.map(build, PARTIALS), strict=True))
    finally:
        let_go(io.spark)
    return {**written, "nights": len(nights)}


def delivered(events: DataFrame, nights: list[str]) -> DataFrame:
    """The events that these nights delivered, with the night in `ds` and the day they happened on in `day`."""
    return events.where(F.col(LANDED_DS).isin(nights)).withColumnsRenamed({DS: DAY, LANDED_DS: DS})


def counted(events: DataFrame) -> DataFrame:
    """What each user did with each item on a day. All sums are of whole numbers: any order gives the same."""
    kind = F.col("event_type")
    return events.groupBy("user_id", "item_id", DAY, DS).agg(
        *(F.count_if(kind == event_type).alias(name) for event_type, name in COUNTS.items()),
        F.sum(weight_of_event()).alias("interest"),
        _sum_of("price", 1_000_000, kind == "purchase").alias("spend_micros"),
        _sum_of("rating", 1_000_000, kind == "rating").alias("rating_micros"),
        _sum_of("dwell_s", 1_000, kind == "view").alias("dwell_ms"),
        F.count_if((kind == "view") & F.col("dwell_s").isNotNull()).alias("dwells"),
        F.max("event_ts").alias("last_ts"),
        F.max(F.when(kind.isin(*WEIGHTS), F.col("event_ts"))).alias("last_interest_ts"),
        F.max(F.when(kind == "purchase", F.col("event_ts"))).alias("last_purchase_ts"),
    )


def added_up(pairs: DataFrame, key: str) -> DataFrame:
    """The counts of users, or of items, alone."""
    return pairs.groupBy(key, DAY, DS).agg(
        *(F.sum(name).alias(name) for name in SUMS), *(F.max(name).alias(name) for name in LATEST)
    )


def tastes(pairs: DataFrame, items: DataFrame) -> DataFrame:
    """Interest by category and brand, as each item stood on the night that delivered the events."""
    wanted = pairs.where(F.col("interest") > 0)
    events = sum((F.col(COUNTS[kind]) for kind in WEIGHTS), start=F.lit(0))
    return (
        wanted.join(_item_states(wanted, items), on=["item_id", DS], how="left")
        .groupBy("user_id", "category", "brand", DAY, DS)
        .agg(F.sum("interest").alias("interest"), F.sum(events).alias("events"))
    )


def _item_states(wanted: DataFrame, items: DataFrame) -> DataFrame:
    """The newest state of each item by each night that delivered something of it."""
    states = items.select("item_id", "category", "brand", "updated_ts", F.col(DS).alias("known_ds"))
    newest = F.struct("updated_ts", "known_ds")
    return (
        wanted.select("item_id", DS)
        .distinct()
        .join(states, on="item_id", how="inner")
        .where(F.col("known_ds") <= F.col(DS))
        .groupBy("item_id", DS)
        .agg(F.max_by("category", newest).alias("category"), F.max_by("brand", newest).alias("brand"))
    )


def sessions(events: DataFrame) -> DataFrame:
    """The part of each visit that fell on a day."""
    return (
        events.where(F.col("session_id").isNotNull())
        .groupBy("user_id", "session_id", DAY, DS)
        .agg(
            F.min("event_ts").alias("first_ts"),
            F.max("event_ts").alias("last_ts"),
            F.count("*").alias("events"),
            F.count_if(F.col("event_type") == "view").alias("views"),
        )
    )


def last_items(pairs: DataFrame) -> DataFrame:
    """The newest items of interest, so many as a list of last items can hold."""
    newest = Window.partitionBy("user_id", DAY, DS).orderBy(F.desc("last_interest_ts"), "item_id")
    return (
        pairs.where(F.col("interest") > 0)
        .withColumn("place", F.row_number().over(newest))
        .where(F.col("place") <= LAST_ITEMS_KEPT)
        .select("user_id", "item_id", DAY, F.col("last_interest_ts").alias("last_ts"), DS)
    )


def _sum_of(column: str, scale: int, where: Column) -> Column:
    whole = F.round(F.col(column) * scale).cast("long")
    return F.coalesce(F.sum(F.when(where, whole)), F.lit(0).cast("long"))
