"""Why a list is as it is: the night is gone through again for one query, and everything that led there is told.

What sources proposed, at which rank and score; which rules kept what out; how candidates were ranked, by which features
and which model; the tables and versions behind it, down to the user's own events. What comes out is held against the
list that the night wrote: where tables have changed since, it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.contracts import DS
from daybreak.datasets import EVENTS, LISTS
from daybreak.duckdb_files import literal, rows_of
from daybreak.errors import InputError
from daybreak.features.services import RANKER
from daybreak.lake import Attempt, Lake
from daybreak.learning import CHAMPIONS
from daybreak.settings import Settings
from daybreak.sources import Entity
from daybreak.step_io import StepIO
from daybreak.steps import step_named
from daybreak.surfaces import Surface, load_surfaces
from serving_export.arrays import NOBODY, Floats, Ints
from serving_export.candidates import candidates_of
from serving_export.lists import Kitchen
from serving_export.merge import Merged
from serving_export.night import Night, Range, night_of
from serving_export.proposing import Proposing
from serving_export.ranking.features import ToldOfUser
from serving_export.ranking.scorer import Scorer
from serving_export.ranking.ties import TieScorer
from serving_export.rules import Barred
from serving_export.shelf import QUERY, Chosen, Shelf
from serving_export.sources.builders import build
from serving_export.sources.context import Context
from serving_export.sources.found import Block, Telling

EVENTS_TOLD = 20
DROPPED_TOLD = 50
MEMORY = "2GB"


@dataclass(frozen=True)
class Replay:
    """One query gone through again."""

    night: Night
    surface: Surface
    shelf: Shelf
    context: Context
    query: int
    merged: Merged
    chosen: Chosen

    @property
    def asked(self) -> Ints:
        return np.array([self.query])


def explain(settings: Settings, surface: str, query_id: str, ds: str) -> dict[str, Any]:
    """All that led to the list of a query on a night."""
    surfaces = load_surfaces(settings.surfaces)
    if surface not in surfaces:
        raise InputError(f"no surface is called '{surface}'; there are: {', '.join(surfaces)}")
    io = StepIO(step_named("serving_export.lists"), ds, settings, Lake.of(settings), Attempt("explain", ds, 0))
    with night_of(io, MEMORY) as night:
        replay = _replay(night, surface, surfaces[surface], query_id)
        entries = _entries(replay)
        written = _written(night, surface, query_id)
        return {
            "surface": surface,
            "query": query_id,
            "ds": ds,
            "same_as_written": [entry["candidate"] for entry in entries] == [row["candidate_id"] for row in written],
            "written": len(written),
            "made": written[0]["made"] if written else None,
            "entries": entries,
            "sources": _sources(replay),
            "dropped": _dropped(replay),
            "events": _events(night, replay.surface, query_id),
            "models": _models(io, surfaces[surface]),
            "tables": _tables(io),
        }


def _replay(night: Night, name: str, surface: Surface, query_id: str) -> Replay:
    query = night.names[surface.query].number(query_id)
    if query < 0 or query not in night.active(surface.query):
        known = "is known, but has left or may not be shown" if query >= 0 else "is not known"
        raise InputError(
            f"{surface.query} '{query_id}' {known} on {night.ds}, so it has no list of its own on {name}; who asks for"
            " it is given the list of its segment, or everyone's"
        )
    kitchen = Kitchen.of(night, {name: surface})
    shelf, context = kitchen.shelf(name, surface, candidates_of(surface, night), Range(query, query + 1))
    merged = shelf.proposing.merged(np.array([query]), surface.rank.candidates)
    return Replay(night, surface, shelf, context, query, merged, shelf.chosen(merged, shelf.scores(merged)))


def _entries(replay: Replay) -> list[dict[str, Any]]:
    """Each entry with the ranks and scores of its sources, what the ranker foresaw, and the features it saw."""
    merged, shelf, chosen = replay.merged, replay.shelf, replay.chosen
    names = shelf.candidates.names.of(merged.candidates[chosen.rows]).to_pylist()
    proposed, told = _proposed(replay), _judged(replay)
    entries = []
    for rank, row in enumerate(chosen.rows.tolist()):
        candidate = int(merged.candidates[row])
        entry: dict[str, Any] = {
            "rank": rank,
            "shown": rank < replay.surface.length,
            "candidate": names[rank],
            "score": float(chosen.scores[rank]),
            "merged_rank": row,
            "merged_score": float(merged.scores[row]),
            "sources": proposed.get(candidate, []),
            "chance": float(chosen.chances[rank]),
        }
        entries.append(entry | told(candidate))
    return entries


def _judged(replay: Replay) -> Callable[[int], dict[str, Any]]:
    """What those who ranked saw in a candidate and made of it."""
    judge = replay.shelf.judge
    if isinstance(judge, Scorer):
        told = ToldOfUser(replay.night, RANKER, judge.ranker.encoder, replay.query)

        def by_ranker(candidate: int) -> dict[str, Any]:
            foreseen = judge.chances(replay.asked, np.array([candidate]))
            return {"foreseen": _first(foreseen), "features": told.with_item(candidate)}

        return by_ranker
    if isinstance(judge, TieScorer):

        def by_ties(candidate: int) -> dict[str, Any]:
            pair = replay.asked, np.array([candidate])
            return {"weighed": _first(judge.weighed(*pair)), "measures": _first(judge.measured(*pair))}

        return by_ties
    return lambda _: {}


def _first(columns: Mapping[str, Floats]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in columns.items()}


def _proposed(replay: Replay) -> dict[int, list[dict[str, Any]]]:
    """By candidate, every source that proposed it: rank, score, what it weighs, and what led to it."""
    found: dict[int, list[dict[str, Any]]] = {}
    names = replay.shelf.candidates.names
    for source, proposed, weights in replay.shelf.proposing.proposals(replay.asked):
        finder, led_by = replay.shelf.proposing.finders[source], np.full(len(proposed.candidates), NOBODY)
        if isinstance(finder, Telling):
            led_by = finder.led_by(proposed.queries, proposed.candidates)
        for rank, candidate in enumerate(proposed.candidates.tolist()):
            told = {
                "source": source.value,
                "rank": rank,
                "score": float(proposed.scores[rank]),
                "weight": float(weights[rank]),
            }
            if led_by[rank] >= 0:
                told["because"] = names.ids[int(led_by[rank])].as_py()
            found.setdefault(candidate, []).append(told)
    return found


def _sources(replay: Replay) -> list[dict[str, Any]]:
    """How much each source proposed, and how much of it is listed."""
    listed = set(replay.merged.candidates[replay.chosen.rows].tolist())
    return [
        {
            "source": source.value,
            "proposed": len(found.candidates),
            "listed": sum(candidate in listed for candidate in found.candidates.tolist()),
        }
        for source, found, _ in replay.shelf.proposing.proposals(replay.asked)
    ]


def _dropped(replay: Replay) -> list[dict[str, Any]]:
    """What sources would have proposed, had no rule stood: by which rule each was kept out."""
    rules = replay.shelf.proposing.rules
    everything = np.ones(rules.n_candidates, np.bool_)
    context = Context(replay.surface, replay.night, replay.context.among, everything)
    unbound = Proposing(replay.surface, build(context), rules, replay.shelf.proposing.evidence)
    block = Block(replay.asked, Barred(rules.n_candidates, everything, {}))
    names, told = replay.shelf.candidates.names, []
    for name, source in replay.surface.sources.items():
        found = unbound.finders[name].find(block, source.quota)
        for rank, candidate in enumerate(found.candidates.tolist()):
            if why := rules.reasons(replay.query, candidate):
                dropped = {"candidate": names.ids[candidate].as_py(), "source": name.value, "rank": rank, "rules": why}
                told.append(dropped)
    return sorted(told, key=lambda each: (each["rank"], each["source"]))[:DROPPED_TOLD]


def _written(night: Night, surface: str, query_id: str) -> list[dict[str, Any]]:
    """The list as the night wrote it; none where it wrote none."""
    if not night.io.written(LISTS, [night.ds]):
        return []
    rows = rows_of(night.engine, LISTS, night.io.paths(LISTS, since=night.ds, until=night.ds))
    return night.engine.sql(
        f"""SELECT candidate_id, made FROM {rows} WHERE surface = {literal(surface)} AND audience = {literal(QUERY)}
        AND query_id = {literal(query_id)} ORDER BY rank"""
    ).to_arrow_table().to_pylist()  # fmt: skip


def _events(night: Night, surface: Surface, query_id: str) -> list[dict[str, Any]]:
    """The last events that the list hangs on: the user's own, or those with the item."""
    key = "user_id" if surface.query is Entity.USER else "item_id"
    rows = rows_of(night.engine, EVENTS, night.io.paths(EVENTS))
    found = night.engine.sql(
        f"""SELECT event_id, event_ts, user_id, item_id, event_type FROM {rows} WHERE {key} = {literal(query_id)}
        AND event_type <> 'impression' ORDER BY event_ts DESC, event_id LIMIT {EVENTS_TOLD}"""
    ).to_arrow_table()
    moments = pc.strftime(found["event_ts"], "%Y-%m-%dT%H:%M:%SZ") if found.num_rows else pa.nulls(0, pa.string())
    return found.set_column(1, "event_ts", moments).to_pylist()


def _models(io: StepIO, surface: Surface) -> list[dict[str, Any]]:
    """The versions that list or rank for the surface."""
    rows = io.read(CHAMPIONS, since=io.ds, until=io.ds).drop_columns([DS]).sort_by("model").to_pylist()
    return [row for row in rows if row["model"] in surface.models]


def _tables(io: StepIO) -> dict[str, int]:
    """The versions of all tables that were read, and of those behind them."""
    tables = {touched.dataset: touched.version for touched in io.inputs.values() if touched.version is not None}
    tables.pop(LISTS.name, None)
    for run in io.lineage.behind(io.ds, tables):
        for read in run.inputs:
            if read.version is not None:
                tables.setdefault(read.dataset, read.version)
    return dict(sorted(tables.items()))
