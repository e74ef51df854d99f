"""Who each user is, in `features/user_profile`: a row for each user whose state a night delivered.

A run also takes the states of earlier nights that the view lacks, however long ago: those of before the first run, and
those that came late. A second run of a night replaces it with the same rows.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from daybreak.contracts import DS
from daybreak.datasets import USERS
from daybreak.features.as_of import EVENT_TS
from daybreak.features.described import USER_PROFILE
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from jobs.feature_nights import FeatureConfig, write_nights
from jobs.states import newest_of_night, nights_with_states


def user_profile(states: DataFrame, nights: list[str]) -> DataFrame:
    """The profile of every user whose state these nights delivered."""
    return newest_of_night(states, "user_id", nights).select("user_id", DS, EVENT_TS, *USER_PROFILE.feature_names)


def run(config: FeatureConfig, io: StepIO) -> Summary:
    """Takes tonight's states, and the earlier ones that the view lacks."""
    nights = nights_with_states(io, USER_PROFILE, USERS)
    rows = user_profile(io.frame(USERS, since=nights[0]), nights)
    return write_nights(io, USER_PROFILE, rows, nights, built_from=USERS)
