"""What the feature jobs share: which nights a run builds, and the stamps of its rows.

A run builds its own night and the earlier ones that the view still lacks, each with what had been delivered by then.
So the first run, and the first after a view was added, leaves a history to train on; every other run builds one night.
"""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from daybreak.clock import days_before, days_between, due, end_of, time_of_day
from daybreak.contracts import DS, Dataset
from daybreak.datasets import DELIVERIES, EVENTS
from daybreak.errors import InputError
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS
from daybreak.features.counted import REACH_DAYS
from daybreak.features.declaration import FeatureView
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary


class FeatureConfig(StepConfig):
    """What a feature means is declared with its view; a run of these jobs has nothing to choose."""


def nights_to_build(io: StepIO, view: FeatureView, *counted_from: Dataset, news_of: Dataset | None = None) -> list[str]:
    """This night, after those of `feature_history_days` before it that were landed and that the view lacks; with
    `news_of`, of which a night tells what is new, also all from the first that was told again since.

    Refused where this night was not landed, or where one of the partials it is `counted_from` lacks a night: what
    was counted too low would stay so, since a night that was written is not built again.
    """
    io.require(DELIVERIES)
    earlier = days_between(days_before(io.ds, io.settings.feature_history_days), days_before(io.ds, 1))
    landed = io.written(DELIVERIES, earlier)
    lacking_nights = landed - io.written(view.dataset, earlier)
    if news_of and (told_again := io.unbuilt(view.dataset, news_of, earlier)):
        lacking_nights |= {night for night in landed if night >= told_again[0]}
    nights = [*sorted(lacking_nights), io.ds]
    counted = days_between(days_before(nights[0], REACH_DAYS - 1), io.ds)
    for partial in counted_from:
        if lacking := io.unbuilt(partial, EVENTS, counted):
            raise InputError(
                f"features/{view.name} is counted from {partial.name}, which lacks nights from {lacking[0]} on;"
                f" run jobs.partials for {io.ds} first"
            )
    return nights


def write_nights(
    io: StepIO, view: FeatureView, rows: DataFrame, nights: list[str], built_from: Dataset | None = None
) -> Summary:
    """Commits the nights at once. The rows say their night in `ds`, and `event_ts` where they describe a state. With
    `built_from`, a later run can tell which of its nights were written again since."""
    commit = io.write(view.dataset, _stamped(rows, io.settings.night_due), days=nights, built_from=built_from)
    return {"rows": commit.rows, "nights": len(nights), "first_night": nights[0]}


def end_of_night() -> Column:
    """The end of the day in `ds`, up to which its night sees."""
    return F.date_add(F.col(DS).cast("date"), 1).cast("timestamp")


def _stamped(rows: DataFrame, night_due: str) -> DataFrame:
    if EVENT_TS not in rows.columns:
        rows = rows.withColumn(EVENT_TS, end_of_night())
    return rows.withColumn(AVAILABLE_TS, end_of_night() + F.lit(time_of_day(night_due)))


def stamped_arrow(rows: pa.Table, night: str, night_due: str) -> pa.Table:
    """Rows that describe the end of a night's day, with their stamps."""
    for name, moment in ((EVENT_TS, end_of(night)), (AVAILABLE_TS, due(night, night_due))):
        stamps = pa.repeat(pa.scalar(moment, pa.timestamp("us", tz="UTC")), rows.num_rows)
        rows = rows.append_column(name, stamps)
    return rows
