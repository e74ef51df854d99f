"""How each user visits, in `features/user_sessions`: how often, how long, how deep, and with what last.

One row per user and night, for the users of the last 35 days, from the partials of visits. A visit over midnight, or
one that was delivered in parts, is put together again. A second run of a night replaces it with the same rows.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.features.counted import REACH_DAYS, USER_SESSIONS
from daybreak.features.partials import LAST_ITEMS, LAST_ITEMS_KEPT, SESSION_DAYS, USER_DAYS
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from jobs.feature_nights import FeatureConfig, end_of_night, nights_to_build, write_nights
from jobs.windows import counted_by_nights, sum_over

USER = ["user_id", DS]


def user_sessions(user_days: DataFrame, session_days: DataFrame, item_days: DataFrame, nights: list[str]) -> DataFrame:
    """The features of every user of these nights."""
    return (
        _dwelling(user_days, nights)
        .join(_visits(session_days, nights), on=USER, how="left")
        .join(_last_items(item_days, nights), on=USER, how="left")
        .withColumn("sessions_7d", F.coalesce("sessions_7d", F.lit(0).cast("long")))
        .withColumn("sessions_28d", F.coalesce("sessions_28d", F.lit(0).cast("long")))
        .select(*USER, *USER_SESSIONS.feature_names)
    )


def _dwelling(user_days: DataFrame, nights: list[str]) -> DataFrame:
    """Every user of the nights, with the mean time spent on a view."""
    dwells = sum_over("dwells", 28)
    return (
        counted_by_nights(user_days, nights, REACH_DAYS)
        .groupBy(*USER)
        .agg(F.when(dwells > 0, sum_over("dwell_ms", 28) / 1e3 / dwells).alias("dwell_s_28d"))
    )


def _visits(session_days: DataFrame, nights: list[str]) -> DataFrame:
    visits = (
        counted_by_nights(session_days, nights, REACH_DAYS)
        .groupBy(*USER, "session_id")
        .agg(F.min("first_ts").alias("first_ts"), F.max("last_ts").alias("last_ts"), *map(_total, ("events", "views")))
    )
    minutes_us = F.unix_micros("last_ts") - F.unix_micros("first_ts")
    recent = {days: F.col("last_ts") >= F.date_sub(end_of_night().cast("date"), days) for days in (7, 28)}
    visits_28d = F.count_if(recent[28])

    def mean(value: Column, unit: float = 1.0) -> Column:
        return F.when(visits_28d > 0, F.sum(F.when(recent[28], value)) / visits_28d / unit)

    return visits.groupBy(*USER).agg(
        F.count_if(recent[7]).alias("sessions_7d"),
        visits_28d.alias("sessions_28d"),
        mean(minutes_us, 60e6).alias("session_minutes_28d"),
        mean(F.col("events")).alias("session_events_28d"),
        mean(F.col("views")).alias("session_depth_28d"),
        F.max("last_ts").alias("last_session_ts"),
    )


def _total(column: str) -> Column:
    return F.sum(column).alias(column)


def _last_items(item_days: DataFrame, nights: list[str]) -> DataFrame:
    """The newest items of each user; of two of one moment, the one whose id comes first."""
    newest = F.sort_array(F.collect_list(F.struct((-F.unix_micros("last_ts")).alias("age"), "item_id")))
    return (
        counted_by_nights(item_days, nights, REACH_DAYS)
        .groupBy(*USER, "item_id")
        .agg(F.max("last_ts").alias("last_ts"))
        .groupBy(*USER)
        .agg(F.transform(F.slice(newest, 1, LAST_ITEMS_KEPT), lambda item: item["item_id"]).alias("last_items"))
    )


def run(config: FeatureConfig, io: StepIO) -> Summary:
    """Builds tonight, and the history that the view lacks."""
    nights = nights_to_build(io, USER_SESSIONS, USER_DAYS, SESSION_DAYS, LAST_ITEMS)
    since = days_before(nights[0], REACH_DAYS - 1)
    user_days, session_days = io.frame(USER_DAYS, since=since), io.frame(SESSION_DAYS, since=since)
    rows = user_sessions(user_days, session_days, io.frame(LAST_ITEMS, since=since), nights)
    return write_nights(io, USER_SESSIONS, rows, nights)
