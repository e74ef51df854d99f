"""The trained teacher: a filter whose low frequencies have been taught, beside the walk that goes on beyond them.

Training starts from the filter in closed form, which is as good as it gets without any, and goes on from there by
finding what is hidden of histories (`training/fitting/graph_task.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_matrix

from daybreak.errors import InputError
from training.data.histories import Histories
from training.fitting.device import device_of
from training.fitting.graph_task import GraphAims, GraphTask
from training.fitting.loop import FitReport, LoopConfig, Observe, fit, ignore
from training.fitting.seeding import deterministic
from training.models.filter_parts import Completed, LowRank
from training.models.graph_filter import FilterSettings, GraphFilter, fit_filter
from training.models.light_gcn import Graph, LightGcn
from training.models.spectrum import Matrix

SHARPNESS = tuple(float(2**power) for power in range(2, 16))
"""What scores may be multiplied with to be logits; that which makes the start least surprised is looked for."""
SHARPER = 3.0
"""How much sharper than that they are made: what is learned is then rather what stands at the top of a list."""
LEAST_BEYOND = 0.1
"""Of the walk beyond the low frequencies, which training leaves as it is."""
LEAST_USERS = 2
"""Histories of more than one item, without which there is nothing to learn."""


class TrainingSettings(BaseModel):
    """How the vectors of a filter are taught."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: int = Field(0, ge=0, le=3, description="how often vectors are smoothed over the graph")
    hidden: float = Field(0.3, gt=0, lt=1, description="share of each history that is hidden and to be found")
    candidates: int = Field(8_192, ge=2, description="items that are told apart at once, at most")
    fanout: int = Field(0, ge=0, description="neighbours that are drawn for each node; 0 smooths the whole graph")
    loop: LoopConfig = Field(
        LoopConfig(epochs=4, batch_size=512, learning_rate=1e-2, schedule="cosine"), description="how they are fitted"
    )


@dataclass(frozen=True)
class Trained:
    """A filter with its trained part, and how the fit went."""

    graph_filter: GraphFilter
    report: FitReport


def train_filter(
    histories: Histories,
    settings: FilterSettings,
    training: TrainingSettings,
    *,
    seed: int,
    validate: Callable[[GraphFilter], float] | None = None,
    checkpoint: Path | None = None,
    observe: Observe = ignore,
) -> Trained:
    """The filter of these histories, its low frequencies taught; what was `smooth` counts as `trained`."""
    whole = {"smooth": settings.smooth or 1.0, "beyond": max(settings.beyond, LEAST_BEYOND)}
    start = fit_filter(histories, settings.model_copy(update=whole))
    part = start.parts["smooth"]
    if not can_train(histories) or not isinstance(part, Completed):
        raise InputError(
            f"a filter is trained on what users wanted beside what: expected {LEAST_USERS} histories of more than one"
            f" item at least, but found {int((histories.sizes > 1).sum())}; land more days, or set trained to never"
        )
    asked = histories.matrix(np.ones(len(histories.items), np.float32))
    module = LightGcn(_without(part.low.before, part.entering), _without(part.low.after, part.leaving), training.layers)
    aims = GraphAims(hidden=training.hidden, candidates=training.candidates, fanout=training.fanout)
    aims = replace(aims, sharpness=_sharpness(module, part, asked, aims, seed))

    def finished(module: LightGcn) -> GraphFilter:
        return start.with_trained(_taught(module, part))

    def judged(module: LightGcn) -> float:
        assert validate is not None
        return validate(finished(module))

    task = GraphTask(module, part, asked, aims, seed, judged if validate else None)
    report = fit(
        task, training.loop, seed=seed, device=device_of(), checkpoint=checkpoint, observe=observe
    )  # fmt: skip
    return Trained(finished(module), report)


def can_train(histories: Histories) -> bool:
    """Whether there is anything to hide of these histories, and to find."""
    return int((histories.sizes > 1).sum()) >= LEAST_USERS


def _without(vectors: Matrix, ends: Matrix) -> Matrix:
    """Vectors before the items' ends are counted in."""
    return np.asarray(vectors / np.where(ends > 0, ends, 1.0)[:, None], np.float32)


def _sharpness(module: LightGcn, part: Completed, asked: csr_matrix, aims: GraphAims, seed: int) -> float:
    """What the start is least surprised with, on some users."""
    task = GraphTask(module, part, asked, aims, seed)
    with torch.no_grad(), deterministic(seed):
        batch = next(task.batches(0, 128))
        scores = task.scores(batch)
        least = min(SHARPNESS, key=lambda sharpness: float(task.surprise(batch, scores, sharpness)))
    return SHARPER * least


def _taught(module: LightGcn, part: Completed) -> Completed:
    """The part with the vectors that the module has now."""
    graph = Graph.of(part.ties).to(module.entering.device)
    with torch.no_grad():
        entering, leaving = (side.cpu().numpy() for side in module(graph))
    low = LowRank(entering * part.entering[:, None], leaving * part.leaving[:, None])
    return replace(part, low=low)
