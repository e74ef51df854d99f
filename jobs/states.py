"""States as features: each holds from the moment it began, and is known from the night that delivered it."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from daybreak.contracts import DS, Dataset
from daybreak.datasets import DELIVERIES
from daybreak.features.as_of import EVENT_TS
from daybreak.features.declaration import FeatureView
from daybreak.step_io import StepIO


def nights_with_states(io: StepIO, view: FeatureView, states: Dataset) -> list[str]:
    """This night, which must have been landed, after all earlier ones, however long ago, whose states the view lacks:
    it was never made of them, or they were landed again since."""
    io.require(DELIVERIES)
    earlier = sorted({*io.days(DELIVERIES), *io.days(states)} - {io.ds})
    return [*io.unbuilt(view.dataset, states, earlier), io.ds]


def newest_of_night(states: DataFrame, key: str, nights: list[str]) -> DataFrame:
    """The states delivered on these nights, the newest where one night delivered several of one entity."""
    newest = Window.partitionBy(key, DS).orderBy(F.desc("updated_ts"))
    return (
        states.where(F.col(DS).isin(nights))
        .withColumn("place", F.row_number().over(newest))
        .where(F.col("place") == 1)
        .withColumn(EVENT_TS, F.col("updated_ts"))
    )
