"""What each item is, in `features/item_catalogue`: a row for each item whose state a night delivered.

A run also takes the states of earlier nights that the view lacks, however long ago: those of before the first run, and
those that came late. A second run of a night replaces it with the same rows.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.contracts import DS
from daybreak.datasets import ITEMS
from daybreak.features.as_of import EVENT_TS
from daybreak.features.described import ITEM_CATALOGUE
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from jobs.feature_nights import FeatureConfig, write_nights
from jobs.states import newest_of_night, nights_with_states


def item_catalogue(states: DataFrame, nights: list[str]) -> DataFrame:
    """What is known of every item whose state these nights delivered."""
    return (
        newest_of_night(states, "item_id", nights)
        .withColumn("title_words", _words("title"))
        .withColumn("description_words", _words("description"))
        .select("item_id", DS, EVENT_TS, *ITEM_CATALOGUE.feature_names)
    )


def _words(text: str) -> Column:
    return F.size(F.filter(F.split(F.coalesce(text, F.lit("")), r"\s+"), lambda word: word != ""))


def run(config: FeatureConfig, io: StepIO) -> Summary:
    """Takes tonight's states, and the earlier ones that the view lacks."""
    nights = nights_with_states(io, ITEM_CATALOGUE, ITEMS)
    rows = item_catalogue(io.frame(ITEMS, since=nights[0]), nights)
    return write_nights(io, ITEM_CATALOGUE, rows, nights, built_from=ITEMS)
