"""Tries one setting of the towers and logs what it measured; the night's best one is what `training.two_tower` takes.

Settings are drawn from a space by the number of the trial; trial 0 is the configuration as it stands. Learns from the
nights before `holdout_days` and `validation_days`, judges on the days between, and never looks at the days that judge
the version itself. Registers nothing. A second run of a trial logs the same figures again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from daybreak.learning import ITEM, USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from training.data.ids import id_map
from training.data.wants import day_of, number_of, wants_of
from training.due import due
from training.graph_teacher import START, fitted
from training.recording import curves_into
from training.registry.versions import Versions
from training.retrieval import held_out, judge_retriever, view_at
from training.towers import in_torch
from training.two_tower import (
    TRIAL_MEASURE,
    TRIED,
    TwoTowerConfig,
    changed,
    judging_features,
    lessons_before,
    teach,
    tower_model,
)

SPACE: Mapping[str, tuple[Any, ...]] = {
    "dimensions": (32, 64, 96, 128),
    "hidden": ([64], [128], [128, 128]),
    "half_life_days": (15.0, 30.0, 60.0),
    "task_share": (0.2, 0.4, 0.6),
    "sharpness": (2.0, 3.0, 4.0),
    "cold_share": (0.1, 0.15, 0.25),
    "forgotten": (0.3, 0.5, 0.7),
}
LOOP_SPACE: Mapping[str, tuple[Any, ...]] = {"epochs": (12, 20, 30), "fading_epochs": (20.0, 40.0, 80.0)}


class TrialConfig(TwoTowerConfig):
    """The towers as they stand, and which trial of the night this is."""

    number: int = Field(0, ge=0, description="number of the trial, from 0")
    validation_days: int = Field(
        2, ge=1, description="days before those that judge a version, which judge its settings"
    )


def run(config: TrialConfig, io: StepIO) -> Summary:
    """Learns, judges, logs."""
    decision = due(io, Model.TWO_TOWER)
    if not decision.train:
        return {"tried": False, "because": decision.because}
    drawn = drawn_settings(config.number, io.settings.seed)
    tried = changed(config, drawn)
    users, items = id_map(io, USER), id_map(io, ITEM)
    night = number_of(config.ds) - config.holdout_days
    wants = wants_of(io, users, items, config.history_days).known_by(night)
    cut = night - config.validation_days
    features = judging_features(io, day_of(night), cut, users, items)
    test = held_out(view_at(cut, wants, users, items, features), wants, config.validation_days)
    lessons = lessons_before(tried, io, cut, wants.known_by(cut), users, items)
    tags = {"trial": str(config.number)}
    registry = Versions.of(io.settings).registry
    with registry.run(Model.TWO_TOWER, config.ds, tags, tried.model_dump(mode="json", exclude={"ds"})) as run:
        module, _ = teach(tried, lessons, fitted(test.view, START), items, io.seed, observe=curves_into(run))
        towers = in_torch(module.users), in_torch(module.items)
        model = tower_model(towers, module, lessons, items, tried)
        ndcg = judge_retriever(model.at(test.view), test, (20,)).means["ndcg_at_20"]
        run.metric(TRIAL_MEASURE, ndcg)
        run.document(TRIED, drawn)
    return {"tried": True, "number": config.number, "ndcg_at_20": round(ndcg, 4)}


def drawn_settings(number: int, seed: int) -> dict[str, Any]:
    """What a trial changes; the first changes nothing."""
    if number == 0:
        return {}
    draw = np.random.default_rng([seed, number])
    drawn = {name: values[int(draw.integers(len(values)))] for name, values in SPACE.items()}
    loop = {name: values[int(draw.integers(len(values)))] for name, values in LOOP_SPACE.items()}
    return {**drawn, "loop": loop}
