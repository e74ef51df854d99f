"""Items by how much faster they are wanted now than before.

Writes `candidates/trending`, one row per item with recent interest: its interest per day over the last `recent_days`,
over its interest per day in the `usual_days` before, both smoothed by `prior` so that an item with three events does
not lead the list. A second run of a day replaces it with the same rows.
"""

from __future__ import annotations

from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from daybreak.candidates import TRENDING
from daybreak.clock import days_before
from daybreak.datasets import EVENTS
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.interest import interested


class TrendingConfig(StepConfig):
    """What is recent, what is usual, and how much evidence a trend needs."""

    recent_days: int = Field(3, ge=1, description="the last days, whose interest is compared")
    usual_days: int = Field(21, ge=1, description="the days before them that it is compared with")
    prior: float = Field(
        20.0, gt=0, description="weight of events, spread over the recent days, that every item is given"
    )


def trending(events: DataFrame, config: TrendingConfig) -> DataFrame:
    """The smoothed ratio of recent to usual daily interest, by item."""
    is_recent = F.col("ds") > days_before(config.ds, config.recent_days)
    counted = (
        interested(events)
        .groupBy("item_id")
        .agg(
            F.sum(F.when(is_recent, F.col("weight")).otherwise(0.0)).alias("recent"),
            F.sum(F.when(~is_recent, F.col("weight")).otherwise(0.0)).alias("usual"),
            F.count(F.when(is_recent, 1)).alias("events"),
        )
    )
    prior_a_day = config.prior / config.recent_days
    recent = F.col("recent") / config.recent_days + prior_a_day
    usual = F.col("usual") / config.usual_days + prior_a_day
    return counted.where("events > 0").select("item_id", F.round(recent / usual, 9).alias("score"), "events")


def run(config: TrendingConfig, io: StepIO) -> Summary:
    """Compares the days that end with this one with those before."""
    since = days_before(config.ds, config.recent_days + config.usual_days - 1)
    commit = io.write(TRENDING, trending(io.frame(EVENTS, since=since), config))
    return {"items": commit.rows}
