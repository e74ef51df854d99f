"""What sources are asked, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from serving_export.arrays import Floats, Ints, places
from serving_export.rules import Barred


@dataclass(frozen=True)
class Block:
    """Queries that are worked on at once, in order, and what the rules keep from them."""

    queries: Ints
    barred: Barred


@dataclass(frozen=True)
class Found:
    """Candidates of one source, ordered by query and then best first."""

    queries: Ints
    candidates: Ints
    scores: Floats

    @property
    def ranks(self) -> Ints:
        """The place of each candidate among those of its query."""
        return places(self.queries)

    def rows(self, kept: Ints) -> Found:
        """Some rows, in the order given."""
        return Found(self.queries[kept], self.candidates[kept], self.scores[kept])

    def within(self, block: Block, quota: int) -> Found:
        """Without what the rules bar, and no more than the quota of each query."""
        allowed = self.rows(np.flatnonzero(block.barred.allows(self.queries, self.candidates)))
        return allowed.rows(np.flatnonzero(allowed.ranks < quota))


NOTHING = Found(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def together(parts: list[Found]) -> Found:
    """What was found for queries that differ from part to part."""
    arrays = zip(*((part.queries, part.candidates, part.scores) for part in [NOTHING, *parts]), strict=True)
    joined = Found(*map(np.concatenate, arrays))
    return joined.rows(np.argsort(joined.queries, kind="stable"))


class Finder(Protocol):
    """A source that is ready to be asked."""

    def find(self, block: Block, quota: int) -> Found:
        """The best candidates of each query that the rules allow, at most so many."""
        ...


@runtime_checkable
class Telling(Protocol):
    """A source that can tell what led it to a candidate."""

    def led_by(self, queries: Ints, candidates: Ints) -> Ints:
        """The number of what led to each; -1 where that has none."""
        ...
