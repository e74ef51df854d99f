"""Trains the teacher and registers it: which items belong together, learned from the graph of users and items.

Runs where `training/decisions` says so. The last `holdout_days` judge; what was known before them is learned from, and
of that the last `validation_days` choose the settings, within `trials` trials, and whether training goes beyond the
closed form. What is judged is what serves: histories
are asked as of each night, so a model that learned until a few days ago knows what users did since. Logged with its
lineage as a version of the model `gnn`; the gates say whether it becomes the champion. A second run of a night learns
the same model.
"""

from __future__ import annotations

from pydantic import Field

from daybreak.learning import ITEM, USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from training.data.ids import id_map
from training.data.wants import number_of, wants_of
from training.graph_step import Days, GraphStepConfig, learn_version
from training.retrieval import held_out, view_at


class GnnConfig(GraphStepConfig):
    """How far back wants are learned from, and which days judge."""

    history_days: int = Field(90, ge=7, description="days of wants that are learned from")
    holdout_days: int = Field(2, ge=1, description="last days, which judge and are not learned from")
    validation_days: int = Field(2, ge=1, description="days before those, which choose the settings")


def run(config: GnnConfig, io: StepIO) -> Summary:
    """Learns, judges, registers."""
    return learn_version(config, io, Model.GNN, lambda: _days(config, io))


def _days(config: GnnConfig, io: StepIO) -> Days:
    users, items = id_map(io, USER), id_map(io, ITEM)
    wants = wants_of(io, users, items, config.history_days)
    cut = number_of(config.ds) - config.holdout_days
    earlier, known = cut - config.validation_days, wants.known_by(cut)
    return Days(
        held_out(view_at(cut, wants, users, items), wants, config.holdout_days),
        held_out(view_at(earlier, known, users, items), known, config.validation_days),
    )
