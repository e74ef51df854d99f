"""Interest as Spark counts it: the weight of events, fading with age."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.contracts import DS
from daybreak.interest import WEIGHTS


def weight_of_event() -> Column:
    """What an event says of interest, a whole number; 0 where nothing."""
    weights = F.create_map(*(F.lit(part) for pair in WEIGHTS.items() for part in pair))
    return F.coalesce(weights[F.col("event_type")], F.lit(0)).cast("long")


def interested(events: DataFrame) -> DataFrame:
    """The events that tell of interest, each with its `weight`."""
    return events.where(F.col("event_type").isin(*WEIGHTS)).withColumn("weight", weight_of_event().cast("double"))


def decay(ds: str, half_life_days: float) -> Column:
    """What an event of an earlier day still counts on day `ds`: a half after each half-life."""
    age = F.datediff(F.lit(ds).cast("date"), F.col(DS).cast("date"))
    return F.pow(F.lit(0.5), age / F.lit(half_life_days))


def sum_in_order(numbers: str) -> Column:
    """The sum of a column of arrays, smallest first: adding in another order would change the last bits from run to
    run."""
    return F.aggregate(F.array_sort(numbers), F.lit(0.0), lambda total, number: total + number)
