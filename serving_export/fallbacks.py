"""The lists for whoever has none: one for each segment of users, and one for everyone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from daybreak.sources import FOR_EVERYONE, Entity, SourceName
from daybreak.surfaces import Source
from serving_export.arrays import Flags, Ints
from serving_export.names import NO_PAIRS, Names
from serving_export.night import Night
from serving_export.proposing import Proposing
from serving_export.rules import Rulebook
from serving_export.shelf import EVERYONE, SEGMENT, Shelf, rows_of
from serving_export.sources.context import Context
from serving_export.sources.found import Block, Finder, Found

FALLBACK = ""
NOBODY_ASKS = np.zeros(1, np.int64)


@dataclass(frozen=True)
class _First:
    """A finder that is asked as if by one query of a group."""

    finder: Finder
    query: int

    def find(self, block: Block, quota: int) -> Found:
        found = self.finder.find(Block(np.array([self.query]), block.barred), quota)
        return replace(found, queries=np.zeros(len(found.queries), np.int64))


def fallbacks(shelf: Shelf, context: Context) -> Iterator[pa.RecordBatch]:
    """The lists for segments and for everyone, made of the sources that need no query, by the rules that need none."""
    night, rules = context.night, shelf.proposing.rules
    unbound = Rulebook(rules.n_candidates, _hidden(rules), dict.fromkeys(rules.apart, NO_PAIRS), None)
    for name, query in _segments(night) if SourceName.SEGMENT in context.surface.sources else []:
        yield _list(shelf, unbound, SEGMENT, name, query, night)
    yield _list(shelf, unbound, EVERYONE, FALLBACK, None, night)


def _list(shelf: Shelf, rules: Rulebook, audience: str, name: str, query: int | None, night: Night) -> pa.RecordBatch:
    finders = {each: finder for each, finder in shelf.proposing.finders.items() if each in FOR_EVERYONE}
    if query is not None:
        finders[SourceName.SEGMENT] = _First(shelf.proposing.finders[SourceName.SEGMENT], query)
    own = {each: source for each, source in shelf.surface.sources.items() if each in finders}
    surface = shelf.surface.model_copy(update={"sources": {each: _plain(source) for each, source in own.items()}})
    proposing = Proposing(surface, finders, rules, np.ones(1))
    anybody = replace(shelf.candidates, mutual=None)
    of_nobody = replace(shelf, surface=surface, proposing=proposing, candidates=anybody, judge=None)
    merged = proposing.merged(NOBODY_ASKS, surface.rank.candidates)
    chosen = of_nobody.chosen(merged, of_nobody.scores(merged), explored=False)
    return rows_of(of_nobody, chosen, audience, pa.array([name] * len(chosen.rows), pa.string()), night.ds)


def _hidden(rules: Rulebook) -> dict[str, Flags]:
    """What nobody is shown, and what is kept to countries: it is not known where those are who are given the list."""
    return {**rules.hidden, **({"regions": rules.regions.is_kept} if rules.regions else {})}


def _plain(source: Source) -> Source:
    """The same source as it counts where nothing is known of who asks."""
    return source.model_copy(update={"fallback": None, "evidence": "any"})


def _segments(night: Night) -> list[tuple[str, int]]:
    """Every segment, and the number of a user of it."""
    told = night.states[Entity.USER]["segment"]
    segments = Names(told.drop_null())
    numbers: Ints = segments.numbers(told)
    found, first = np.unique(numbers, return_index=True)
    return [(segments.ids[int(at)].as_py(), int(user)) for at, user in zip(found, first, strict=True) if at >= 0]
