"""How a teacher is learned from a graph: its settings searched, and trained further where that is worth it.

A filter in closed form is the bar. Where training is wanted it starts from that filter on the days before those that
choose; only if what is trained then ranks better than the filter, by more than chance, is it trained again on all that
may be learned from, for as many epochs as were best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field

from daybreak.steps import StepConfig
from training.evaluation.ranking import Floats
from training.fitting.loop import Observe, ignore
from training.graph_teacher import SEARCH, START, Choice, FilterModel, choose, fitted, gains
from training.models.graph_filter import FilterSettings, GraphFilter
from training.registry.tracking import Run
from training.retrieval import HeldOut, NightView, judge_retriever
from training.trained_filter import TrainingSettings, can_train, train_filter

MEASURE = "ndcg_at_20"


class GraphConfig(StepConfig):
    """How long settings are searched for, and whether vectors are trained."""

    trials: int = Field(16, ge=1, description="settings that are tried at most")
    trained: Literal["auto", "always", "never"] = Field(
        "auto", description="whether the filter is trained further; auto is where there is a GPU"
    )
    training: TrainingSettings = Field(TrainingSettings(), description="how it is trained")

    @property
    def trains(self) -> bool:
        return self.trained == "always" or (self.trained == "auto" and torch.cuda.is_available())


@dataclass(frozen=True)
class Learned:
    """A teacher, and how it was come by. `gain` is what training added on the days that choose; None without any."""

    model: FilterModel
    choice: Choice
    gain: float | None


def learn(
    config: GraphConfig,
    chooses: HeldOut,
    view: NightView,
    seed: int,
    checkpoint: Path | None = None,
    observe: Observe = ignore,
) -> Learned:
    """The teacher of a view, with what the days of `chooses` find best. Of the two fits that training takes each has a
    checkpoint of its own."""
    choice = choose(chooses, START, config.trials, SEARCH)
    closed = fitted(view, choice.settings)
    if not config.trains or not (can_train(chooses.view.histories) and can_train(view.histories)):
        return Learned(closed, choice, None)
    ranked = _ranked(chooses)
    trained = train_filter(
        chooses.view.histories,
        choice.settings,
        _patient(config.training),
        seed=seed,
        validate=lambda found: float(ranked(found).mean()),
        checkpoint=checkpoint and checkpoint.with_suffix(".choosing.pt"),
        observe=observe,
    )
    difference = ranked(trained.graph_filter) - ranked(_filter(chooses.view, choice.settings))
    gain = float(difference.mean())
    if not gains(difference):
        return Learned(closed, choice, gain)
    epochs = config.training.loop.model_copy(update={"epochs": trained.report.best_epoch or 1, "patience": 0})
    again = train_filter(
        view.histories,
        choice.settings,
        config.training.model_copy(update={"loop": epochs}),
        seed=seed,
        checkpoint=checkpoint,
    )
    return Learned(FilterModel(again.graph_filter, view.items), choice, gain)


def log(run: Run, learned: Learned) -> None:
    """What was tried, and what training added."""
    for number, (_, value) in enumerate(learned.choice.tried):
        run.metric(f"validation_{MEASURE}", value, step=number)
    if learned.gain is not None:
        run.metric(f"training_gain/{MEASURE}", learned.gain, step=0)
    run.params({"chosen": learned.model.graph_filter.settings.model_dump(mode="json")})
    tried = [{**settings.model_dump(mode="json"), MEASURE: value} for settings, value in learned.choice.tried]
    run.table("trials", tried)


def _patient(training: TrainingSettings) -> TrainingSettings:
    """The same, going back to the best of its epochs."""
    loop = training.loop.model_copy(update={"patience": training.loop.patience or training.loop.epochs})
    return training.model_copy(update={"loop": loop})


def _filter(view: NightView, settings: FilterSettings) -> GraphFilter:
    return fitted(view, settings).graph_filter


def _ranked(test: HeldOut) -> Callable[[GraphFilter], Floats]:
    """How a filter ranks for each user of a test."""
    return lambda found: judge_retriever(FilterModel(found, test.view.items).at(test.view), test, (20,)).metrics[
        MEASURE
    ]
