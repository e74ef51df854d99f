"""What each user wanted up to a night, each item once, with how much and how long ago."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from training.data.ids import Ints
from training.data.wants import Floats, Mask, Wants


@dataclass(frozen=True)
class Histories:
    """For each user a row of items: those of user u stand at starts[u] to starts[u + 1], in the order of the items.

    `weights` add up what the user's wants of the item say, `ages` are the days from the last of them to the end of the
    night.
    """

    starts: Ints
    items: Ints
    weights: Floats
    ages: Floats
    n_items: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> Ints:
        return np.diff(self.starts)

    def of_rows(self, users: Ints) -> Histories:
        """Those of some users, in the order given."""
        sizes = self.sizes[users]
        starts = np.r_[0, np.cumsum(sizes)]
        places = np.arange(starts[-1]) - np.repeat(starts[:-1] - self.starts[users], sizes)
        return Histories(starts, self.items[places], self.weights[places], self.ages[places], self.n_items)

    def strengths(self, half_life_days: float, value: float) -> Floats:
        """How much each entry counts: less with age, and, as far as `value` goes, more where it weighs more than the
        history's others."""
        faded = 0.5 ** (self.ages / half_life_days)
        if value:
            logs, users = np.log1p(self.weights), np.repeat(np.arange(len(self)), self.sizes)
            usual = np.bincount(users, logs, len(self)) / np.maximum(self.sizes, 1)
            faded = faded * np.maximum(1 + value * (logs - usual[users]), 0.0)
        return faded.astype(np.float32)

    def where(self, kept: Mask) -> Histories:
        """The same users with some of their entries."""
        starts = np.r_[0, np.cumsum(kept)][self.starts]
        return Histories(starts, self.items[kept], self.weights[kept], self.ages[kept], self.n_items)

    def matrix(self, values: Floats) -> csr_matrix:
        """Users by items, with a value for each entry."""
        return csr_matrix((values, self.items, self.starts), shape=(len(self), self.n_items))


def histories_at(night: int, wants: Wants, n_users: int | None = None) -> Histories:
    """What the wants known by a night make of each user. `n_users` may be more than the wants know of."""
    known = wants.known_by(night)
    keys = known.users * wants.n_items + known.items
    order = np.argsort(keys, kind="stable")
    distinct, first = np.unique(keys[order], return_index=True)
    users, items = np.divmod(distinct, max(wants.n_items, 1))
    weights, last = np.zeros(0, np.float32), np.zeros(0)
    if len(distinct):
        weights = np.add.reduceat(known.weights[order].astype(np.float64), first).astype(np.float32)
        last = np.maximum.reduceat(known.moments[order], first)
    starts = np.searchsorted(users, np.arange((n_users or wants.n_users) + 1))
    return Histories(starts, items, weights, (night + 1 - last).astype(np.float32), wants.n_items)


def of_items(n_items: int) -> Histories:
    """For each item somebody who wanted it alone, just now: what is like an item is what such a user is given."""
    ones = np.ones(n_items, np.float32)
    return Histories(np.arange(n_items + 1), np.arange(n_items), ones, np.zeros(n_items, np.float32), n_items)
