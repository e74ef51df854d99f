"""How much each user is drawn to each category, in `features/user_category`.

One row per user, category and night, for the categories of the last 35 days: interest halves every 7 days,
and one that has left the window of 28 is told as 0 for a week. A second run of a night replaces it with the same rows.
"""

from __future__ import annotations

from daybreak.clock import days_before
from daybreak.features.counted import REACH_DAYS, USER_CATEGORY
from daybreak.features.partials import TASTE_DAYS
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from jobs.affinity import affinity
from jobs.feature_nights import FeatureConfig, nights_to_build, write_nights


def run(config: FeatureConfig, io: StepIO) -> Summary:
    """Builds tonight, and the history that the view lacks."""
    nights = nights_to_build(io, USER_CATEGORY, TASTE_DAYS)
    taste_days = io.frame(TASTE_DAYS, since=days_before(nights[0], REACH_DAYS - 1))
    return write_nights(io, USER_CATEGORY, affinity(taste_days, "category", nights), nights)
