"""Baskets of items that go together, such as all that a user wanted or all of one visit, and the pairs they make.

A basket is named by one or more columns. Its rows hold an `item_id` and whatever else a pair is to know of it. Two
items are as near to one another from either side, so pairs are counted once, and told from both sides at the end.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

PAIR = ("item_id", "neighbour_id")


def newest_of(touched: DataFrame, basket: tuple[str, ...], most: int) -> DataFrame:
    """The items of each basket that were touched last, at `last_ts`; of equals those whose ids come first."""
    newest = Over.partitionBy(*basket).orderBy(F.desc("last_ts"), "item_id")
    return (
        touched.withColumn("_number", F.row_number().over(newest))
        .where(F.col("_number") <= most)
        .drop("_number", "last_ts")
    )


def pairs_in(baskets: DataFrame, basket: tuple[str, ...]) -> DataFrame:
    """Every two items of a basket, once: the `item_id` that comes first, and the other as `neighbour_id`. Whatever else
    is told of the other one begins with `neighbour_` too."""
    others = baskets.withColumnsRenamed(
        {name: "neighbour_" + name.removeprefix("item_") for name in baskets.columns if name not in basket}
    )
    return baskets.join(others, on=list(basket), how="inner").where("item_id < neighbour_id")


def with_sizes(pairs: DataFrame, baskets: DataFrame) -> DataFrame:
    """Pairs, each with how many baskets hold the item, `of_item`, and the neighbour, `of_neighbour`."""
    sizes = baskets.groupBy("item_id").agg(F.count("*").alias("of_item"))
    of_neighbours = sizes.select(F.col("item_id").alias("neighbour_id"), F.col("of_item").alias("of_neighbour"))
    return pairs.join(sizes, on="item_id", how="inner").join(of_neighbours, on="neighbour_id", how="inner")


def shrunk_cosine(together: str, shrinkage: float) -> Column:
    """The cosine of two items over baskets, of which `together` hold both; two of few baskets are less alike."""
    return F.col(together) / (F.sqrt(F.col("of_item") * F.col("of_neighbour")) + shrinkage)


def nearest(pairs: DataFrame, score: Column, neighbours: int) -> DataFrame:
    """The neighbours of the highest score beside each item; of equal ones those whose ids come first."""
    best = Over.partitionBy("item_id").orderBy(F.desc("score"), "neighbour_id")
    scored = pairs.select(*PAIR, F.round(score, 9).alias("score"), "users")
    return (
        _from_both_sides(scored)
        .withColumn("_number", F.row_number().over(best))
        .where(F.col("_number") <= neighbours)
        .select(*PAIR, "score", "users")
    )


def _from_both_sides(pairs: DataFrame) -> DataFrame:
    ways = (PAIR, PAIR[::-1])
    sides = [F.struct(F.col(one).alias("item_id"), F.col(other).alias("neighbour_id")) for one, other in ways]
    return pairs.select(F.explode(F.array(*sides)).alias("side"), "score", "users").select("side.*", "score", "users")
