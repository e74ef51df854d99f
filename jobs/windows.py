"""Windows over daily partials: which night counts which partial, and sums over the last days."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.contracts import DS
from daybreak.features.partials import DAY

AGE = "age"
"""How many days before the night's day a partial's day lies; 0 is the night's own."""


def counted_by_nights(partials: DataFrame, nights: Sequence[str], reach_days: int) -> DataFrame:
    """Each partial once for every night that counts it: delivered by then, and of its last `reach_days` days.

    `ds` is the counting night then, and `age` how old the partial's day was.
    """
    expires = F.date_add(F.col(DAY).cast("date"), reach_days).cast("string")
    known = F.filter(
        F.array(*(F.lit(night) for night in nights)), lambda night: (night >= F.col(DS)) & (night < expires)
    )
    age = F.datediff(F.col(DS).cast("date"), F.col(DAY).cast("date"))
    return partials.withColumn(DS, F.explode(known)).withColumn(AGE, age)


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
