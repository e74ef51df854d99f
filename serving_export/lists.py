"""Makes the lists of every surface.

Writes `serving/lists`: for each surface of `surfaces.yaml` a list for every query (active user, or item that may be
shown), and lists for segments and for everyone, which serve whoever has none. Sources propose candidates, which are
merged, ranked by the champion ranker where the surface says so, and chosen from, without what the rules forbid. Users
are worked on in ranges and blocks, so memory does not grow with their number. Between two full nights, the lists of
those of whom nothing was heard are kept from the night before, which `serving/shelves` tells. A second run of a day
replaces its lists with the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import xxhash
from pydantic import Field

from daybreak.datasets import LISTS, SHELVES
from daybreak.draws import Words
from daybreak.features.services import RANKER
from daybreak.lake.schemas import data_schema
from daybreak.learning import CHAMPIONS, RANKERS, Model
from daybreak.ranking.fitted_ranker import FittedRanker
from daybreak.sources import Entity
from daybreak.step_io import StepIO
from daybreak.steps import Memory, StepConfig, Summary
from daybreak.surfaces import Surface, load_surfaces
from serving_export.arrays import Ints
from serving_export.candidates import candidates_of
from serving_export.fallbacks import fallbacks
from serving_export.keeping import SAMPLE, Earlier, alikeness, earlier
from serving_export.names import Names
from serving_export.night import Night, Range, night_of
from serving_export.proposing import Proposing
from serving_export.ranking.features import NightFeatures
from serving_export.ranking.scorer import Scorer
from serving_export.ranking.ties import TieScorer
from serving_export.rerank.exploration import Seeds
from serving_export.rulebooks import rulebook
from serving_export.shelf import QUERY, SCHEMA, Candidates, Judge, Shelf, rows_of
from serving_export.side_by_side import side_by_side
from serving_export.sources.builders import build
from serving_export.sources.context import Context


class ListsConfig(StepConfig):
    """How many queries are worked on at once."""

    at_once: int = Field(50_000, ge=1, description="queries whose candidates and history are held in memory")
    block: int = Field(512, ge=1, description="queries of those that are listed at once")
    threads: int = Field(2, ge=1, description="blocks that are worked on side by side")
    full_every_days: int = Field(
        7, ge=1, description="nights between two that make all lists anew; 1: every night does"
    )
    least_alike: float = Field(
        0.5, ge=0, le=1, description="share of entries that kept lists must have in common with the same made anew"
    )
    memory: Memory = Field("2GB", description="memory that the engine may take; the rest is spilled")


@dataclass(frozen=True)
class Kitchen:
    """All that the lists of a night are made with."""

    night: Night
    ranker: FittedRanker | None
    seeds: Mapping[Entity, Words]

    @classmethod
    def of(cls, night: Night, surfaces: Mapping[str, Surface]) -> Kitchen:
        ranked = any(surface.rank.by == "ranker" for surface in surfaces.values())
        ranker = ranker_of(night.io) if ranked else None
        return cls(night, ranker, {entity: words_of(night.names[entity]) for entity in Entity})

    def shelf(self, name: str, surface: Surface, candidates: Candidates, among: Range) -> tuple[Shelf, Context]:
        """A surface that is ready to make the lists of a range of queries."""
        rules = rulebook(surface, self.night, among)
        context = Context(surface, self.night, among, rules.shown)
        proposing = Proposing(surface, build(context), rules, context.evidence)
        night = (name, self.night.ds, self.night.io.settings.seed)
        seeds = Seeds(night, self.seeds[surface.query], self.seeds[surface.candidate])
        judge, queries = self._judge(surface, among), self.night.names[surface.query]
        return Shelf(name, surface, queries, proposing, candidates, judge, seeds), context

    def _judge(self, surface: Surface, among: Range) -> Judge | None:
        """Who ranks: the ranker, where there is one by now, or what ties taught; none where merged ranks do."""
        if surface.rank.by == "ties":
            return TieScorer.of(self.night, among)
        if surface.rank.by == "ranker" and self.ranker:
            features = NightFeatures.of(self.night, RANKER, self.ranker.encoder, among)
            return Scorer(self.ranker, features, surface.rank.utility)
        return None


def run(config: ListsConfig, io: StepIO) -> Summary:
    """Makes and writes the lists of all surfaces."""
    surfaces = load_surfaces(io.settings.surfaces)
    with night_of(io, config.memory) as night:
        kitchen = Kitchen.of(night, surfaces)
        makers = [Maker.of(kitchen, name, surface, config) for name, surface in surfaces.items()]
        batches = (batch for maker in makers for batch in maker.lists())
        commit = io.write(LISTS, pa.RecordBatchReader.from_batches(SCHEMA, batches))
        io.write(SHELVES, pa.Table.from_pylist([maker.told() for maker in makers], schema=data_schema(SHELVES)))
    told = {f"{maker.name}_{what}": count for maker in makers for what, count in maker.counts.items()}
    return {"rows": commit.rows, **told, "ranked": kitchen.ranker is not None}


@dataclass
class Maker:
    """Makes the lists of one surface, and counts what it made and kept."""

    kitchen: Kitchen
    name: str
    surface: Surface
    config: ListsConfig
    recipe: str
    models: str
    before: Earlier | None
    counts: dict[str, int]
    alike: list[float]

    @classmethod
    def of(cls, kitchen: Kitchen, name: str, surface: Surface, config: ListsConfig) -> Maker:
        recipe = hashlib.sha256(surface.model_dump_json().encode()).hexdigest()[:16]
        models = _models(kitchen.night.io, surface)
        before = earlier(name, surface, kitchen.night, recipe, models, config.full_every_days)
        return cls(kitchen, name, surface, config, recipe, models, before, {"made": 0, "kept": 0}, [])

    def lists(self) -> Iterator[pa.RecordBatch]:
        """All lists of the surface: range by range, and then those for whoever has none."""
        night = self.kitchen.night
        names, candidates = night.names[self.surface.query], candidates_of(self.surface, night)
        shelf = None
        for first in range(0, max(len(names), 1), self.config.at_once):
            among = Range(first, min(first + self.config.at_once, len(names)))
            shelf, context = self.kitchen.shelf(self.name, self.surface, candidates, among)
            yield from self._of_range(shelf, among)
        assert shelf is not None
        yield from fallbacks(shelf, context)

    def _of_range(self, shelf: Shelf, among: Range) -> Iterator[pa.RecordBatch]:
        active = self.kitchen.night.active(self.surface.query)
        queries = active[(active >= among.first) & (active < among.stop)]
        kept, whose = self._kept(shelf, among)
        if len(whose):
            self.counts["kept"] += len(whose)
            queries = np.setdiff1d(queries, whose)
            yield from kept.to_batches()
        self.counts["made"] += len(queries)
        blocks = np.split(queries, range(self.config.block, len(queries), self.config.block)) if len(queries) else []
        yield from side_by_side(partial(self._made, shelf), blocks, self.config.threads)

    def _made(self, shelf: Shelf, queries: Ints) -> pa.RecordBatch:
        night, chosen = self.kitchen.night, shelf.lists(queries)
        ids = night.names[self.surface.query].of(chosen.merged.queries[chosen.rows])
        return rows_of(shelf, chosen, QUERY, ids, night.ds)

    def _kept(self, shelf: Shelf, among: Range) -> tuple[pa.Table, Ints]:
        """The lists of the night before that stay; none where a sample of them, made anew, is too much unlike them."""
        nothing = SCHEMA.empty_table(), np.zeros(0, np.int64)
        if self.before is None:
            return nothing
        quiet = self.before.quiet(among)
        if not len(quiet):
            return nothing
        kept, whose = self.before.kept(quiet, among, shelf.proposing.rules, shelf.candidates.caps)
        if not len(whose):
            return nothing
        draw = np.random.default_rng([self.kitchen.night.io.seed, among.first])
        sample = np.sort(draw.choice(whose, min(SAMPLE, len(whose)), replace=False))
        alike = alikeness(kept, pa.Table.from_batches([self._made(shelf, sample)]), self.surface.length)
        self.alike.append(alike)
        return (kept, whose) if alike >= self.config.least_alike else nothing

    def told(self) -> dict[str, object]:
        """How the lists were made, for the nights to come and for people."""
        alike = float(np.mean(self.alike)) if self.alike else None
        return {"surface": self.name, "recipe": self.recipe, "models": self.models, **self.counts, "alike": alike}


def _models(io: StepIO, surface: Surface) -> str:
    """The versions that list or rank for a surface."""
    if not surface.models:
        return ""
    rows = io.read(CHAMPIONS, since=io.ds, columns=["model", "digest"]).sort_by("model").to_pylist()
    return " ".join(f"{row['model']}:{row['digest'][:12]}" for row in rows if row["model"] in surface.models)


def words_of(names: Names) -> Words:
    """64 bits of each id, the same wherever it stands."""
    return np.array([xxhash.xxh3_64_intdigest(name.encode()) for name in names.ids.to_pylist()], np.uint64)


def ranker_of(io: StepIO) -> FittedRanker | None:
    """The night's champion ranker; None while there is none."""
    rows = io.day(CHAMPIONS, columns=["model", "release"]).to_pylist()
    released = next((row["release"] for row in rows if row["model"] == Model.RANKER), None)
    return FittedRanker.load(io.releases(RANKERS).open(released).path) if released else None
