"""Places that are given to candidates of which little is known: Thompson sampling, with the chance that was taken.

How often an item is clicked when it is shown is drawn for each user from what its showings leave open, and the item
with the highest draw takes the place. The draws hang on user, day and seed alone. The chance with which an item was to
take the place stands beside it, so that what came of it can be reckoned for other ways to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daybreak.draws import Words, stream, uniform, words
from daybreak.surfaces import Exploration
from serving_export.arrays import NOBODY, Flags, Floats, Ints
from serving_export.rerank.selection import Cap
from serving_export.rerank.slate import Slate

CELLS = 128
"""Into so many stretches the rates from nothing to all are cut."""
PRIOR_SHOWINGS = 20.0
_GAUSS = np.polynomial.legendre.leggauss(6)
WITHIN = ((_GAUSS[0] + 1) / 2, _GAUSS[1] / 2)
"""Places within a stretch, and what each weighs, by which a chance is summed up over it."""
LEAST_LOGIT, MOST_LOGIT = -9.0, 6.0


@dataclass(frozen=True)
class Rates:
    """What is left open of how often items are clicked: `below[item, cell]` is the chance that the rate lies below the
    upper end of a stretch. `known` are items that were shown too often to be tried out."""

    below: npt.NDArray[np.float32]
    known: Flags

    @classmethod
    def of(cls, shows: Ints, clicks: Ints, shown_below: int) -> Rates:
        """From the showings and clicks of each item; where there are none, all items together speak for it."""
        from scipy.special import betainc

        overall = (clicks.sum() + 1) / (max(shows.sum(), clicks.sum()) + PRIOR_SHOWINGS)
        ends = 1.0 / (1.0 + np.exp(-np.linspace(LEAST_LOGIT, MOST_LOGIT, CELLS)))
        told, back = np.unique(np.stack([clicks, np.maximum(shows - clicks, 0)]), axis=1, return_inverse=True)
        hits, misses = told[0] + PRIOR_SHOWINGS * overall, told[1] + PRIOR_SHOWINGS * (1 - overall)
        below = betainc(hits[:, None], misses[:, None], ends[None, :]).astype(np.float32)
        below[:, -1] = 1.0
        return cls(below[back.ravel()], shows >= shown_below)

    def draw(self, items: Ints, draws: Floats) -> Floats:
        """The rate that each draw from 0 to 1 stands for, counted in stretches."""
        below = self.below[items]
        cell = (below < draws[..., None]).sum(axis=-1)
        upper = np.take_along_axis(below, cell[..., None], axis=-1)[..., 0].astype(np.float64)
        lower = np.take_along_axis(below, np.maximum(cell - 1, 0)[..., None], axis=-1)[..., 0].astype(np.float64)
        lower = np.where(cell > 0, lower, 0.0)
        return cell + (draws - lower) / np.maximum(upper - lower, 1e-12)

    def chances(self, items: Ints, there: Flags) -> Floats:
        """For each line of items the chance that each draws the highest rate."""
        upper = np.where(there[..., None], self.below[items].astype(np.float64), 1.0)
        lower = np.concatenate([np.zeros((*items.shape, 1)), upper[..., :-1]], axis=-1)
        lower[~there] = 1.0
        chances = np.zeros(items.shape)
        for place, weight in zip(*WITHIN, strict=True):
            up_to = np.log(np.maximum(lower + place * (upper - lower), 1e-300))
            others = np.exp(up_to.sum(axis=1, keepdims=True) - up_to)
            chances += weight * ((upper - lower) * others).sum(axis=-1)
        chances = np.where(there, chances, 0.0)
        return chances / np.maximum(chances.sum(axis=1, keepdims=True), 1e-300)


@dataclass(frozen=True)
class Explored:
    """The entries of each line as places of the slate, and the chance that each was to stand where it does."""

    chosen: Ints
    chances: Floats


@dataclass(frozen=True)
class Seeds:
    """What draws hang on: the night, and the ids of queries and candidates as words of 64 bits."""

    night: tuple[str | int, ...]
    queries: Words
    candidates: Words

    def draws(self, queries: Ints, candidates: Ints, slot: int) -> Floats:
        """A number from 0 to 1 for each query and candidate."""
        mixed = words(stream(*self.night, slot), self.queries[queries][:, None] ^ words(0, self.candidates[candidates]))
        return uniform(1, mixed)


def explore(
    slate: Slate, chosen: Ints, settings: Exploration, rates: Rates, seeds: Seeds, caps: Sequence[Cap]
) -> Explored:
    """The entries with some places given to candidates that were drawn; what stood there moves down by one."""
    chances = np.ones(chosen.shape)
    for slot in settings.slots:
        pool = _pool(slate, chosen, settings.pool, rates, caps)
        there = pool >= 0
        lines = np.flatnonzero(there.any(axis=1) & (chosen[:, : slot + 1] >= 0).all(axis=1))
        if not len(lines) or slot >= chosen.shape[1]:
            continue
        pool, there = pool[lines], there[lines]
        items = np.where(there, slate.candidates[lines[:, None], np.maximum(pool, 0)], 0)
        drawn = np.where(there, rates.draw(items, seeds.draws(slate.queries[lines], items, slot)), -1.0)
        best = drawn.argmax(axis=1)
        chance = rates.chances(items, there)
        at = np.arange(len(lines))
        chosen = _inserted(chosen, lines, slot, pool[at, best])
        chances = _inserted(chances, lines, slot, chance[at, best])
    return Explored(chosen, chances)


def _pool(slate: Slate, chosen: Ints, size: int, rates: Rates, caps: Sequence[Cap]) -> Ints:
    """For each line the places of its best candidates that are not listed, little shown, and within caps."""
    open_ = slate.there & ~rates.known[np.where(slate.there, slate.candidates, 0)]
    lines = np.arange(len(chosen))[:, None]
    kept = chosen >= 0
    listed = np.zeros((len(chosen), slate.rows.shape[1] + 1), np.bool_)
    listed[lines, np.where(kept, chosen, -1)] = True
    open_ &= ~listed[:, :-1]
    for cap in caps:
        groups = slate.of_candidates(cap.groups)
        own = np.where(kept, groups[lines, np.maximum(chosen, 0)], NOBODY)
        full = (groups[:, :, None] == own[:, None, :]).sum(axis=2) >= cap.most
        open_ &= (groups < 0) | ~full
    numbered = np.cumsum(open_, axis=1)
    pool = np.full((len(chosen), size), NOBODY)
    line, place = np.nonzero(open_ & (numbered <= size))
    pool[line, numbered[line, place] - 1] = place
    return pool


def _inserted(table: npt.NDArray, lines: Ints, slot: int, values: Ints | Floats) -> npt.NDArray:  # type: ignore[type-arg]
    """The table with a value put into some lines at a place; what stood from there on moves by one."""
    moved = table.copy()
    moved[lines, slot + 1 :] = table[lines, slot:-1]
    moved[lines, slot] = values
    return moved
