"""The recent contact of users with items, in `features/user_item`.

A night has a row for each user and item that its delivery tells of, with all their contact of 28 days; pairs without
news keep the row they have, which counts for 28 days. So a night writes what happened and no more. A second run
of a night replaces it with the same rows.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.features.counted import COUNTED, LONGEST_WINDOW, USER_ITEM
from daybreak.features.partials import COUNTS, PAIR_DAYS
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from jobs.feature_nights import FeatureConfig, nights_to_build, write_nights
from jobs.windows import counted_by_nights, sum_over

PAIR = ["user_id", "item_id"]


def user_item(pair_days: DataFrame, nights: list[str]) -> DataFrame:
    """The contact of every pair that a night's delivery tells of."""
    news = pair_days.where(F.col(DS).isin(nights)).select(*PAIR, DS).distinct()
    recent = pair_days.join(news.select(*PAIR).distinct(), on=PAIR, how="left_semi")
    return (
        counted_by_nights(recent, nights, LONGEST_WINDOW)
        .groupBy(*PAIR, DS)
        .agg(
            *(sum_over(COUNTS[kind], LONGEST_WINDOW).alias(f"{COUNTS[kind]}_28d") for kind in COUNTED),
            F.max("last_ts").alias("last_contact_ts"),
        )
        .join(news, on=[*PAIR, DS], how="left_semi")
    )


def run(config: FeatureConfig, io: StepIO) -> Summary:
    """Builds tonight, and the history that the view lacks."""
    nights = nights_to_build(io, USER_ITEM, PAIR_DAYS, news_of=PAIR_DAYS)
    pair_days = io.frame(PAIR_DAYS, since=days_before(nights[0], LONGEST_WINDOW - 1))
    return write_nights(io, USER_ITEM, user_item(pair_days, nights), nights, built_from=PAIR_DAYS)
