"""What users did lately, counted of users and of items alike: counts, rates, recency."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.clock import DAY_US
from daybreak.contracts import DS
from daybreak.features.counted import COUNTED, HALF_LIFE_DAYS, LONGEST_WINDOW, REACH_DAYS, WINDOWS
from daybreak.features.partials import COUNTS
from jobs.feature_nights import end_of_night
from jobs.windows import counted_by_nights, days_seen, sum_over

RATE_DAYS = WINDOWS[1:]
PRIOR_EVENTS = 20.0
SUMS = ("interest", "spend_micros")


def activity(partials: DataFrame, key: str, nights: list[str]) -> DataFrame:
    """Counts, rates and recency of each entity and night, and over each window the `SUMS`, as `<sum>_<days>d`."""
    usual = _overall_rates(partials, nights)
    rated = _counts(partials, key, nights).join(F.broadcast(usual), on=DS, how="left")
    for days in RATE_DAYS:
        rated = rated.withColumn(
            f"click_rate_{days}d", _smoothed(f"views_{days}d", f"impressions_{days}d", f"usual_clicks_{days}d")
        )
    return (
        rated.withColumn("conversion_rate_28d", _smoothed("purchases_28d", "views_28d", "usual_conversion_28d"))
        .withColumn("recency_score", _recency())
        .drop(*usual.drop(DS).columns)
    )


def _counts(partials: DataFrame, key: str, nights: list[str]) -> DataFrame:
    ratings = sum_over("ratings", 28)
    return (
        counted_by_nights(partials, nights, REACH_DAYS)
        .groupBy(key, DS)
        .agg(
            *(sum_over(COUNTS[kind], days).alias(f"{COUNTS[kind]}_{days}d") for kind in COUNTED for days in WINDOWS),
            *(sum_over(name, days).alias(f"{name}_{days}d") for name in SUMS for days in RATE_DAYS),
            ratings.alias("ratings_28d"),
            F.when(ratings > 0, sum_over("rating_micros", 28) / 1e6 / ratings).alias("rating_mean_28d"),
            sum_over("dismissals", 28).alias("dismissals_28d"),
            *(days_seen(days).alias(f"active_days_{days}d") for days in RATE_DAYS),
            F.max("last_ts").alias("last_event_ts"),
            F.max("last_purchase_ts").alias("last_purchase_ts"),
        )
    )


def _overall_rates(partials: DataFrame, nights: list[str]) -> DataFrame:
    """The rates of all entities together, by night."""
    return (
        counted_by_nights(partials, nights, LONGEST_WINDOW)
        .groupBy(DS)
        .agg(
            *(_rate("views", "impressions", days).alias(f"usual_clicks_{days}d") for days in RATE_DAYS),
            _rate("purchases", "views", 28).alias("usual_conversion_28d"),
        )
    )


def _rate(events: str, chances: str, days: int) -> Column:
    return F.when(sum_over(chances, days) > 0, sum_over(events, days) / sum_over(chances, days))


def _smoothed(events: str, chances: str, usual: str) -> Column:
    """A rate that begins at the rate over all and leaves it as events come in; null where nobody had a chance."""
    return (F.col(events) + PRIOR_EVENTS * F.col(usual)) / (F.col(chances) + PRIOR_EVENTS)


def _recency() -> Column:
    idle_us = F.unix_micros(end_of_night()) - F.unix_micros("last_event_ts")
    return F.round(F.pow(F.lit(0.5), idle_us / float(HALF_LIFE_DAYS * DAY_US)), 9)
