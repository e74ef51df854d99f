"""What each user did lately, in `features/user_activity`: counts, rates, spending, engagement, recency.

One row per user and night, from `partials/user_days` of the last 35 days: a user who did nothing in the longest window
of 28 still gets rows that say so for a week, then none. A second run of a night replaces it with the same rows.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.features.counted import REACH_DAYS, USER_ACTIVITY
from daybreak.features.partials import USER_DAYS
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from jobs.activity import activity
from jobs.feature_nights import FeatureConfig, nights_to_build, write_nights


def user_activity(user_days: DataFrame, nights: list[str]) -> DataFrame:
    """The features of every user of these nights."""
    engagement = F.when(F.col("active_days_7d") > 0, F.col("interest_7d") / F.col("active_days_7d")).otherwise(0.0)
    return (
        activity(user_days, "user_id", nights)
        .withColumn("engagement_7d", engagement)
        .withColumn("spend_7d", F.col("spend_micros_7d") / 1e6)
        .withColumn("spend_28d", F.col("spend_micros_28d") / 1e6)
        .select("user_id", DS, *USER_ACTIVITY.feature_names)
    )


def run(config: FeatureConfig, io: StepIO) -> Summary:
    """Builds tonight, and the history that the view lacks."""
    nights = nights_to_build(io, USER_ACTIVITY, USER_DAYS)
    user_days = io.frame(USER_DAYS, since=days_before(nights[0], REACH_DAYS - 1))
    return write_nights(io, USER_ACTIVITY, user_activity(user_days, nights), nights)
