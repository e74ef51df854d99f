"""Two good nights with everything that gates look at: segments, stock, countries, ties, vectors, and lists of both."""

from __future__ import annotations

import numpy as np

from daybreak.candidates import (
    BM25,
    CO_PURCHASE,
    CO_VIEW,
    CONTENT,
    COOCCURRENCE,
    LOOKS,
    PEOPLE_PAIRS,
    POPULARITY,
    SEGMENTS,
    TRENDING,
)
from daybreak.datasets import EDGES, EVENTS, ITEMS, USERS
from daybreak.embeddings import EMBEDDING_RUNS, EMBEDDINGS
from daybreak.features.described import USER_GRAPH
from daybreak.lake import Lake
from daybreak.learning import CHAMPIONS, EASE_CANDIDATES, GNN_CANDIDATES, PEOPLE_CANDIDATES, TOWER_CANDIDATES
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from daybreak.vectors import directions
from tests.lake import put, put_days
from tests.tiny import Row, TinyWorld, day, event

WORLD = TinyWorld(groups=3, users=12, items=12, days=4)
EARLIER, NIGHT = day(2), day(3)
USERS_OF = [WORLD.user(group, number) for group in range(WORLD.groups) for number in range(WORLD.users)]
ITEMS_OF = [WORLD.item(group, number) for group in range(WORLD.groups) for number in range(WORLD.items)]
RETIRED, SOLD_OUT, GERMAN = WORLD.item(2, 9), WORLD.item(2, 11), WORLD.item(0, 10)
FORMS = (WORLD.item(1, 0), WORLD.item(1, 1))
LEFT, LISTED_BY_TOWERS = "u-left", 20
EMPTY = (BM25, CO_VIEW, CO_PURCHASE, GNN_CANDIDATES, EASE_CANDIDATES, PEOPLE_CANDIDATES)
SURFACES = """
for_you:
  query: user
  length: 10
  reserve: 4
  sources:
    two_tower: {quota: 8}
    cooccurrence: {quota: 36, weight: 0.5}
    segment: {quota: 36, weight: 0.2}
    popular: {quota: 36, weight: 0.1}
  caps: {variants: 1}
  gates: {min_coverage: 0.8, max_empty: 0.02, min_length: 8, segment_size: 5, max_popular: 0.3, min_catalogue: 0.5,
    max_churn: 0.5, max_mix_shift: 0.2, max_score_shift: 0.4}

lately:
  query: user
  length: 8
  sources: {popular: {quota: 36}, trending: {quota: 36}}
  rules: {seen_days: 2, conditions: [{column: price, at_most: 10.5}, {column: brand, none_of: [b3]}]}
  caps: {category: 4}
  gates: {min_length: 8, min_catalogue: 0.1}

similar_items:
  query: item
  length: 8
  sources: {two_tower: {quota: 6}, cooccurrence: {quota: 36, weight: 0.5}, popular: {quota: 36, weight: 0.1}}
  gates: {min_length: 8, segment_size: 5}

people:
  query: user
  candidate: user
  length: 8
  reserve: 2
  sources: {common_friends: {quota: 20}, well_known: {quota: 36, weight: 0.2}}
  rules: {conditions: [{column: company, none_of: [rivals]}]}
  gates: {min_length: 8, max_popular: 1.0, min_catalogue: 0.3, max_mix_shift: 0.2, segment_size: 5}
"""


def put_good_nights(settings: Settings) -> None:
    """Two nights of facts, candidates and vectors, and the lists that are made of them."""
    lake = Lake.of(settings)
    _put_states(lake)
    put_days(lake, EVENTS, {day(number): _events(number) for number in range(WORLD.days)})
    for ds in (EARLIER, NIGHT):
        put_candidates_of(lake, ds)
        run_steps([step_named("serving_export.lists")], ds, settings)


def country(user: str) -> str | None:
    """Where a user is: of the first group half in Germany, of the last nothing is told."""
    group, number = map(int, user[1:].split("-"))
    return None if group == 2 else "DE" if (group, number % 2) == (0, 0) else "FR"


def segment(user: str) -> str:
    """A sixth of all users are old."""
    return "old" if int(user.split("-")[1]) < 2 else "young"


def _put_states(lake: Lake) -> None:
    first = {"updated_ts": f"{day(0)}T00:00:00Z", "status": "active"}
    users = [{**first, "user_id": u, "country": country(u), "segment": segment(u)} for u in USERS_OF]
    users[-1]["company"] = "rivals"
    put(lake, USERS, day(0), [*users, {**first, "user_id": LEFT, "status": "deactivated"}])
    items = {
        name: {
            **first,
            "item_id": name,
            "title": f"Item {name}",
            "category": f"c{name[1]}",
            "brand": f"b{int(name.split('-')[1]) % 4}",
            "price": 1.0 + int(name.split("-")[1]),
            "in_stock": True,
        }
        for name in ITEMS_OF
    }
    items[RETIRED]["status"] = "deactivated"
    items[SOLD_OUT]["in_stock"] = False
    items[GERMAN]["regions"] = "DE"
    for form in FORMS:
        items[form]["variant_of"] = "a product"
    put(lake, ITEMS, day(0), items.values())
    ties = [
        tie
        for group in range(WORLD.groups)
        for number in range(WORLD.users)
        for tie in (
            (WORLD.user(group, number), WORLD.user(group, (number + 1) % WORLD.users), "friend"),
            (WORLD.user(group, number), WORLD.user(group, (number + 3) % WORLD.users), "follow"),
        )
    ]
    ties += [("u0-0", "u1-0", "block"), ("u0-1", "u1-1", "dismiss")]
    ends = ("src_user_id", "dst_user_id", "edge_type")
    put(lake, EDGES, day(0), [{**first, **dict(zip(ends, tie, strict=True))} for tie in ties])


def _events(number: int) -> list[Row]:
    """What the world does on a day; each user is also shown an item and has dismissed one."""
    rows, ds = WORLD.events(number), day(number)
    for group in range(WORLD.groups):
        for at in range(WORLD.users):
            user, shown = WORLD.user(group, at), WORLD.item(group, (at + number) % WORLD.items)
            rows.append(event(f"s{number}-{user}", ds, user, shown, "impression"))
            if number == 1:
                dismissed = WORLD.item((group + 1) % WORLD.groups, at % WORLD.items)
                rows.append(event(f"d-{user}", ds, user, dismissed, "dismiss"))
    return rows


def put_candidates_of(lake: Lake, ds: str, version: int = 3) -> None:
    """What the sources know on a night, and the vectors of the towers that listed."""
    liked = [{"item_id": i, "score": 1.0 + n / 100, "events": 5} for n, i in enumerate(ITEMS_OF)]
    put(lake, POPULARITY, ds, liked)
    put(lake, TRENDING, ds, liked)
    put(lake, SEGMENTS, ds, [{**row, "segment": name} for row in liked for name in ("old", "young")])
    near = [
        {"item_id": i, "neighbour_id": j, "score": 1 / (1 + abs(n - m)), "users": 3}
        for n, i in enumerate(ITEMS_OF)
        for m, j in enumerate(ITEMS_OF)
        if n != m and i[1] == j[1]
    ]
    put(lake, COOCCURRENCE, ds, near)
    put(lake, CONTENT, ds, [])
    put(lake, LOOKS, ds, [])
    moment = {"event_ts": f"{ds}T23:00:00Z", "available_ts": f"{ds}T23:30:00Z"}
    places = [{**moment, "user_id": u, "pagerank": 1.0 + n / 9} for n, u in enumerate([*USERS_OF, LEFT])]
    put(lake, USER_GRAPH.dataset, ds, places)
    measures = dict.fromkeys(("adamic_adar", "allocation", "walk", "pagerank", "follow_pmi"), 0.0)
    pairs = [
        {"user_id": u, "candidate_id": WORLD.user(int(u[1]), (int(u.split("-")[1]) + step) % WORLD.users), "common": 1}
        for u in USERS_OF
        for step in (2, -2)
    ]
    put(lake, PEOPLE_PAIRS, ds, [{**pair, **measures, "follows": False, "contact": False} for pair in pairs])
    for dataset in EMPTY:
        put(lake, dataset, ds, [])
    put_towers(lake, ds, version)


def vectors_of_night() -> tuple[np.ndarray, np.ndarray]:
    """Vectors of users and items, which lie nearest to those of their group; the last place is a bias."""
    chance = np.random.default_rng(11)
    groups = np.eye(WORLD.groups)

    def beside(ids: list[str], bias: float | None) -> np.ndarray:
        plain = np.array([groups[int(name[1])] for name in ids]) + chance.normal(scale=0.2, size=(len(ids), 3))
        last = np.full((len(ids), 1), bias) if bias is not None else chance.normal(scale=0.05, size=(len(ids), 1))
        return np.hstack([plain, last]).astype(np.float32)

    return beside(USERS_OF, 1.0), beside(ITEMS_OF, None)


def put_towers(lake: Lake, ds: str, version: int) -> None:
    """Lists of the towers as an exact search finds them, the vectors they were found with, and their champion."""
    users, items = vectors_of_night()
    plain = directions(items)
    beside = plain @ plain.T
    np.fill_diagonal(beside, -np.inf)
    listed = [("user", USERS_OF, users @ items.T), ("item", ITEMS_OF, beside)]
    told = {"version": version, "digest": f"{version:064}"}
    rows = [
        {"query": kind, "query_id": name, "rank": rank, "item_id": ITEMS_OF[at], "score": float(scores[line, at]),
         "version": version}
        for kind, ids, scores in listed
        for line, name in enumerate(ids)
        for rank, at in enumerate(np.argsort(-scores[line], kind="stable")[:LISTED_BY_TOWERS])
    ]  # fmt: skip
    put(lake, TOWER_CANDIDATES, ds, rows)
    made = [
        {"version": version, "entity": kind, "entity_id": name, "inputs": 0, "vector": vector.tolist()}
        for kind, ids, vectors in (("user", USERS_OF, users), ("item", ITEMS_OF, items))
        for name, vector in zip(ids, vectors, strict=True)
    ]
    put(lake, EMBEDDINGS, ds, made)
    counts = {"users": len(USERS_OF), "items": len(ITEMS_OF), "made": len(made)}
    put(lake, EMBEDDING_RUNS, ds, [{"model": "two_tower", **told, "since": ds, **counts}])
    put(lake, CHAMPIONS, ds, [{"model": "two_tower", **told, "trained_until": ds, "because": "passed every gate"}])
