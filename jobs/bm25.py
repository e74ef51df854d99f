"""For each item, the items that the same users also wanted, where users of few wants count more.

Writes `candidates/bm25`, up to `neighbours` rows per item. As in BM25, an item is a document and those who wanted it
are its words: a user weighs more in an item the more the user wanted it (which soon wanes, by `k1`), the less others
wanted it (by `b`), and the fewer other items the user wanted. Interest is halved every `half_life_days`. The score of
two items is the product of their weights, added up over users. Only the newest `items_per_user` items of a user count.
What is added up are whole numbers, millionths of interest and billionths of products, so that any order adds up alike:
a second run of a day replaces it with the same rows.
"""

from __future__ import annotations

from pydantic import Field
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.candidates import BM25
from daybreak.clock import days_before
from daybreak.datasets import EVENTS
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.baskets import PAIR, nearest, newest_of, pairs_in
from jobs.interest import decay, interested

USER = ("user_id",)
MILLION, BILLION = 1e6, 1e9


class BM25Config(StepConfig):
    """How users are weighed, which pairs count, and how many neighbours are kept."""

    window_days: int = Field(28, ge=1, description="days whose events count")
    half_life_days: float = Field(
        7.0, gt=0, description="what an event says of interest fades to a half in so many days"
    )
    items_per_user: int = Field(100, ge=2, description="newest items of a user that can pair")
    neighbours: int = Field(100, ge=1, description="items kept beside each item")
    min_users: int = Field(2, ge=1, description="users who must have wanted both")
    k1: float = Field(1.2, ge=0, description="how long more interest of a user still counts for more; 0 is not at all")
    b: float = Field(0.75, ge=0, le=1, description="how much a user counts for less in an item of much interest")


def bm25(events: DataFrame, config: BM25Config) -> DataFrame:
    """The nearest neighbours of each item by the product of their BM25 weights."""
    faded = F.col("weight") * decay(config.ds, config.half_life_days)
    wanted = (
        interested(events)
        .groupBy("user_id", "item_id")
        .agg(F.max("event_ts").alias("last_ts"), _whole_sum(faded * MILLION).alias("interest"))
        .where("interest > 0")
    )
    weighted = _weighted(newest_of(wanted, USER, config.items_per_user), config)
    product = F.col("weight") * F.col("neighbour_weight")
    pairs = (
        pairs_in(weighted, USER)
        .groupBy(*PAIR)
        .agg(F.count("*").alias("users"), _whole_sum(product * BILLION).alias("products"))
        .where(F.col("users") >= config.min_users)
    )
    return nearest(pairs, F.col("products") / BILLION * (config.k1 + 1) ** 2, config.neighbours)


def _whole_sum(numbers: Column) -> Column:
    return F.sum(F.rint(numbers).cast("long"))


def _weighted(baskets: DataFrame, config: BM25Config) -> DataFrame:
    """Users and items, each with the user's weight in the item; `k1` + 1, which is in all of them, is left out."""
    of_items = baskets.groupBy("item_id").agg(F.sum("interest").alias("length"))
    of_users = baskets.groupBy("user_id").agg(F.count("*").alias("wants"))
    of_all = of_items.agg(F.count("*").alias("items"), (F.sum("length") / F.count("*")).alias("mean_length"))
    rarity = F.log(1 + (F.col("items") - F.col("wants") + 0.5) / (F.col("wants") + 0.5))
    damping = config.k1 * (1 - config.b + config.b * F.col("length") / F.col("mean_length"))
    interest = F.col("interest") / MILLION
    return (
        baskets.join(of_items, on="item_id", how="inner")
        .join(of_users, on="user_id", how="inner")
        .crossJoin(of_all)
        .select("user_id", "item_id", (rarity * interest / (interest + damping)).alias("weight"))
    )


def run(config: BM25Config, io: StepIO) -> Summary:
    """Counts pairs over the window that ends with this day."""
    events = io.frame(EVENTS, since=days_before(config.ds, config.window_days - 1))
    commit = io.write(BM25, bm25(events, config))
    return {"pairs": commit.rows}
