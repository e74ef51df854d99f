"""Items by how much the users of each segment want them.

Writes `candidates/segments`, up to `kept` rows per segment: what the events of its users say of interest over
`window_days`, halved every `half_life_days`, as `jobs.popularity` counts it, and on top of that `prior` shared out
among all items as everybody's interest is: a segment of few events is drawn towards what is popular. Only items with an
event of the segment stand there. A user is of the segment that the newest state up to the night tells; users without
one count for none, and for everybody all the same. A second run of a day replaces it with the same rows.
"""

from __future__ import annotations

from pydantic import Field
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from daybreak.candidates import SEGMENTS
from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.datasets import EVENTS, USERS
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.interest import decay, interested, sum_in_order


class SegmentsConfig(StepConfig):
    """Over which time interest is counted, how far segments are drawn together, and how much is kept."""

    window_days: int = Field(28, ge=1, description="days whose events count")
    half_life_days: float = Field(
        7.0, gt=0, description="what an event says of interest fades to a half in so many days"
    )
    prior: float = Field(20.0, ge=0, description="weight of everybody's interest beside that of a segment's own users")
    kept: int = Field(300, ge=1, description="items kept for each segment")


def segments(events: DataFrame, users: DataFrame, config: SegmentsConfig) -> DataFrame:
    """The best items of each segment by decayed interest, drawn towards that of all users."""
    told = interested(events).join(segment_of(users), on="user_id", how="left")
    by_day = told.groupBy("segment", "item_id", DS).agg(F.sum("weight").alias("weight"), F.count("*").alias("events"))
    everybody = _faded(by_day, ["item_id"], config).select("item_id", F.col("score").alias("of_all"))
    total = _faded(by_day, [], config).select(F.col("score").alias("total"))
    best = Over.partitionBy("segment").orderBy(F.desc("score"), "item_id")
    drawn = F.col("score") + config.prior * F.col("of_all") / F.col("total")
    return (
        _faded(by_day.where(F.col("segment").isNotNull()), ["segment", "item_id"], config)
        .join(everybody, on="item_id", how="inner")
        .crossJoin(total)
        .withColumn("score", F.round(drawn, 9))
        .withColumn("_number", F.row_number().over(best))
        .where(F.col("_number") <= config.kept)
        .select("segment", "item_id", "score", "events")
    )


def segment_of(users: DataFrame) -> DataFrame:
    """The segment of each user, as the newest of these states tells; users without one are left out."""
    newest = Over.partitionBy("user_id").orderBy(F.desc("updated_ts"), F.desc(DS))
    return (
        users.withColumn("_number", F.row_number().over(newest))
        .where((F.col("_number") == 1) & F.col("segment").isNotNull())
        .select("user_id", "segment")
    )


def _faded(counted: DataFrame, of: list[str], config: SegmentsConfig) -> DataFrame:
    """Decayed interest and events of each, added up in one order; by day they are whole, which any order adds alike."""
    by_day = counted.groupBy(*of, DS).agg(F.sum("weight").alias("weight"), F.sum("events").alias("events"))
    faded: Column = F.col("weight") * decay(config.ds, config.half_life_days)
    added = by_day.groupBy(*of).agg(F.collect_list(faded).alias("by_day"), F.sum("events").alias("events"))
    return added.select(*of, sum_in_order("by_day").alias("score"), "events")


def run(config: SegmentsConfig, io: StepIO) -> Summary:
    """Counts the window that ends with this day."""
    events = io.frame(EVENTS, since=days_before(config.ds, config.window_days - 1))
    commit = io.write(SEGMENTS, segments(events, io.frame(USERS), config))
    return {"items": commit.rows}
