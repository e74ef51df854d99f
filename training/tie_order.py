"""Learns in which order people are listed who may know each other: what each measure of two people weighs.

Writes `training/tie_order`, from the candidates of the last `nights` and the ties that were newly made after each of
them. Nothing of a later day reaches into what a night's candidates measured. While there are no earlier nights, or
nobody was newly tied, weights are those that measures have before anything is learned, and the rows say of how many
users they were learned. A second run of a night learns the same.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from pydantic import Field

from daybreak.candidates import LIVELY_PEOPLE, PEOPLE_PAIRS
from daybreak.clock import days_before, days_between
from daybreak.lake.schemas import data_schema
from daybreak.learning import TIE_ORDER, USER
from daybreak.ranking.ties import MEASURES, NAMES
from daybreak.step_io import StepIO
from daybreak.steps import Memory, StepConfig, Summary
from training.data.ids import id_map
from training.data.tie_lessons import Lesson, lesson_of
from training.data.ties import Ties, ties_if_any
from training.data.wants import number_of
from training.evaluation.ranking import Sets
from training.models.tie_weights import learned


class TieOrderConfig(StepConfig):
    """From how much is learned, and how readily."""

    nights: int = Field(14, ge=1, description="last nights whose candidates are learned from")
    most_users: int = Field(2_000, ge=1, description="most users of a night who are learned from, drawn evenly")
    lively: int = Field(60, ge=0, description="liveliest people who are among everybody's candidates")
    prior_worth: float = Field(5.0, gt=0, description="users who outweigh what measures weigh before they are learned")
    memory: Memory = Field("1GB", description="memory that the engine may take; the rest is spilled")


def run(config: TieOrderConfig, io: StepIO) -> Summary:
    """Learns and writes the weights."""
    lessons = _lessons(config, io)
    weights, users = learned(lessons, config.prior_worth), sum(lesson.users for lesson in lessons)
    rows = {
        "measure": list(NAMES),
        "says": [measure.says for measure in MEASURES],
        "weight": weights,
        "users": [users] * len(NAMES),
        "nights": [len(lessons)] * len(NAMES),
    }
    io.write(TIE_ORDER, pa.table(rows, schema=data_schema(TIE_ORDER)))
    return {"nights": len(lessons), "users": users, **dict(zip(NAMES, weights.tolist(), strict=True))}


def _lessons(config: TieOrderConfig, io: StepIO) -> list[Lesson]:
    """What each of the last nights teaches."""
    earlier = days_between(days_before(io.ds, config.nights), days_before(io.ds, 1))
    nights = sorted(io.written(PEOPLE_PAIRS, earlier) & io.written(LIVELY_PEOPLE, earlier))
    if not nights:
        return []
    users = id_map(io, USER)
    ties, draw, lessons = ties_if_any(io, users), np.random.default_rng(io.seed), []
    with io.duckdb(config.memory) as engine:
        for night, following in pairwise([*nights, io.ds]):
            new = _some(_new(ties, night, following), config.most_users, draw)
            if len(new.items):
                seen = ties.seen(number_of(night))
                lessons.append(lesson_of(io, engine, night, users, new, seen, config.lively))
    return lessons


def _new(ties: Ties, night: str, following: str) -> Sets:
    """The ties that were newly made after a night, until the following one was over."""
    return ties.new(number_of(night), number_of(following) - number_of(night))


def _some(new: Sets, most: int, draw: np.random.Generator) -> Sets:
    """The new ties of so many users at most."""
    tied = np.flatnonzero(new.sizes)
    kept = np.sort(draw.choice(tied, most, replace=False)) if len(tied) > most else tied
    rows, chosen = new.rows, np.isin(new.rows, kept)
    return Sets.of(rows[chosen], new.items[chosen], len(new))
