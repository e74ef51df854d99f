"""How many friends two people have in common, exactly, whatever was left out where they were looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from daybreak.sources import Entity
from serving_export.arrays import Ints
from serving_export.night import Night

PAIRS_AT_ONCE = 4_096


@dataclass(frozen=True)
class Mutual:
    """Friendships among those who have not left."""

    friends: csr_matrix

    @classmethod
    def of(cls, night: Night) -> Mutual:
        pairs, count = night.tied("friend", mutual=("friend",)), len(night.users)
        apart = night.tied("block", mutual=("block",)).keys(count)
        there = np.zeros(count, np.bool_)
        there[night.active(Entity.USER)] = True
        kept = there[pairs.queries] & there[pairs.others] & ~np.isin(pairs.keys(count), apart)
        ones = np.ones(kept.sum(), np.int64)
        return cls(csr_matrix((ones, (pairs.queries[kept], pairs.others[kept])), shape=(count, count)))

    def count(self, users: Ints, others: Ints) -> Ints:
        """The friends that each pair has in common."""
        parts = [
            self.friends[users[start : start + PAIRS_AT_ONCE]]
            .multiply(self.friends[others[start : start + PAIRS_AT_ONCE]])
            .sum(axis=1)
            for start in range(0, len(users), PAIRS_AT_ONCE)
        ]
        return np.concatenate([np.zeros(0, np.int64), *(np.asarray(part).ravel() for part in parts)])
