"""What users did with each item lately, in `features/item_activity`: counts, rates, interest, trend, recency.

One row per item and night, from `partials/item_days` of the last 35 days: an item that nobody touched in the longest
window of 28 still gets rows that say so for a week, then none. A second run of a night replaces it with the same rows.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.features.counted import ITEM_ACTIVITY, REACH_DAYS
from daybreak.features.partials import ITEM_DAYS
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from jobs.activity import activity
from jobs.feature_nights import FeatureConfig, nights_to_build, write_nights

USUAL_INTEREST_A_DAY = 1.0
"""Added to both sides of the trend, so that a handful of events is no trend."""


def item_activity(item_days: DataFrame, nights: list[str]) -> DataFrame:
    """The features of every item of these nights."""
    lately = F.col("interest_7d") / 7 + USUAL_INTEREST_A_DAY
    before = (F.col("interest_28d") - F.col("interest_7d")) / 21 + USUAL_INTEREST_A_DAY
    return (
        activity(item_days, "item_id", nights)
        .withColumn("popularity_trend", lately / before)
        .select("item_id", DS, *ITEM_ACTIVITY.feature_names)
    )


def run(config: FeatureConfig, io: StepIO) -> Summary:
    """Builds tonight, and the history that the view lacks."""
    nights = nights_to_build(io, ITEM_ACTIVITY, ITEM_DAYS)
    item_days = io.frame(ITEM_DAYS, since=days_before(nights[0], REACH_DAYS - 1))
    return write_nights(io, ITEM_ACTIVITY, item_activity(item_days, nights), nights)
