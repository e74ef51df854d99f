"""Training rows of the ranker, in `training/ranker_rows`: each moment with what could be known then, and its outcome.

A night writes the day whose labels have just grown mature, `maturity_days` ago, and of `feature_history_days` before it
those that are missing, as far as they can be told (`jobs/training_days.py`). The outcomes counted are those delivered
by the night that made them mature, so a day's rows are the same whenever they are made. Each row carries the features
that were available at its moment, nulls where nothing was known. A second run of a night replaces its day with the
same rows.
"""

from __future__ import annotations

from pydantic import Field, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from daybreak.clock import days_before
from daybreak.datasets import DELIVERIES, EVENTS, ITEMS
from daybreak.features.partials import ITEM_DAYS
from daybreak.features.services import RANKER
from daybreak.features.training import CLICKED, MATURITY_DAYS, RANKER_ROWS
from daybreak.spark import let_go
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.feature_join import features_joined
from jobs.negatives import POPULARITY_DAYS, offered, sampled
from jobs.spine import spine, wanted_on
from jobs.training_days import training_days


class TrainingSetConfig(StepConfig):
    """When an outcome counts, when labels are mature, and how negatives are drawn."""

    outcome_hours: int = Field(48, ge=1, description="hours after a showing in which an outcome belongs to it")
    maturity_days: int = Field(MATURITY_DAYS, ge=1, description="days after which labels are taken")
    draws: int = Field(2, ge=0, description="negatives drawn beside each clicked row")
    popular_share: float = Field(
        0.5, ge=0, le=1, description="share of the draws by how much items are wanted; the rest is even"
    )

    @model_validator(mode="after")
    def _labels_are_mature(self) -> TrainingSetConfig:
        if self.outcome_hours > 24 * self.maturity_days:
            raise ValueError(
                f"outcomes count for {self.outcome_hours} hours, but labels are taken after {self.maturity_days} days;"
                " raise maturity_days or lower outcome_hours"
            )
        return self


def run(config: TrainingSetConfig, io: StepIO) -> Summary:
    """Makes the rows of the days that are mature and missing."""
    io.require(DELIVERIES)
    found = training_days(io, [chosen.view for chosen in RANKER.chosen], config.maturity_days)
    days, waiting = found.ready, {"unlabelled": found.unlabelled, "featureless": found.featureless}
    if not days:
        return {"rows": 0, "days": 0, **waiting}
    try:
        with features_joined(io, RANKER, _spine(config, io, days), days) as rows:
            written = io.write(RANKER_ROWS, rows, days=days)
    finally:
        let_go(io.spark)
    return {"rows": written.rows, "days": len(days), "first_day": days[0], "last_day": days[-1], **waiting}


def _spine(config: TrainingSetConfig, io: StepIO, days: list[str]) -> DataFrame:
    events = io.frame(EVENTS, since=days_before(days[0], config.maturity_days))
    observed = spine(events, days, config.outcome_hours, config.maturity_days)
    observed = observed.withColumn("sampling_probability", F.lit(None).cast("double")).localCheckpoint()
    if not config.draws:
        return observed
    wanted = observed.where(F.col(CLICKED))
    popular = io.frame(ITEM_DAYS, since=days_before(days[0], POPULARITY_DAYS), until=days_before(days[-1], 1))
    offers = offered(io.frame(ITEMS, until=days_before(days[-1], 1)), popular, days)
    own = wanted_on(events, days, config.maturity_days)
    return observed.unionByName(sampled(wanted, own, offers, config.draws, config.popular_share, io.settings.seed))
