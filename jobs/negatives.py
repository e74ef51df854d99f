"""Sampled negatives: items that a user might have wanted instead, with the chance at which each was drawn.

Beside every wanted row, items are drawn from those that were offered and known the night before: in part evenly, in
part by how much they are wanted. Each item holds a run of tickets as long as its chance, and a draw is the number of a
ticket, made from the row, the draw's number and the seed: the same on every run and any machine. A draw that hits what
the user wanted on that day gives no row; the chances told are those of the draw.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from daybreak.contracts import DS
from daybreak.features.on_request import REQUEST_TS
from daybreak.features.partials import DAY
from daybreak.features.training import LABELS, SAMPLED

TICKETS_AN_ITEM = 1_000
BUCKET = 4 * TICKETS_AN_ITEM
POPULARITY_DAYS = 28


def offered(items: DataFrame, item_days: DataFrame, days: list[str]) -> DataFrame:
    """For each day, the items that the night before knew to be offered, and the `interest` in each of late.

    Without a catalogue these are the items that anybody had touched.
    """
    each_day = F.explode(F.array(*(F.lit(day) for day in days)))
    first = F.date_sub(F.col("for_day").cast("date"), POPULARITY_DAYS).cast("string")
    touched = (
        item_days.withColumn("for_day", each_day)
        .where((F.col(DS) < F.col("for_day")) & (F.col(DAY) >= first))
        .groupBy("for_day", "item_id")
        .agg(F.sum("interest").alias("interest"))
    )
    newest = F.struct("updated_ts", "known_ds")
    states = (
        items.withColumnRenamed(DS, "known_ds")
        .withColumn("for_day", each_day)
        .where(F.col("known_ds") < F.col("for_day"))
        .groupBy("for_day", "item_id")
        .agg(F.max_by(F.struct("status", "launched_ts", "retired_ts"), newest).alias("state"))
    )
    both = touched.join(states, on=["for_day", "item_id"], how="full_outer")
    in_catalogue = F.max(F.col("state").isNotNull()).over(Window.partitionBy("for_day"))
    return (
        both.withColumn("in_catalogue", in_catalogue)
        .where(F.when(F.col("in_catalogue"), _may_be_shown()).otherwise(F.lit(True)))
        .select(F.col("for_day").alias(DS), "item_id", F.coalesce("interest", F.lit(0)).alias("interest"))
    )


def _may_be_shown() -> Column:
    """What `daybreak.item_states` says of the state; the night before ends where `for_day` begins."""
    end = F.col("for_day").cast("timestamp")
    return (
        (F.col("state.status") == "active")
        & F.coalesce(F.col("state.launched_ts") < end, F.lit(True))
        & ~F.coalesce(F.col("state.retired_ts") < end, F.lit(False))
    )


def sampled(
    wanted: DataFrame, own: DataFrame, offers: DataFrame, draws: int, popular_share: float, seed: int
) -> DataFrame:
    """So many draws beside each wanted row, as rows of kind `sampled` with their chance; none of a user, item and day
    that is among the wanted rows or among `own`, what was wanted on the day and is told in another day's row."""
    tickets = _tickets(offers, popular_share).localCheckpoint()
    draw = F.explode(F.sequence(F.lit(1), F.lit(draws)))
    totals = tickets.groupBy(DS).agg(F.max("end").alias("tickets"))
    number = F.pmod(F.xxhash64("row_id", "draw", F.lit(seed)), F.col("tickets"))
    tried = (
        wanted.withColumn("draw", draw)
        .drop("item_id")
        .join(F.broadcast(totals), on=DS, how="inner")
        .withColumn("ticket", number)
        .withColumn("bucket", F.floor(F.col("ticket") / BUCKET))
    )
    own = own.unionByName(wanted.select("user_id", "item_id", DS))
    hits = tried.join(_by_bucket(tickets), on=[DS, "bucket"], how="inner").where(
        (F.col("ticket") >= F.col("start")) & (F.col("ticket") < F.col("end"))
    )
    return hits.join(own, on=["user_id", "item_id", DS], how="left_anti").select(
        F.concat_ws("~", "row_id", F.col("draw").cast("string")).alias("row_id"),
        "user_id",
        "item_id",
        REQUEST_TS,
        F.lit(SAMPLED).alias("kind"),
        F.lit(None).cast("string").alias("surface"),
        F.lit(None).cast("int").alias("position"),
        *(F.lit(False).alias(label) for label in LABELS),
        DS,
        ((F.col("end") - F.col("start")) / F.col("tickets")).alias("sampling_probability"),
    )


def _tickets(offers: DataFrame, popular_share: float) -> DataFrame:
    """Each item's run of tickets, from `start` to before `end`; on average `TICKETS_AN_ITEM` of them."""
    of_day = Window.partitionBy(DS)
    in_order = of_day.orderBy("item_id").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    mean_interest = F.avg("interest").over(of_day)
    popular = F.when(mean_interest > 0, F.col("interest") / mean_interest).otherwise(F.lit(1.0))
    held = F.greatest(F.lit(1), F.round(TICKETS_AN_ITEM * ((1 - popular_share) + popular_share * popular)))
    return (
        offers.withColumn("held", held.cast("long"))
        .withColumn("end", F.sum("held").over(in_order))
        .withColumn("start", F.col("end") - F.col("held"))
        .select(DS, "item_id", "start", "end")
    )


def _by_bucket(tickets: DataFrame) -> DataFrame:
    """Each item once for every bucket that its run of tickets touches."""
    first, last = (F.floor(F.col(place) / BUCKET) for place in ("start", "end"))
    return tickets.withColumn("bucket", F.explode(F.sequence(first, last)))
