"""What every retrieval model can do: stand at the end of a night, and score all items for users and beside items.

The same code judges a model and makes the lists of a night, so what was measured is what serves. A model keeps its own
rows for ids; at a night they are matched by id with the rows of that night.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from daybreak.clock import days_before
from daybreak.errors import InputError
from training.data.histories import Histories, histories_at
from training.data.ids import IdMap, Ints
from training.data.nights import NightFeatures
from training.data.tower_nights import new_wants
from training.data.wants import Wants, day_of
from training.evaluation.full_catalogue import KS, RankingEvaluation, evaluate
from training.evaluation.ranking import Scores, Sets

NEVER = np.float32(-np.inf)
"""The score of an item that a model does not know."""


@dataclass(frozen=True)
class NightView:
    """What is known at the end of a night. `features` are there where the model asks for them."""

    night: int
    users: IdMap
    items: IdMap
    histories: Histories
    features: NightFeatures | None = None


class Scorer(Protocol):
    """A model that stands at the end of a night."""

    def for_users(self, rows: Ints) -> Scores:
        """A score for every item of the night, for each of these users; -inf for what the model does not know."""
        ...

    def for_items(self, rows: Ints) -> Scores:
        """The same beside each of these items."""
        ...


class Retriever(Protocol):
    """A retrieval model of the registry."""

    def at(self, view: NightView) -> Scorer:
        """The model at the end of a night."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """What users newly wanted after a night, and what they had wanted by then."""

    view: NightView
    users: Ints
    relevant: Sets
    seen: Sets


def held_out(view: NightView, wants: Wants, days: int) -> HeldOut:
    """The test that the days after a night make: of all who wanted something new in them."""
    users, items, _ = new_wants(view.night, wants, view.histories, days)
    if not len(users):
        raise no_news("nobody wanted anything new", "land them and run jobs.partials", day_of(view.night), days)
    relevant = Sets.of(users, items, len(view.histories))
    seen = Sets(view.histories.starts, view.histories.items)
    return HeldOut(view, np.flatnonzero(relevant.sizes > 0), relevant, seen)


def no_news(what: str, way_out: str, night: str, days: int) -> InputError:
    """Says that the days after a night judge nothing."""
    return InputError(
        f"{what} from {days_before(night, -1)} to {days_before(night, -days)}, so these days cannot judge what was"
        f" learned until {night}; {way_out}, or hold out more days"
    )


def view_at(night: int, wants: Wants, users: IdMap, items: IdMap, features: NightFeatures | None = None) -> NightView:
    """What a night knew of these wants."""
    return NightView(night, users, items, histories_at(night, wants), features)


def judge_retriever(scorer: Scorer, test: HeldOut, ks: Sequence[int] = KS) -> RankingEvaluation:
    """Ranks the whole catalogue for every user of the test."""
    return evaluate(scorer.for_users, test.users, test.relevant, test.seen, ks)
