"""Makes the lists of one surface for a block of queries: sources, merged, ranked, and chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from daybreak.datasets import LISTS
from daybreak.lake.schemas import full_schema
from daybreak.sources import KINDS, SourceName
from daybreak.surfaces import Surface
from serving_export.arrays import NOBODY, Floats, Ints
from serving_export.merge import Merged
from serving_export.mutual import Mutual
from serving_export.names import Names
from serving_export.proposing import Proposing
from serving_export.ranking.scorer import significant
from serving_export.rerank.exploration import Explored, Rates, Seeds, explore
from serving_export.rerank.selection import Cap, Vectors, select
from serving_export.rerank.slate import Slate
from serving_export.sources.found import Telling

QUERY, SEGMENT, EVERYONE = "query", "segment", "everyone"
SCHEMA = full_schema(LISTS)


@dataclass(frozen=True)
class Candidates:
    """What is known of all candidates of a surface. `lift` is what the score of each is multiplied with; `vectors` say
    how much two are alike."""

    names: Names
    lift: Floats
    caps: Sequence[Cap]
    vectors: Vectors | None
    rates: Rates | None
    mutual: Mutual | None = None


@dataclass(frozen=True)
class Chosen:
    """Entries of lists, ordered by query and rank: rows of the merged candidates, their scores, and by which chance
    those stand where they do that were drawn."""

    merged: Merged
    scores: Floats
    rows: Ints
    ranks: Ints
    chances: Floats


class Judge(Protocol):
    """Who says what candidates are worth to those whom they are proposed to."""

    def worth(self, merged: Merged) -> Floats: ...


@dataclass(frozen=True)
class Shelf:
    """A surface that is ready to make lists."""

    name: str
    surface: Surface
    proposing: Proposing
    candidates: Candidates
    judge: Judge | None
    seeds: Seeds

    def lists(self, queries: Ints) -> Chosen:
        """The lists of these queries, which are given in order."""
        merged = self.proposing.merged(queries, self.surface.rank.candidates)
        return self.chosen(merged, self.scores(merged))

    def scores(self, merged: Merged) -> Floats:
        """What showing each merged candidate is worth."""
        scores = merged.scores
        if self.judge:
            scores = significant(self.judge.worth(merged)) * scores**self.surface.rank.fusion
        return significant(scores * self.candidates.lift[merged.candidates])

    def chosen(self, merged: Merged, scores: Floats, *, explored: bool = True) -> Chosen:
        """The entries of the lists, from ranked candidates."""
        slate = Slate.of(merged, scores)
        places = select(
            slate, self.surface.stored, self.candidates.caps, self.surface.diversity, self.candidates.vectors
        )
        found = Explored(places, np.ones(places.shape))
        if explored and self.candidates.rates:
            caps, rates = self.candidates.caps, self.candidates.rates
            found = explore(slate, places, self.surface.exploration, rates, self.seeds, caps)
        lines, ranks = np.nonzero(found.chosen >= 0)
        rows = slate.rows[lines, found.chosen[lines, ranks]]
        return Chosen(merged, scores[rows], rows, ranks, found.chances[lines, ranks])


def rows_of(shelf: Shelf, chosen: Chosen, audience: str, names: pa.Array, ds: str) -> pa.RecordBatch:
    """Entries as rows of the dataset; `names` has the id of each entry's query."""
    merged, count = chosen.merged, len(chosen.rows)
    source = merged.source[chosen.rows]
    columns = [
        pa.array([shelf.name] * count, pa.string()),
        pa.array([audience] * count, pa.string()),
        names,
        pa.array(chosen.ranks, pa.int32()),
        shelf.candidates.names.of(merged.candidates[chosen.rows]),
        pa.array(chosen.scores),
        pa.array([name.value for name in shelf.proposing.names]).take(pa.array(source)),
        _all_sources(shelf.proposing.names, merged.sources[chosen.rows]),
        _reasons(shelf, merged, chosen.rows),
        pa.array(np.round(chosen.chances, 9), mask=chosen.chances >= 1.0),
        *([pa.array([ds] * count, pa.string())] * 2),
    ]
    return pa.record_batch(columns, schema=SCHEMA)


def _all_sources(names: Sequence[SourceName], bits: Ints) -> pa.Array:
    """The names of the sources that each set of bits stands for."""
    sets, back = np.unique(bits, return_inverse=True)
    words = ["+".join(name for at, name in enumerate(names) if each >> at & 1) for each in sets.tolist()]
    return pa.array(words, pa.string()).take(pa.array(back))


def _reasons(shelf: Shelf, merged: Merged, rows: Ints) -> pa.Array:
    """Why each entry is there, in words: friends in common where there are any, else what its source says."""
    queries, candidates, source = merged.queries[rows], merged.candidates[rows], merged.source[rows]
    because = np.full(len(rows), NOBODY)
    for number, name in enumerate(shelf.proposing.names):
        finder, mine = shelf.proposing.finders[name], np.flatnonzero(source == number)
        if isinstance(finder, Telling):
            because[mine] = finder.led_by(queries[mine], candidates[mine])
    friends = np.zeros(len(rows), np.int64)
    if shelf.candidates.mutual:
        friends = shelf.candidates.mutual.count(queries, candidates)
    told, back = np.unique(np.stack([source, because, friends]), axis=1, return_inverse=True)
    led_by = shelf.candidates.names.of(np.maximum(told[1], 0)).to_pylist()
    words = [
        in_words(shelf.proposing.names[number], by if led >= 0 else None, count)
        for number, led, by, count in zip(told[0].tolist(), told[1].tolist(), led_by, told[2].tolist(), strict=True)
    ]
    return pa.array(words, pa.string()).take(pa.array(back.ravel()))


def in_words(source: SourceName, because: str | None, friends: int) -> str:
    """Why a candidate is there, as people read it."""
    if friends:
        return f"{friends} mutual friend{'s' if friends > 1 else ''}"
    return KINDS[source].says.format(because=because or "it")
