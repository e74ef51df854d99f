"""For each item, the items that the same users also wanted.

Writes `candidates/cooccurrence`, up to `neighbours` rows per item: a cosine between the users of two items, damped
by `shrinkage` so that two items that share one user do not look alike. Only the newest `items_per_user` items of a
user count: a bot that touched everything makes neither a stalled task nor everything similar to everything. A
second run of a day replaces it with the same rows.
"""

from __future__ import annotations

from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from daybreak.candidates import COOCCURRENCE
from daybreak.clock import days_before
from daybreak.datasets import EVENTS
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.baskets import PAIR, nearest, newest_of, pairs_in, shrunk_cosine, with_sizes
from jobs.interest import interested

USER = ("user_id",)


class CooccurrenceConfig(StepConfig):
    """Which pairs count, and how many neighbours are kept."""

    window_days: int = Field(28, ge=1, description="days whose events count")
    items_per_user: int = Field(100, ge=2, description="newest items of a user that can pair")
    neighbours: int = Field(100, ge=1, description="items kept beside each item")
    min_users: int = Field(2, ge=1, description="users who must have wanted both")
    shrinkage: float = Field(10.0, ge=0, description="how much few users in common count for less")


def cooccurrence(events: DataFrame, config: CooccurrenceConfig) -> DataFrame:
    """The nearest neighbours of each item by shrunk cosine over users."""
    touched = interested(events).groupBy("user_id", "item_id").agg(F.max("event_ts").alias("last_ts"))
    baskets = newest_of(touched, USER, config.items_per_user)
    pairs = pairs_in(baskets, USER).groupBy(*PAIR).agg(F.count("*").alias("users"))
    enough = with_sizes(pairs.where(F.col("users") >= config.min_users), baskets)
    return nearest(enough, shrunk_cosine("users", config.shrinkage), config.neighbours)


def run(config: CooccurrenceConfig, io: StepIO) -> Summary:
    """Counts pairs over the window that ends with this day."""
    events = io.frame(EVENTS, since=days_before(config.ds, config.window_days - 1))
    commit = io.write(COOCCURRENCE, cooccurrence(events, config))
    return {"pairs": commit.rows}
