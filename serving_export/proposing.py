"""Asks the sources of a surface about a block of queries, and merges what they propose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from daybreak.sources import KINDS, SourceName
from daybreak.surfaces import Source, Surface
from serving_export.arrays import Floats, Ints
from serving_export.merge import Merged, merge
from serving_export.rulebooks import OWNED
from serving_export.rules import Barred, Rulebook
from serving_export.sources.found import Block, Finder, Found


@dataclass(frozen=True)
class Proposing:
    """The sources of a surface, ready to be asked, and the rules that stand."""

    surface: Surface
    finders: Mapping[SourceName, Finder]
    rules: Rulebook
    evidence: Floats

    @property
    def names(self) -> list[SourceName]:
        """The sources in the order by which they are numbered."""
        return list(self.surface.asked)

    def merged(self, queries: Ints, length: int) -> Merged:
        """The best candidates of these queries, which are given in order, by what all sources propose."""
        proposed = list(self.proposals(queries))
        numbers = [self.names.index(name) for name, _, _ in proposed]
        found, weights = [each for _, each, _ in proposed], [each for _, _, each in proposed]
        return merge(found, weights, numbers, self.rules.n_candidates, length)

    def proposals(self, queries: Ints) -> Iterator[tuple[SourceName, Found, Floats]]:
        """What each source proposes and what each proposal weighs; another source where one knows nothing."""
        barred = self.rules.of(queries)
        for name, source in self.surface.sources.items():
            found = self._asked(name, queries, barred, source.quota)
            yield name, found, self._weights(source, found)
            if source.fallback and len(without := np.setdiff1d(queries, found.queries)):
                instead = self._asked(source.fallback, without, self.rules.of(without), source.quota)
                yield source.fallback, instead, self._weights(source, instead)

    def _asked(self, name: SourceName, queries: Ints, barred: Barred, quota: int) -> Found:
        allowed = barred.without(OWNED) if KINDS[name].repeats else barred
        return self.finders[name].find(Block(queries, allowed), quota)

    def _weights(self, source: Source, found: Found) -> Floats:
        known = self.evidence[found.queries]
        shares = {"any": np.ones(len(known)), "much": known, "little": 1.0 - known}
        return source.weight * shares[source.evidence]
