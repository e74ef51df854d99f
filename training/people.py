"""Trains the model of people and registers it: who is likely to be tied to whom next, learned from the social graph.

The teacher's filter over users by users. The last `holdout_days` judge, by the ties that were newly made in them; of
the days before, the last `validation_days` choose the settings. The bar is PageRank that starts anew at the user and
follows recent ties. Logged and registered as the model `people`. A second run of a night learns the same model.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from daybreak.learning import USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from training.data.ids import IdMap, id_map
from training.data.ties import Ties, ties_of
from training.data.wants import day_of, number_of
from training.graph_step import Days, GraphStepConfig, learn_version
from training.models.pagerank import RecentPageRank
from training.retrieval import HeldOut, no_news, view_at


class PeopleConfig(GraphStepConfig):
    """Which days judge."""

    holdout_days: int = Field(3, ge=1, description="last days, whose new ties judge and are not learned from")
    validation_days: int = Field(3, ge=1, description="days before those, which choose the settings")


def run(config: PeopleConfig, io: StepIO) -> Summary:
    """Learns, judges, registers."""
    return learn_version(config, io, Model.PEOPLE, lambda: _days(config, io))


def _days(config: PeopleConfig, io: StepIO) -> Days:
    users = id_map(io, USER)
    ties = ties_of(io, users)
    cut = number_of(config.ds) - config.holdout_days
    judge = new_ties(ties, users, cut, config.holdout_days)
    choose = new_ties(ties.known_by(cut), users, cut - config.validation_days, config.validation_days)
    return Days(judge, choose, RecentPageRank(judge.view.histories))


def new_ties(ties: Ties, users: IdMap, night: int, days: int) -> HeldOut:
    """The test that the days after a night make: of all who had ties and newly made one."""
    view = view_at(night, ties.between, users, users)
    relevant = ties.new(night, days)
    judged_by = np.flatnonzero((relevant.sizes > 0) & (view.histories.sizes > 0))
    if not len(judged_by):
        raise no_news("nobody who had a tie made another", "land their edges", day_of(night), days)
    return HeldOut(view, judged_by, relevant, ties.seen(night))
