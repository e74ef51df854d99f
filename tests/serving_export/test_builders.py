"""Every source that a surface can name proposes something where its table tells something, and nothing where not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daybreak.candidates import BM25, CO_PURCHASE, CO_VIEW, CONTENT, LIVELY_PEOPLE, LOOKS, PEOPLE_PAIRS, SEGMENTS
from daybreak.datasets import EVENTS, ITEMS, USERS
from daybreak.features.described import USER_GRAPH
from daybreak.lake import Lake
from daybreak.learning import EASE_CANDIDATES, GNN_CANDIDATES, PEOPLE_CANDIDATES, TOWER_CANDIDATES
from daybreak.settings import Settings
from daybreak.sources import FOR_EVERYONE, KINDS, Entity, SourceName
from daybreak.surfaces import Source, Surface
from serving_export.arrays import Ints
from serving_export.night import Night, Range
from serving_export.rulebooks import rulebook
from serving_export.sources.builders import BUILDERS, build
from serving_export.sources.context import Context
from serving_export.sources.found import Block, Found
from tests.lake import put
from tests.serving_export.homes import copied, home_in, opened_night
from tests.serving_export.nights import NIGHT, all_items, items_of, put_tiny_night, users_of
from tests.tiny import TinyWorld, day, event

WORLD = TinyWorld()
QUOTA = 3
EVERYTHING = {Entity.ITEM: SourceName.POPULAR, Entity.USER: SourceName.WELL_KNOWN}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A tiny night on which every source has something to tell. Who changes it changes a copy."""
    settings = home_in(tmp_path_factory.mktemp("full"))
    lake = Lake.of(settings)
    put_tiny_night(lake, WORLD)
    state = {"updated_ts": f"{day(2)}T00:00:00Z", "status": "active"}
    users = [user for group in range(WORLD.groups) for user in users_of(WORLD, group)]
    told = {"segment": "students", "school": "north", "company": "acme"}
    put(lake, USERS, day(2), [{"user_id": user, **state, **told, "signup_ts": f"{day(0)}T00:00:00Z"} for user in users])
    new = {"title": "x", "category": "toys", "launched_ts": f"{day(2)}T00:00:00Z"}
    put(lake, ITEMS, day(2), [{"item_id": item, **state, **new} for item in all_items(WORLD)])
    again = [event(f"again{n}", day(n), "u0-0", "i0-7", "purchase") for n in (0, 2)]
    put(lake, EVENTS, day(2), [*WORLD.events(2), *again[1:]])
    put(lake, EVENTS, day(0), [*WORLD.events(0), *again[:1]])
    near = [
        {"item_id": a, "neighbour_id": b, "score": 1 / (1 + n), "users": 2}
        for group in range(WORLD.groups)
        for a in items_of(WORLD, group)
        for n, b in enumerate(items_of(WORLD, group))
        if a != b
    ]
    for table in (BM25, CO_VIEW, CO_PURCHASE):
        put(lake, table, NIGHT, near)
    for table in (CONTENT, LOOKS):
        put(lake, table, NIGHT, [{name: value for name, value in row.items() if name != "users"} for row in near])
    put(
        lake,
        SEGMENTS,
        NIGHT,
        [{"segment": "students", "item_id": i, "score": 1.0, "events": 1} for i in all_items(WORLD)],
    )
    listed = [
        {"query": query, "query_id": name, "rank": rank, "item_id": item, "score": 1 / (1 + rank)}
        for query, names in (("user", users), ("item", all_items(WORLD)))
        for name in names
        for rank, item in enumerate(all_items(WORLD)[::5])
    ]
    put(lake, EASE_CANDIDATES, NIGHT, listed)
    for table in (GNN_CANDIDATES, TOWER_CANDIDATES):
        put(lake, table, NIGHT, [{**row, "version": 1} for row in listed])
    others = [(user, other) for user in users for other in users if user != other]
    measures = dict.fromkeys(("common", "adamic_adar", "allocation", "walk", "pagerank", "follow_pmi"), 2)
    flags = {"follows": True, "contact": True}
    put(lake, PEOPLE_PAIRS, NIGHT, [{"user_id": a, "candidate_id": b, **measures, **flags} for a, b in others])
    ranked = [
        {"user_id": a, "rank": n, "candidate_id": b, "score": 1.0, "version": 1} for n, (a, b) in enumerate(others)
    ]
    put(lake, PEOPLE_CANDIDATES, NIGHT, ranked)
    stamps = {"event_ts": f"{NIGHT}T00:00:00Z", "available_ts": f"{NIGHT}T06:00:00Z"}
    graph = [{"user_id": user, **stamps, "pagerank": float(n)} for n, user in enumerate(users)]
    put(lake, USER_GRAPH.dataset, NIGHT, graph)
    counts = dict.fromkeys(("ties", "lately", "just_now"), 1.0)
    lively = [{"user_id": row["user_id"], **counts, "these_days": row["pagerank"]} for row in graph]
    put(lake, LIVELY_PEOPLE, NIGHT, lively)
    return settings


def surface_of(name: SourceName, shape: tuple[Entity, Entity]) -> Surface:
    """A shelf that asks this source, and one that a shelf must have."""
    query, candidate = shape
    sources = {EVERYTHING[candidate]: Source(), name: Source(quota=QUOTA)}
    return Surface(query=query, candidate=candidate, sources=sources)


def asked(name: SourceName, shape: tuple[Entity, Entity], night: Night) -> tuple[Found, Ints, Block]:
    surface = surface_of(name, shape)
    among = Range(0, len(night.names[surface.query]))
    rules = rulebook(surface, night, among)
    finder = build(Context(surface, night, among, rules.shown))[name]
    queries = night.active(surface.query)
    barred = rules.of(queries)
    block = Block(queries, barred.without("owned") if KINDS[name].repeats else barred)
    return finder.find(block, QUOTA), queries, block


SHAPES = [(name, shape) for name, kind in KINDS.items() for shape in kind.serves]


def test_every_source_has_a_builder():
    """No name of a source is without one, and none is built that has no name."""
    assert set(BUILDERS) == set(SourceName) == set(KINDS)
    assert set(FOR_EVERYONE) <= set(SourceName)


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_every_source_proposes_within_its_quota_best_first_and_by_the_rules(full, name, shape):
    """Something for somebody; of each query at most the quota, by falling score, nothing that a rule keeps out."""
    with opened_night(full, NIGHT) as night:
        found, queries, block = asked(name, shape, night)
        assert len(found.queries)
        assert set(found.queries) <= set(queries)
        assert found.ranks.max() < QUOTA
        assert block.barred.allows(found.queries, found.candidates).all()
        same = found.queries[1:] == found.queries[:-1]
        assert (np.diff(found.queries) >= 0).all()
        assert (np.diff(found.scores)[same] <= 0).all()
        assert len(set(zip(found.queries.tolist(), found.candidates.tolist(), strict=True))) == len(found.queries)


@pytest.mark.parametrize(("name", "shape"), [each for each in SHAPES if KINDS[each[0]].reads and each[0] != "rebuy"])
def test_a_source_whose_table_is_empty_proposes_nothing(full, tmp_path: Path, name, shape):
    """Without a word, and without an error."""
    settings = copied(full, tmp_path)
    for table in KINDS[name].reads:
        put(Lake.of(settings), table, NIGHT, [])
    with opened_night(settings, NIGHT) as night:
        found, _, _ = asked(name, shape, night)
        assert not len(found.queries)


def test_what_is_bought_again_is_proposed_to_who_bought_it_before(full):
    """Only items that buyers buy again, only to their buyers, although they own them."""
    with opened_night(full, NIGHT) as night:
        found, _, _ = asked(SourceName.REBUY, (Entity.USER, Entity.ITEM), night)
        users, items = night.users.of(found.queries).to_pylist(), night.items.of(found.candidates).to_pylist()
        owned = {(row["user_id"], row["item_id"]) for n in range(WORLD.days) for row in WORLD.events(n)}
        assert ("u0-0", "i0-7") in set(zip(users, items, strict=True))
        assert set(zip(users, items, strict=True)) <= owned | {("u0-0", "i0-7")}


def test_fresh_items_are_those_of_categories_that_a_user_wants(full, tmp_path: Path):
    """An item of a category that nobody wanted, and one launched long ago, are not among them."""
    settings = copied(full, tmp_path)
    state = {"updated_ts": f"{day(3)}T00:00:00Z", "status": "active", "title": "x"}
    lonely = {"item_id": "lonely", **state, "category": "hats", "launched_ts": f"{day(3)}T00:00:00Z"}
    old = {"item_id": "old", **state, "category": "toys", "launched_ts": "2020-01-01T00:00:00Z"}
    newest = {"item_id": "newest", **state, "category": "toys", "launched_ts": f"{day(3)}T12:00:00Z"}
    put(Lake.of(settings), ITEMS, day(3), [lonely, old, newest])
    with opened_night(settings, NIGHT) as night:
        found, _, _ = asked(SourceName.FRESH, (Entity.USER, Entity.ITEM), night)
        items = set(night.items.of(found.candidates).to_pylist())
        assert "newest" in items
        assert not {"lonely", "old"} & items
        firsts = night.items.of(found.candidates[found.ranks == 0]).to_pylist()
        assert set(firsts) == {"newest"}
