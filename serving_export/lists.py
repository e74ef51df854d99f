"""Makes the lists of every surface.

Writes `serving/lists`: for each surface of `surfaces.yaml` a list for every query (active user, or item that may be
shown), merged from the surface's sources by reciprocal-rank fusion, without what its rules forbid; and under the
empty query the fallback that serves whoever has no list. Queries are worked on in blocks, so memory does not grow
with their number. A second run of a day replaces it with the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from daybreak.datasets import LISTS
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from daybreak.surfaces import BY_MODELS, FOR_EVERYONE, SOURCE_TABLES, Entity, SourceName, Surface, load_surfaces
from serving_export.blend import Blended, Neighbours, Ranking, blend, rank_everywhere, rank_listed, rank_neighbours
from serving_export.facts import NO_PAIRS, Facts, Floats, Ints, Pairs, gather

FALLBACK = ""


class ListsConfig(StepConfig):
    """How many queries are worked on at once."""

    block: int = Field(512, ge=1, description="queries worked on at once")


class Sources:
    """The night's candidates of these sources, as arrays over the items that may be shown."""

    def __init__(self, io: StepIO, facts: Facts, names: set[SourceName], drop_inactive: bool) -> None:
        self._facts = facts
        self._shown = facts.active_items if drop_inactive else np.arange(len(facts.items))
        self.everywhere: dict[SourceName, Ints] = {}
        for name in sorted(names.intersection(FOR_EVERYONE)):
            rows = io.day(SOURCE_TABLES[name], columns=["item_id", "score"])
            self.everywhere[name] = self._ranked(facts.items.numbers(rows["item_id"]), rows["score"].to_numpy())
        self.neighbours = self._neighbours(io) if SourceName.COOCCURRENCE in names else None
        self.listed = {name: self._listed(io, name) for name in sorted(names.intersection(BY_MODELS))}

    def _ranked(self, items: Ints, scores: Floats) -> Ints:
        kept = np.isin(items, self._shown)
        items, scores = items[kept], scores[kept]
        return items[np.lexsort((items, -scores))]

    def _neighbours(self, io: StepIO) -> Neighbours:
        rows = io.day(SOURCE_TABLES[SourceName.COOCCURRENCE], columns=["item_id", "neighbour_id", "score"])
        items, others = self._facts.items.numbers(rows["item_id"]), self._facts.items.numbers(rows["neighbour_id"])
        kept = np.isin(others, self._shown) & (items >= 0)
        return Neighbours.of(items[kept], others[kept], rows["score"].to_numpy()[kept], len(self._facts.items))

    def _listed(self, io: StepIO, name: SourceName) -> dict[Entity, Ranking]:
        """What the model's champion lists for users, and beside items."""
        rows = io.day(SOURCE_TABLES[name], columns=["query", "query_id", "rank", "item_id"])
        found: dict[Entity, Ranking] = {}
        for entity, names in ((Entity.USER, self._facts.users), (Entity.ITEM, self._facts.items)):
            mine = rows.filter(pc.equal(rows["query"], entity.value))
            queries, items = names.numbers(mine["query_id"]), self._facts.items.numbers(mine["item_id"])
            ranks = mine["rank"].to_numpy().astype(np.int64)
            kept = np.isin(items, self._shown) & (queries >= 0)
            queries, items, ranks = queries[kept], items[kept], ranks[kept]
            order = np.lexsort((ranks, queries))
            found[entity] = Ranking(queries[order], items[order], ranks[order])
        return found


def run(config: ListsConfig, io: StepIO) -> Summary:
    """Makes and writes the lists of all surfaces."""
    surfaces = load_surfaces(io.settings.surfaces)
    facts = gather(io)
    named = {name for surface in surfaces.values() for name in surface.sources}
    drops = {surface.rules.inactive for surface in surfaces.values()}
    by_rule = {drop_inactive: Sources(io, facts, named, drop_inactive) for drop_inactive in drops}
    tables, summary = [], {}
    for name, surface in surfaces.items():
        sources = by_rule[surface.rules.inactive]
        parts = [_rows(name, surface, facts, block) for block in _blocks(surface, facts, sources, config.block)]
        parts.append(_rows(name, surface, facts, _fallback(surface, facts, sources), is_fallback=True))
        tables += parts
        summary[f"{name}_rows"] = sum(part.num_rows for part in parts)
    commit = io.write(LISTS, pa.concat_tables(tables))
    return {"rows": commit.rows, **summary}


def _blocks(surface: Surface, facts: Facts, sources: Sources, size: int) -> Iterator[Blended]:
    queries = facts.active_users if surface.query is Entity.USER else facts.active_items
    held, forbidden = _held(surface, facts), _forbidden(surface, facts)
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        yield _block(surface, sources, block, held.of(block), forbidden.of(block), len(facts.items))


def _block(surface: Surface, sources: Sources, queries: Ints, held: Pairs, forbidden: Pairs, n_items: int) -> Blended:
    banned = forbidden.queries * n_items + forbidden.items
    rankings: list[Ranking] = []
    for name, source in surface.sources.items():
        if name is SourceName.COOCCURRENCE:
            assert sources.neighbours is not None
            rankings.append(rank_neighbours(held, sources.neighbours, n_items, banned, source.quota))
        elif name in BY_MODELS:
            rankings.append(rank_listed(queries, sources.listed[name][surface.query], n_items, banned, source.quota))
        else:
            rankings.append(rank_everywhere(queries, sources.everywhere[name], n_items, banned, source.quota))
    return blend(rankings, [source.weight for source in surface.sources.values()], n_items, surface.length)


def _held(surface: Surface, facts: Facts) -> Pairs:
    """What each query holds: a user the items lately wanted, an item itself."""
    if surface.query is Entity.ITEM:
        return _themselves(facts)
    return facts.wanted(surface.history_days)


def _forbidden(surface: Surface, facts: Facts) -> Pairs:
    """What the rules keep from each query: from a user what is owned, from an item itself."""
    if surface.query is Entity.ITEM:
        return _themselves(facts) if surface.rules.own else NO_PAIRS
    return facts.owned if surface.rules.owned else NO_PAIRS


def _themselves(facts: Facts) -> Pairs:
    return Pairs(facts.active_items, facts.active_items, np.ones(len(facts.active_items)))


def _fallback(surface: Surface, facts: Facts, sources: Sources) -> Blended:
    """One list for whoever has none, from the sources that need no query."""
    nobody, nothing = np.zeros(1, np.int64), np.zeros(0, np.int64)
    named = [
        (source, sources.everywhere[name]) for name, source in surface.sources.items() if name in sources.everywhere
    ]
    rankings = [rank_everywhere(nobody, ranked, len(facts.items), nothing, source.quota) for source, ranked in named]
    blended = blend(rankings, [source.weight for source, _ in named], len(facts.items), surface.length)
    numbers = [list(surface.sources).index(name) for name in surface.sources if name in sources.everywhere]
    return Blended(
        blended.queries, blended.candidates, blended.ranks, blended.scores, np.array(numbers)[blended.sources]
    )


def _rows(name: str, surface: Surface, facts: Facts, lists: Blended, *, is_fallback: bool = False) -> pa.Table:
    """The lists as rows of the dataset."""
    count = len(lists.queries)
    names = facts.users if surface.query is Entity.USER else facts.items
    sources = pa.array([source.value for source in surface.sources])
    return pa.table(
        {
            "surface": pa.array([name] * count, pa.string()),
            "query_id": pa.array([FALLBACK] * count, pa.string()) if is_fallback else names.of(lists.queries),
            "rank": pa.array(lists.ranks, pa.int32()),
            "candidate_id": facts.items.of(lists.candidates),
            "score": pa.array(np.round(lists.scores, 9)),
            "source": sources.take(pa.array(lists.sources)),
        }
    )
