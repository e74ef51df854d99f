"""Windows over daily partials: which night counts which partial, and sums over the last days."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.features.partials import DAY

AGE = "age"
"""How many days before the night's day a partial's day lies; 0 is the night's own."""


def counted_by_nights(partials: DataFrame, nights: Sequence[str], reach_days: int) -> DataFrame:
    """Each partial once for every night that counts it: delivered by then, and of its last `reach_days` days.

    `ds` is the counting night then, and `age` how old the partial's day was.
    """
    if len(nights) == 1:
        counted = _counted_by_one(partials, nights[0], reach_days)
    else:
        counted = _counted_by_each(partials, nights, reach_days)
    return counted.withColumn(AGE, F.datediff(F.col(DS).cast("date"), F.col(DAY).cast("date")))


def _counted_by_one(partials: DataFrame, night: str, reach_days: int) -> DataFrame:
    """Without a list of nights for every partial, which costs a night nearly half of all its counting."""
    counts = _counts(F.lit(night), F.lit(days_before(night, reach_days)))
    return partials.where(counts).withColumn(DS, F.lit(night))


def _counted_by_each(partials: DataFrame, nights: Sequence[str], reach_days: int) -> DataFrame:
    each = F.array(
        *(
            F.struct(F.lit(night).alias("night"), F.lit(days_before(night, reach_days)).alias("after"))
            for night in nights
        )
    )
    counting = F.filter(each, lambda told: _counts(told["night"], told["after"]))
    return partials.withColumn(DS, F.explode(F.transform(counting, lambda told: told["night"])))


def _counts(night: Column, after: Column) -> Column:
    """Whether a partial was delivered by the night and is of a day after one."""
    return (F.col(DS) <= night) & (F.col(DAY) > after)


def within(days: int) -> Column:
    """Whether a partial is of the last so many days."""
    return F.col(AGE) < days


def sum_over(column: str, days: int) -> Column:
    """The sum of a whole-number column over the last so many days."""
    return F.coalesce(F.sum(F.when(within(days), F.col(column))), F.lit(0).cast("long"))


def days_seen(days: int) -> Column:
    """On how many of the last so many days there was anything."""
    seen = F.bit_or(F.when(within(days), F.expr(f"shiftleft(1L, {AGE})")).otherwise(F.lit(0).cast("long")))
    return F.bit_count(seen).cast("long")
