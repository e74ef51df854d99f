"""Items by how much they are wanted.

Writes `candidates/popularity`, one row per item: the sum over `window_days` of what each event says of interest, halved
every `half_life_days`. Read by the lists as source and as the fallback for everyone. A second run of a day replaces it
with the same rows.
"""

from __future__ import annotations

from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from daybreak.candidates import POPULARITY
from daybreak.clock import days_before
from daybreak.datasets import EVENTS
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.interest import decay, interested, sum_in_order


class PopularityConfig(StepConfig):
    """Over which time popularity is counted."""

    window_days: int = Field(28, ge=1, description="days whose events count")
    half_life_days: float = Field(
        7.0, gt=0, description="what an event says of interest fades to a half in so many days"
    )


def popularity(events: DataFrame, config: PopularityConfig) -> DataFrame:
    """Decayed interest by item."""
    return (
        interested(events)
        .groupBy("item_id", "ds")
        .agg(F.sum("weight").alias("weight"), F.count("*").alias("events"))
        .withColumn("decayed", F.col("weight") * decay(config.ds, config.half_life_days))
        .groupBy("item_id")
        .agg(F.collect_list("decayed").alias("by_day"), F.sum("events").alias("events"))
        .select("item_id", F.round(sum_in_order("by_day"), 9).alias("score"), "events")
    )


def run(config: PopularityConfig, io: StepIO) -> Summary:
    """Counts the window that ends with this day."""
    events = io.frame(EVENTS, since=days_before(config.ds, config.window_days - 1))
    commit = io.write(POPULARITY, popularity(events, config))
    return {"items": commit.rows}
