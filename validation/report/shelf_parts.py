"""The lists of a night, surface by surface: their statistics and a few of them to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.candidates import COUNTED, POPULARITY
from daybreak.datasets import EVENTS, ITEMS, LISTS, SHELVES, USERS
from daybreak.errors import SettingsError
from daybreak.sources import Entity
from daybreak.step_io import StepIO
from daybreak.surfaces import Surface, load_surfaces
from validation.report.catalogue import Catalogue, catalogue, people
from validation.report.landing import last_days
from validation.report.samples import Sample, choose, last_done, samples
from validation.report.shelves import Shelf, shelf

LIST_COLUMNS = ("surface", "audience", "query_id", "rank", "candidate_id", "score", "source", "reason")
EVENT_COLUMNS = ("user_id", "item_id", "event_type", "event_ts")
USER_COLUMNS = ("country", "device", "segment", "school", "company")


@dataclass(frozen=True)
class Making:
    """How many lists were made anew, and how many kept from the night before; `alike` is how much of a sample of the
    kept ones would be the same now."""

    made: int
    kept: int
    alike: float | None


@dataclass(frozen=True)
class ShelfPart:
    """One surface on the page. `query` is who or what its lists are for, empty where `surfaces.yaml` does not tell."""

    shelf: Shelf
    query: str
    samples: tuple[Sample, ...]
    making: Making | None


def shelf_parts(io: StepIO, *, samples: int, days: int) -> list[ShelfPart]:
    """Every surface that has lists on this night."""
    lists = io.read(LISTS, since=io.ds, columns=LIST_COLUMNS)
    if not lists.num_rows:
        return []
    popularity = io.read(POPULARITY, since=io.ds, columns=["item_id", "score", "events"])
    known = {
        Entity.ITEM: catalogue(io.state(ITEMS), popularity["item_id"], io.ds),
        Entity.USER: people(io.state(USERS)),
    }
    wanted = {Entity.ITEM: popularity, Entity.USER: popularity.slice(0, 0)}
    surfaces = _surfaces(io)
    told = {row["surface"]: row for row in io.read(SHELVES, since=io.ds).to_pylist()}
    parts = []
    for name in _in_declared_order(lists, surfaces):
        mine = lists.filter(pc.equal(lists["surface"], name))
        query = surfaces[name].query if name in surfaces else None
        candidate = surfaces[name].candidate if name in surfaces else Entity.ITEM
        shown = _samples(io, mine, known, candidate, query, count=samples, days=days)
        about = shelf(name, mine, known[candidate], wanted[candidate])
        making = Making(*(told[name][key] for key in ("made", "kept", "alike"))) if name in told else None
        parts.append(ShelfPart(about, query.value if query else "", tuple(shown), making))
    return parts


def candidate_counts(io: StepIO) -> dict[str, int]:
    """Rows that each candidate table has for this night."""
    rows = {table.short_name: io.days(table).get(io.ds) for table in COUNTED}
    return {name: count for name, count in rows.items() if count}


def _surfaces(io: StepIO) -> dict[str, Surface]:
    """The declared surfaces; none where the file is wrong, for that stopped the night and is its verdict already."""
    try:
        return load_surfaces(io.settings.surfaces)
    except SettingsError:
        return {}


def _in_declared_order(lists: pa.Table, surfaces: dict[str, Surface]) -> list[str]:
    there = sorted(lists["surface"].unique().to_pylist())
    return [name for name in surfaces if name in there] + [name for name in there if name not in surfaces]


def _samples(
    io: StepIO,
    lists: pa.Table,
    known: Mapping[Entity, Catalogue],
    candidate: Entity,
    query: Entity | None,
    *,
    count: int,
    days: int,
) -> list[Sample]:
    chosen, found = choose(lists, count, io.seed), known[candidate]
    if query is Entity.USER:
        done = last_done(chosen, _event_days(io, days)) if candidate is Entity.ITEM else None
        return samples(chosen, lists, found, _about_users(io, chosen), done)
    if query is Entity.ITEM:
        named = known[Entity.ITEM].named(pa.array(chosen, pa.string()))
        return samples(chosen, lists, found, {i: (item.title, item.category) for i, item in named.items()}, None)
    return samples(chosen, lists, found, {}, None)


def _event_days(io: StepIO, days: int) -> Iterator[pa.Table]:
    for day in reversed(last_days(io.ds, days)):
        yield io.read(EVENTS, since=day, until=day, columns=EVENT_COLUMNS)


def _about_users(io: StepIO, users: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What is known of these users, from their newest state."""
    states = io.state(USERS)
    mine = states.filter(pc.is_in(states["user_id"], value_set=pa.array(users, pa.string()))).to_pylist()
    return {row["user_id"]: tuple(row[name] for name in USER_COLUMNS if row[name]) for row in mine}
