"""How much users are drawn to a kind of items: their interest, fading with age, and its share of all their interest."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.contracts import DS
from daybreak.features.counted import HALF_LIFE_DAYS, LONGEST_WINDOW, REACH_DAYS
from jobs.windows import AGE, counted_by_nights, sum_over, within

BILLIONTHS = 1e9


def affinity(taste_days: DataFrame, kind: str, nights: list[str]) -> DataFrame:
    """For each night, user and `kind` (category or brand): affinity, interest, events."""
    user = ["user_id", DS]
    tastes = counted_by_nights(taste_days.where(F.col(kind).isNotNull()), nights, REACH_DAYS)
    by_kind = tastes.groupBy(*user, kind).agg(
        _faded().alias("faded"), sum_over("events", LONGEST_WINDOW).alias("events_28d")
    )
    totals = by_kind.groupBy(*user).agg(F.sum("faded").alias("total"))
    return by_kind.join(totals, on=user, how="inner").select(
        *user,
        kind,
        F.when(F.col("total") > 0, F.col("faded") / F.col("total")).otherwise(0.0).alias("affinity"),
        (F.col("faded") / BILLIONTHS).alias("interest"),
        "events_28d",
    )


def _faded() -> Column:
    """Interest of the window, halved with age; summed in billionths, whole, so that any order adds up alike."""
    faded = F.col("interest") * F.pow(F.lit(0.5), F.col(AGE) / float(HALF_LIFE_DAYS)) * BILLIONTHS
    return F.coalesce(F.sum(F.when(within(LONGEST_WINDOW), F.round(faded).cast("long"))), F.lit(0).cast("long"))
