"""What the builders of sources are given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from daybreak.sources import Entity
from daybreak.surfaces import Surface
from serving_export.arrays import Flags, Floats, Ints
from serving_export.names import Names, Pairs, themselves
from serving_export.night import MUTUAL, TYING, Night, Range


@dataclass(frozen=True)
class Context:
    """A surface on a night, for the queries of a range. `shown` are the candidates that may be shown to somebody."""

    surface: Surface
    night: Night
    among: Range
    shown: Flags

    @property
    def queries(self) -> Names:
        return self.night.names[self.surface.query]

    @property
    def candidates(self) -> Names:
        return self.night.names[self.surface.candidate]

    @cached_property
    def wanted(self) -> Pairs:
        """All that users lately wanted."""
        return self.night.wanted(self.surface.history_days, self.among)

    @cached_property
    def held(self) -> Pairs:
        """What each query holds: a user the items lately wanted most, an item itself."""
        if self.surface.query is Entity.USER:
            return self.wanted.most(self.surface.history_items)
        items = self.night.active(Entity.ITEM)
        return themselves(items[(items >= self.among.first) & (items < self.among.stop)])

    @cached_property
    def evidence(self) -> Floats:
        """From 0 to 1, how much is known of what each query wants: half of it at `half_evidence` wants or ties."""
        if self.surface.candidate is Entity.USER:
            counts = np.bincount(self.night.tied(*TYING, mutual=MUTUAL).queries, minlength=len(self.queries))
        elif self.surface.query is Entity.USER:
            counts = np.bincount(self.wanted.queries, minlength=len(self.queries))
        else:
            counts = self.night.wanted_by(self.surface.history_days)
        return counts / (counts + self.surface.half_evidence)

    def shows(self, candidates: Ints) -> Ints:
        """The places of those candidates that may be shown to somebody."""
        known = candidates >= 0
        return np.flatnonzero(known & self.shown[np.where(known, candidates, 0)])
