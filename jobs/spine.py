"""The spine of training rows: what was shown or wanted unprompted, and what came of it.

An outcome, which is any event that tells of interest, belongs to the last time the item was shown to the user before
it, if that was at most `outcome_hours` before. An outcome that belongs to none was wanted unprompted: the first of a
user, item and day makes a row.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from daybreak.contracts import DS, LANDED_DS
from daybreak.features.on_request import REQUEST_TS
from daybreak.features.training import CARTED, CLICKED, LABELS, PURCHASED, SHOWN, UNPROMPTED
from daybreak.interest import WEIGHTS

OUTCOMES = tuple(WEIGHTS)
MEANS = {CLICKED: OUTCOMES, CARTED: ("cart",), PURCHASED: ("purchase",)}
"""Which outcomes make each label true."""

DAY_TOLD = "day_told"
PAIR = ("user_id", "item_id")


def spine(events: DataFrame, days: list[str], outcome_hours: int, maturity_days: int) -> DataFrame:
    """The rows of these days, told from all events that could matter to one of them."""
    told = _credited(_by_day_told(events, days, outcome_hours, maturity_days), outcome_hours)
    return _rows(told)


def wanted_on(events: DataFrame, days: list[str], maturity_days: int) -> DataFrame:
    """Each user, item and day with an outcome, to whichever day's row that belongs, as known when labels were
    mature."""
    mature = F.date_add(F.col(DS).cast("date"), maturity_days).cast("string")
    return (
        events.where(F.col(DS).isin(days) & _is_outcome() & (F.col(LANDED_DS) <= mature)).select(*PAIR, DS).distinct()
    )


def _by_day_told(events: DataFrame, days: list[str], outcome_hours: int, maturity_days: int) -> DataFrame:
    """Each event once for every day whose rows it can matter to: its own, those before that it may be an outcome of,
    and those after whose outcomes it may explain; known by when that day was mature, and of a pair that met on it."""
    explains_days = -(-outcome_hours // 24)

    def matters(day: Column) -> Column:
        mature = F.date_add(day.cast("date"), maturity_days).cast("string")
        first = F.date_sub(day.cast("date"), explains_days).cast("string")
        return (F.col(DS) >= first) & (F.col(DS) <= mature) & (F.col(LANDED_DS) <= mature)

    told = F.explode(F.filter(F.array(*(F.lit(day) for day in days)), matters))
    relevant = events.where(_is_shown() | _is_outcome())
    met = relevant.where(F.col(DS).isin(days)).select(F.col(DS).alias(DAY_TOLD), *PAIR).distinct()
    return relevant.withColumn(DAY_TOLD, told).join(met.hint("shuffle_hash"), on=[DAY_TOLD, *PAIR], how="left_semi")


def _credited(events: DataFrame, outcome_hours: int) -> DataFrame:
    """Each event with `shown_id`, the showing it is credited to; a showing is its own."""
    before = (
        Window.partitionBy(DAY_TOLD, *PAIR)
        .orderBy("event_ts", F.when(_is_shown(), 0).otherwise(1), "event_id")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    showing = F.last(F.when(_is_shown(), F.struct("event_id", "event_ts")), ignorenulls=True).over(before)
    in_time = F.col("event_ts") <= F.col("showing.event_ts") + F.make_dt_interval(hours=F.lit(outcome_hours))
    return (
        events.withColumn("showing", showing)
        .withColumn("shown_id", F.when(in_time, F.col("showing.event_id")))
        .drop("showing")
    )


def _is_shown() -> Column:
    return F.col("event_type") == "impression"


def _is_outcome() -> Column:
    return F.col("event_type").isin(*OUTCOMES)


def _rows(told: DataFrame) -> DataFrame:
    """A row for each showing of the day, with all its outcomes; and one for what was wanted unprompted on the day."""
    credited, of_its_day = F.col("shown_id").isNotNull(), F.col(DS) == F.col(DAY_TOLD)
    tells = _is_outcome() & (credited | of_its_day)
    begins = of_its_day & (_is_shown() | ~credited)
    first = F.min_by(
        F.when(begins, F.struct("event_id", "event_ts", "surface", "position")),
        F.when(begins, F.struct("event_ts", "event_id")),
    )
    return (
        told.groupBy(DAY_TOLD, *PAIR, "shown_id")
        .agg(
            first.alias("first"),
            *(F.bool_or(tells & F.col("event_type").isin(*kinds)).alias(label) for label, kinds in MEANS.items()),
        )
        .where(F.col("first").isNotNull())
        .select(
            F.col("first.event_id").alias("row_id"),
            *PAIR,
            F.col("first.event_ts").alias(REQUEST_TS),
            F.when(credited, F.lit(SHOWN)).otherwise(F.lit(UNPROMPTED)).alias("kind"),
            "first.surface",
            "first.position",
            *LABELS,
            F.col(DAY_TOLD).alias(DS),
        )
    )
