"""Builds the sources that a surface names, each from its tables, for the queries of a range.

A new source is a function here that takes the context and gives a finder, and its line in BUILDERS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import DAY_US, EPOCH, end_of
from daybreak.contracts import Dataset
from daybreak.duckdb_files import literal
from daybreak.sources import KINDS, Entity, SourceName
from serving_export.arrays import NOBODY, Floats, Ints
from serving_export.names import Names, Pairs
from serving_export.night import NAMES
from serving_export.sources.context import Context
from serving_export.sources.finders import Everyone, Groups, Listed, Neighbours, ties_of
from serving_export.sources.found import Finder

FRESH_DAYS = 14
REBUY_BUYERS = 20.0
"""So many buyers an item must have had for its own rate of being bought again to count as much as that of all."""
Builder = Callable[[Context, SourceName], Finder]


def build(context: Context) -> dict[SourceName, Finder]:
    """The surface's sources, and those asked in place of others, ready to be asked."""
    return {name: BUILDERS[name](context, name) for name in context.surface.asked}


def _table(name: SourceName) -> Dataset:
    return KINDS[name].reads[0]


def _everyone(context: Context, name: SourceName) -> Finder:
    rows = context.night.numbered(f"SELECT item_id, score FROM {context.night.rows(_table(name))}")
    return _ranked(context, context.candidates.numbers(rows["item_id"]), rows["score"].to_numpy())


def _people_by(context: Context, name: SourceName, column: str) -> Finder:
    """People by what is told of each."""
    rows = context.night.numbered(f"SELECT user_id, {column} AS score FROM {context.night.rows(_table(name))}")
    return _ranked(context, context.candidates.numbers(rows["user_id"]), rows["score"].to_numpy())


def _ranked(context: Context, candidates: Ints, scores: Floats) -> Everyone:
    kept = context.shows(candidates)
    return Everyone(candidates[kept], scores[kept])


def _neighbours(context: Context, name: SourceName) -> Finder:
    """What stands beside the items that a query holds."""
    rows = context.night.numbered(f"SELECT item_id, neighbour_id, score FROM {context.night.rows(_table(name))}")
    items = context.night.items
    things, others = items.numbers(rows["item_id"]), items.numbers(rows["neighbour_id"])
    kept = context.shows(others)
    kept = kept[things[kept] >= 0]
    ties = ties_of(things[kept], others[kept], rows["score"].to_numpy()[kept], (len(items), len(items)))
    return Neighbours(context.held, ties, named=context.surface.query is Entity.USER)


def _listed(context: Context, name: SourceName) -> Finder:
    """What a model lists for each query."""
    return _joined(context, name, "query_id", "item_id", "score", f"AND query = {literal(context.surface.query)}")


def _people(context: Context, name: SourceName) -> Finder:
    """Whom the model of people lists for each user."""
    return _joined(context, name, "user_id", "candidate_id", "score")


def _near(context: Context, name: SourceName, measure: str) -> Finder:
    """Those near in the social graph, by one measure; of whom it says nothing are left out."""
    return _joined(context, name, "user_id", "candidate_id", f"{measure}::DOUBLE", f"AND {measure}::DOUBLE > 0")


def _joined(context: Context, name: SourceName, query: str, candidate: str, score: str, also: str = "") -> Listed:
    """Rows of a table of candidates, their ids as numbers, for the queries of the range."""
    surface, night = context.surface, context.night
    table = night.engine.sql(
        f"""SELECT q.number AS query, c.number AS candidate, {score} AS score FROM {night.rows(_table(name))}
        JOIN {NAMES[surface.query]} q ON q.id = {query} JOIN {NAMES[surface.candidate]} c ON c.id = {candidate}
        WHERE {context.among.of("q.number")} {also}"""
    ).to_arrow_table()
    candidates = table["candidate"].to_numpy()
    kept = context.shows(candidates)
    return Listed(table["query"].to_numpy()[kept], candidates[kept], table["score"].to_numpy()[kept])


def _segment(context: Context, name: SourceName) -> Finder:
    """What the users of a query's segment want."""
    rows = context.night.numbered(f"SELECT segment, item_id, score FROM {context.night.rows(_table(name))}")
    segments = Names(rows["segment"])
    items = context.candidates.numbers(rows["item_id"])
    kept = context.shows(items)
    of_users = segments.numbers(context.night.states[Entity.USER]["segment"])
    return Groups(of_users, segments.numbers(rows["segment"])[kept], items[kept], rows["score"].to_numpy()[kept])


def _of_the_same(context: Context, _: SourceName, column: str) -> Finder:
    """Users of the same school or employer, those who came last first: they look for whom they know."""
    states = context.night.states[Entity.USER]
    groups = Names(states[column].drop_null())
    of_users = groups.numbers(states[column])
    joined = pc.fill_null(states["signup_ts"].cast("int64"), 0).to_numpy().astype(np.float64)
    kept = context.shows(np.arange(len(of_users)))
    kept = kept[of_users[kept] >= 0]
    return Groups(of_users, of_users[kept], kept, joined[kept])


def _fresh(context: Context, _: SourceName) -> Finder:
    """Items launched in the last days, of the categories that a user lately wanted, the newest first."""
    states = context.night.states[Entity.ITEM]
    ages = age_days(context.night.ds, states["launched_ts"])
    categories = Names(states["category"].drop_null())
    of_items = categories.numbers(states["category"])
    fresh = np.flatnonzero((ages < FRESH_DAYS) & (of_items >= 0))
    fresh = fresh[context.shows(fresh)]
    newness = 1.0 - ages[fresh] / FRESH_DAYS
    ties = ties_of(of_items[fresh], fresh, newness, (max(len(categories), 1), len(of_items)))
    held = context.held
    told = of_items[held.others] >= 0
    by_category = Pairs.summed(
        held.queries[told], of_items[held.others][told], held.weights[told], max(len(categories), 1)
    )
    return Neighbours(by_category, ties, named=False)


def _rebuy(context: Context, _: SourceName) -> Finder:
    """What a user bought and may need again: by how often its buyers buy it again, once the usual time has passed."""
    told = context.night.bought_again()
    at, buyers, repeaters, span, gaps = (told[name].to_numpy() for name in told.column_names)
    rate, usual = np.zeros(len(context.candidates)), np.full(len(context.candidates), np.inf)
    overall = repeaters.sum() / max(buyers.sum(), 1)
    rate[at] = (repeaters + REBUY_BUYERS * overall) / (buyers + REBUY_BUYERS)
    usual[at] = np.where(gaps > 0, span / np.maximum(gaps, 1), np.inf)
    rows = context.night.bought(context.among)
    keys = rows["query"].to_numpy() * len(context.candidates) + rows["other"].to_numpy()
    keys, newest = np.unique(keys, return_index=True)
    users, items = np.divmod(keys, max(len(context.candidates), 1))
    scores = rate[items] * np.minimum(rows["age"].to_numpy()[newest] / np.maximum(usual[items], 1.0), 1.0)
    kept = context.shows(items)
    kept = kept[scores[kept] > 0]
    return Listed(users[kept], items[kept], scores[kept])


def age_days(ds: str, launched: pa.ChunkedArray) -> Floats:
    """How many days ago each moment was when the day ended; infinite where it is not told or still to come."""
    end = (end_of(ds) - EPOCH).total_seconds() * 1e6
    micros = pc.fill_null(launched.cast("int64"), NOBODY).to_numpy()
    ages = (end - micros) / DAY_US
    return np.where((micros < 0) | (ages < 0), np.inf, ages)


BUILDERS: Mapping[SourceName, Builder] = {
    **dict.fromkeys((SourceName.POPULAR, SourceName.TRENDING), _everyone),
    **dict.fromkeys((SourceName.TWO_TOWER, SourceName.GNN, SourceName.EASE), _listed),
    **dict.fromkeys(
        (
            SourceName.COOCCURRENCE,
            SourceName.BM25,
            SourceName.CO_VIEW,
            SourceName.CO_PURCHASE,
            SourceName.CONTENT,
            SourceName.LOOKS,
        ),
        _neighbours,
    ),
    SourceName.REBUY: _rebuy,
    SourceName.FRESH: _fresh,
    SourceName.SEGMENT: _segment,
    SourceName.PEOPLE: _people,
    SourceName.PAGERANK: partial(_near, measure="pagerank"),
    SourceName.WALKS: partial(_near, measure="walk"),
    SourceName.COMMON_FRIENDS: partial(_near, measure="common"),
    SourceName.ADAMIC_ADAR: partial(_near, measure="adamic_adar"),
    SourceName.ALLOCATION: partial(_near, measure="allocation"),
    SourceName.FOLLOW_PMI: partial(_near, measure="follow_pmi"),
    SourceName.FOLLOWERS: partial(_near, measure="follows"),
    SourceName.CONTACTS: partial(_near, measure="contact"),
    SourceName.SCHOOL: partial(_of_the_same, column="school"),
    SourceName.COMPANY: partial(_of_the_same, column="company"),
    SourceName.LIVELY: partial(_people_by, column="these_days"),
    SourceName.WELL_KNOWN: partial(_people_by, column="pagerank"),
}
