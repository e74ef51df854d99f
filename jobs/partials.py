"""What tonight's delivery adds to all that is counted, in `partials/*`.

Each partial is built from the events that one night delivered, by the day they happened on. Tonight's are built, and
those of earlier nights that the counting windows reach, where they are missing or where that night was landed again
since. So a night costs what its own delivery costs, and the first one builds the windows it needs. A second run of a
night that landed nothing new changes nothing but its own night, to the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from daybreak.clock import days_before, days_between
from daybreak.contracts import DS, LANDED_DS, Dataset
from daybreak.datasets import EVENTS, ITEMS, LATE_DAYS
from daybreak.features.counted import LINGER_DAYS, LONGEST_WINDOW
from daybreak.features.partials import (
    COUNTS,
    ITEM_DAYS,
    LAST_ITEMS,
    PAIR_DAYS,
    PARTIALS,
    SESSION_DAYS,
    TASTE_DAYS,
    USER_DAYS,
)
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.interest import WEIGHTS, interested

DAY = (DS, LANDED_DS)
LAST_ITEMS_KEPT = 20


class PartialsConfig(StepConfig):
    """How far back partials are needed follows from the windows and from `feature_history_days`."""


def run(config: PartialsConfig, io: StepIO) -> Summary:
    """Builds what is missing of each partial, side by side."""
    reach = LONGEST_WINDOW + LINGER_DAYS + io.settings.feature_history_days
    days = days_between(days_before(io.ds, reach), io.ds)
    missing = {dataset: sorted({*io.unbuilt(dataset, EVENTS, days), io.ds}) for dataset in PARTIALS}
    events = {day_list[0]: _delivered(io, day_list) for day_list in missing.values()}
    items = io.frame(ITEMS)
    makers: dict[Dataset, Callable[[DataFrame], DataFrame]] = {
        USER_DAYS: lambda rows: counts_by(rows, "user_id"),
        ITEM_DAYS: lambda rows: counts_by(rows, "item_id"),
        PAIR_DAYS: lambda rows: counts_by(rows, "user_id", "item_id"),
        TASTE_DAYS: lambda rows: tastes(rows, items),
        SESSION_DAYS: sessions,
        LAST_ITEMS: last_items,
    }

    def build(dataset: Dataset) -> int:
        days = missing[dataset]
        rows = makers[dataset](events[days[0]].where(F.col(LANDED_DS).isin(days)))
        return io.write(dataset, rows, days=days, built_from=EVENTS).rows

    with ThreadPoolExecutor(len(PARTIALS)) as pool:
        rows = dict(zip((each.short_name for each in PARTIALS), pool.map(build, PARTIALS), strict=True))
    return {**rows, "nights": len(missing[USER_DAYS])}


def _delivered(io: StepIO, days: list[str]) -> DataFrame:
    """The events delivered from the first of these days on, none of them earlier than a late event can be."""
    return io.frame(EVENTS, since=days_before(days[0], LATE_DAYS)).where(F.col(LANDED_DS) >= days[0])


def counts_by(events: DataFrame, *keys: str) -> DataFrame:
    """What happened on a day, by delivery and keys. All sums are of whole numbers: any order gives the same."""
    kind = F.col("event_type")
    return events.groupBy(*keys, *DAY).agg(
        *(F.count_if(kind == event_type).alias(name) for event_type, name in COUNTS.items()),
        F.sum(_interest()).alias("interest"),
        _sum_of("price", 1_000_000, kind == "purchase").alias("spend_micros"),
        _sum_of("rating", 1_000_000, kind == "rating").alias("rating_micros"),
        _sum_of("dwell_s", 1_000, kind == "view").alias("dwell_ms"),
        F.count_if((kind == "view") & F.col("dwell_s").isNotNull()).alias("dwells"),
        F.max("event_ts").alias("last_ts"),
        F.max(F.when(kind == "purchase", F.col("event_ts"))).alias("last_purchase_ts"),
    )


def tastes(events: DataFrame, items: DataFrame) -> DataFrame:
    """Interest by category and brand, as each item stood on the night that delivered the event."""
    return (
        interested(events)
        .join(_item_states(events, items), on=["item_id", LANDED_DS], how="left")
        .groupBy("user_id", "category", "brand", *DAY)
        .agg(F.sum(_interest()).alias("interest"), F.count("*").alias("events"))
    )


def _item_states(events: DataFrame, items: DataFrame) -> DataFrame:
    """The newest state of each item by each night that delivered something of it."""
    states = items.select("item_id", "category", "brand", "updated_ts", F.col(DS).alias("known_ds"))
    newest = F.struct("updated_ts", "known_ds")
    return (
        events.select("item_id", LANDED_DS)
        .distinct()
        .join(states, on="item_id", how="inner")
        .where(F.col("known_ds") <= F.col(LANDED_DS))
        .groupBy("item_id", LANDED_DS)
        .agg(F.max_by("category", newest).alias("category"), F.max_by("brand", newest).alias("brand"))
    )


def sessions(events: DataFrame) -> DataFrame:
    """The part of each visit that fell on a day."""
    return (
        events.where(F.col("session_id").isNotNull())
        .groupBy("user_id", "session_id", *DAY)
        .agg(
            F.min("event_ts").alias("first_ts"),
            F.max("event_ts").alias("last_ts"),
            F.count("*").alias("events"),
            F.count_if(F.col("event_type") == "view").alias("views"),
        )
    )


def last_items(events: DataFrame) -> DataFrame:
    """The newest items of interest, so many as a list of last items can hold."""
    newest = Window.partitionBy("user_id", *DAY).orderBy(F.desc("last_ts"), "item_id")
    return (
        interested(events)
        .groupBy("user_id", "item_id", *DAY)
        .agg(F.max("event_ts").alias("last_ts"))
        .withColumn("place", F.row_number().over(newest))
        .where(F.col("place") <= LAST_ITEMS_KEPT)
        .drop("place")
    )


def _interest() -> Column:
    weights = F.create_map(*(F.lit(part) for kind, weight in WEIGHTS.items() for part in (kind, int(weight))))
    return F.coalesce(weights[F.col("event_type")], F.lit(0)).cast("long")


def _sum_of(column: str, scale: int, where: Column) -> Column:
    whole = F.round(F.col(column) * scale).cast("long")
    return F.coalesce(F.sum(F.when(where, whole)), F.lit(0).cast("long"))
