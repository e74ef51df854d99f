"""Makes the lists of one surface for a block of queries: sources, merged, ranked, and chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.datasets import LISTS
from daybreak.errors import ModelError
from daybreak.lake.schemas import full_schema
from daybreak.sources import KINDS, SourceName
from daybreak.surfaces import Surface
from serving_export.arrays import NOBODY, Flags, Floats, Ints
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
BECAUSE = "{because}"
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
    queries: Names
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
        scores = significant(scores * self.candidates.lift[merged.candidates])
        self._refuse_what_is_no_number(merged, scores)
        return scores

    def _refuse_what_is_no_number(self, merged: Merged, scores: Floats) -> None:
        """Says for whom and what those who rank give no number, rather than list it anywhere."""
        bad = np.flatnonzero(~np.isfinite(scores))
        if len(bad):
            of = merged.rows(bad[:1])
            query, candidate = self.queries.of(of.queries)[0], self.candidates.names.of(of.candidates)[0]
            raise ModelError(
                f"{self.name}: what ranks gives {len(bad):,} candidates no finite number, first '{candidate}' for"
                f" '{query}'; move the alias champion back to the version before (`daybreak models`), or rank by fusion"
            )

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
    sets = np.unique(bits)
    words = ["+".join(name for at, name in enumerate(names) if each >> at & 1) for each in sets.tolist()]
    return pa.array(words, pa.string()).take(pa.array(np.searchsorted(sets, bits)))


def _reasons(shelf: Shelf, merged: Merged, rows: Ints) -> pa.Array:
    """Why each entry is there, in words: friends in common where there are any, else what its source says."""
    queries, candidates, source = merged.queries[rows], merged.candidates[rows], merged.source[rows]
    because = np.full(len(rows), NOBODY)
    for number, name in enumerate(shelf.proposing.names):
        finder, mine = shelf.proposing.finders[name], np.flatnonzero(source == number)
        if isinstance(finder, Telling):
            because[mine] = finder.led_by(queries[mine], candidates[mine])
    said = [KINDS[name].says for name in shelf.proposing.names]
    words = pa.array([says.format(because="it") for says in said]).take(pa.array(source))
    words = _replaced(words, because >= 0, _led_there(shelf, said, source[because >= 0], because[because >= 0]))
    if not shelf.candidates.mutual:
        return words
    friends = shelf.candidates.mutual.count(queries, candidates)
    counted = pa.array([mutual_friends(count) for count in range(int(friends.max(initial=0)) + 1)])
    return _replaced(words, friends > 0, counted.take(pa.array(friends[friends > 0])))


def _led_there(shelf: Shelf, said: Sequence[str], source: Ints, because: Ints) -> pa.Array:
    """What sources say, with the name of what led them there."""
    at = pa.array(source)
    parts = [says.partition(BECAUSE) for says in said]
    before, named, after = (pa.array(part).take(at) for part in zip(*parts, strict=True))
    names = pc.if_else(pc.equal(named, BECAUSE), shelf.candidates.names.of(because), "")
    return pc.binary_join_element_wise(before, names, after, "")


def _replaced(words: pa.Array, where: Flags, instead: pa.Array) -> pa.Array:
    return pc.replace_with_mask(words, pa.array(where), instead.cast(pa.string()))


def mutual_friends(count: int) -> str:
    """So many friends in common, as people read it."""
    return f"{count} mutual friend{'s' if count > 1 else ''}"
