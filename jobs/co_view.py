"""For each item, the items that were looked at in the same visits.

Writes `candidates/co_view`, up to `neighbours` rows per item: a cosine between the visits of two items, damped by
`shrinkage` so that two items that share one visit do not look alike. A visit is what one user did under one
`session_id`; an item is looked at in it where it was viewed, put into the cart or bought. Only the newest
`items_per_session` items of a visit count, and only pairs that at least `min_users` users tie, so nobody alone makes
items neighbours. Events without a visit make no pair. A second run of a day replaces it with the same rows.
"""

from __future__ import annotations

from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from daybreak.candidates import CO_VIEW
from daybreak.clock import days_before
from daybreak.datasets import EVENTS
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.baskets import PAIR, nearest, newest_of, pairs_in, shrunk_cosine, with_sizes

LOOKED = ("view", "cart", "purchase")
VISIT = ("user_id", "session_id")


class CoViewConfig(StepConfig):
    """Which pairs count, and how many neighbours are kept."""

    window_days: int = Field(28, ge=1, description="days whose events count")
    items_per_session: int = Field(50, ge=2, description="newest items of a visit that can pair")
    neighbours: int = Field(100, ge=1, description="items kept beside each item")
    min_users: int = Field(2, ge=1, description="users who must have looked at both in one visit")
    shrinkage: float = Field(10.0, ge=0, description="how much few visits in common count for less")


def co_view(events: DataFrame, config: CoViewConfig) -> DataFrame:
    """The nearest neighbours of each item by shrunk cosine over visits."""
    looked = events.where(F.col("event_type").isin(*LOOKED) & F.col("session_id").isNotNull())
    touched = looked.groupBy(*VISIT, "item_id").agg(F.max("event_ts").alias("last_ts"))
    baskets = newest_of(touched, VISIT, config.items_per_session)
    by_user = pairs_in(baskets, VISIT).groupBy("user_id", *PAIR).agg(F.count("*").alias("visits"))
    pairs = by_user.groupBy(*PAIR).agg(F.sum("visits").alias("visits"), F.count("*").alias("users"))
    enough = with_sizes(pairs.where(F.col("users") >= config.min_users), baskets)
    return nearest(enough, shrunk_cosine("visits", config.shrinkage), config.neighbours)


def run(config: CoViewConfig, io: StepIO) -> Summary:
    """Counts pairs over the window that ends with this day."""
    events = io.frame(EVENTS, since=days_before(config.ds, config.window_days - 1))
    commit = io.write(CO_VIEW, co_view(events, config))
    return {"pairs": commit.rows}
