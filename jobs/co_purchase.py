"""For each item, the items that the same users bought within days of it, before or after.

Writes `candidates/co_purchase`, up to `neighbours` rows per item: how many times more users bought both than would by
chance (lift), damped by `shrinkage` so that a pair that few users make does not stand above all others. A user ties two
items where some purchase of the one and some of the other lie at most `within_days` days apart. Only the newest
`items_per_user` items of a user count. A second run of a day replaces it with the same rows.
"""

from __future__ import annotations

from pydantic import Field
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.candidates import CO_PURCHASE
from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.datasets import EVENTS
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.baskets import PAIR, nearest, newest_of, pairs_in, with_sizes

USER = ("user_id",)


class CoPurchaseConfig(StepConfig):
    """Which pairs count, and how many neighbours are kept."""

    window_days: int = Field(90, ge=1, description="days whose purchases count")
    within_days: int = Field(14, ge=0, description="days that two purchases may lie apart, to tie their items")
    items_per_user: int = Field(100, ge=2, description="newest items of a user that can pair")
    neighbours: int = Field(100, ge=1, description="items kept beside each item")
    min_users: int = Field(2, ge=1, description="users who must have bought both within these days")
    shrinkage: float = Field(10.0, ge=0, description="how much few users in common count for less")


def co_purchase(events: DataFrame, config: CoPurchaseConfig) -> DataFrame:
    """The nearest neighbours of each item by damped lift over users."""
    day = F.datediff(F.col(DS).cast("date"), F.lit(config.ds).cast("date"))
    bought = (
        events.where(F.col("event_type") == "purchase")
        .groupBy("user_id", "item_id")
        .agg(F.max("event_ts").alias("last_ts"), F.collect_set(day).alias("days"))
    )
    baskets = newest_of(bought, USER, config.items_per_user)
    pairs = (
        pairs_in(baskets, USER)
        .where(_some_within("days", "neighbour_days", config.within_days))
        .groupBy(*PAIR)
        .agg(F.count("*").alias("users"))
    )
    everybody = baskets.agg(F.count_distinct("user_id").alias("buyers"))
    enough = with_sizes(pairs.where(F.col("users") >= config.min_users), baskets).crossJoin(everybody)
    lift = F.col("users") * F.col("buyers") / (F.col("of_item") * F.col("of_neighbour"))
    return nearest(enough, lift * F.col("users") / (F.col("users") + config.shrinkage), config.neighbours)


def _some_within(days: str, others: str, within: int) -> Column:
    """Whether some day of the one and some of the other lie so near together."""
    return F.exists(days, lambda day: F.exists(others, lambda other: F.abs(day - other) <= within))


def run(config: CoPurchaseConfig, io: StepIO) -> Summary:
    """Counts pairs over the window that ends with this day."""
    events = io.frame(EVENTS, since=days_before(config.ds, config.window_days - 1))
    commit = io.write(CO_PURCHASE, co_purchase(events, config))
    return {"pairs": commit.rows}
