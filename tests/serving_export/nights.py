"""Nights whose tables are written straight into the lake, so that lists are tested without Spark."""

from __future__ import annotations

from daybreak.candidates import (
    BM25,
    CO_PURCHASE,
    CO_VIEW,
    CONTENT,
    COOCCURRENCE,
    LIVELY_PEOPLE,
    LOOKS,
    PEOPLE_PAIRS,
    POPULARITY,
    SEGMENTS,
    TRENDING,
)
from daybreak.datasets import EVENTS, ITEMS, USERS
from daybreak.features.described import USER_GRAPH
from daybreak.lake import Lake
from daybreak.learning import CHAMPIONS, EASE_CANDIDATES, GNN_CANDIDATES, PEOPLE_CANDIDATES, TOWER_CANDIDATES
from daybreak.ranking.ties import MEASURES
from tests.lake import put
from tests.tiny import Row, TinyWorld, day

NIGHT = day(3)
NOT_COUNTED = (SEGMENTS, BM25, CO_VIEW, CO_PURCHASE, CONTENT, LOOKS, PEOPLE_PAIRS, LIVELY_PEOPLE)
NOT_LEARNED = (GNN_CANDIDATES, TOWER_CANDIDATES, EASE_CANDIDATES, PEOPLE_CANDIDATES, CHAMPIONS)
PLAIN = """
for_you:
  query: user
  length: 50
  sources:
    two_tower: {quota: 100, weight: 1.0}
    gnn: {quota: 100, weight: 1.0}
    cooccurrence: {quota: 100, weight: 0.5}
    trending: {quota: 50, weight: 0.2}
    popular: {quota: 100, weight: 0.1}
  gates: {min_coverage: 0.98, max_empty: 0.01, min_length: 20, max_popular: 1.0}

similar_items:
  query: item
  length: 30
  sources:
    two_tower: {quota: 50, weight: 0.5}
    gnn: {quota: 50, weight: 1.0}
    cooccurrence: {quota: 100, weight: 1.0}
    popular: {quota: 60, weight: 0.1}
  rules: {owned: false}
  gates: {min_coverage: 0.98, max_empty: 0.02, min_length: 10, max_popular: 1.0}
"""
"""Surfaces whose lists follow by reasoning: nothing is ranked anew, kept apart or tried out."""


def users_of(world: TinyWorld, group: int) -> list[str]:
    return [world.user(group, number) for number in range(world.users)]


def items_of(world: TinyWorld, group: int) -> list[str]:
    return [world.item(group, number) for number in range(world.items)]


def all_items(world: TinyWorld) -> list[str]:
    return [item for group in range(world.groups) for item in items_of(world, group)]


def put_tiny_night(lake: Lake, world: TinyWorld | None = None) -> TinyWorld:
    """The tiny world as landed, with candidates as counting would order them: an item's neighbours are its group."""
    world = world or TinyWorld()
    first = day(0)
    state = {"updated_ts": f"{first}T00:00:00Z", "status": "active"}
    users = [user for group in range(world.groups) for user in users_of(world, group)]
    put(lake, USERS, first, [{"user_id": user, **state} for user in users])
    put(lake, ITEMS, first, [{"item_id": item, "title": f"Item {item}", **state} for item in all_items(world)])
    for number in range(world.days):
        put(lake, EVENTS, day(number), world.events(number))
    put_candidates(lake, world)
    return world


def put_candidates(lake: Lake, world: TinyWorld, ds: str = NIGHT) -> None:
    """Candidates of a night: everything is popular and trends a little, neighbours are the own group."""
    liked = [{"item_id": i, "score": 1.0 + n / 100, "events": 5} for n, i in enumerate(all_items(world))]
    put(lake, POPULARITY, ds, liked)
    put(lake, TRENDING, ds, liked)
    near = [
        {"item_id": item, "neighbour_id": other, "score": 1 / (1 + abs(n - m)), "users": 3}
        for group in range(world.groups)
        for n, item in enumerate(items_of(world, group))
        for m, other in enumerate(items_of(world, group))
        if n != m
    ]
    put(lake, COOCCURRENCE, ds, near)
    for empty in (*NOT_COUNTED, *NOT_LEARNED, USER_GRAPH.dataset):
        put(lake, empty, ds, [])


def tie_order(**weights: float) -> list[Row]:
    """What measures of two people weigh; those that are not named weigh nothing."""
    return [
        {"measure": each.name, "says": each.says, "weight": weights.get(each.name, 0.0), "users": 9, "nights": 1}
        for each in MEASURES
    ]


def put_champion(lake: Lake, lists: dict[tuple[str, str], list[str]], ds: str = NIGHT, version: int = 3) -> None:
    """What a champion teacher listed on a night, by query and what it is for."""
    rows = [
        {"query": query, "query_id": name, "rank": rank, "item_id": item, "score": 1 / (1 + rank), "version": version}
        for (query, name), items in lists.items()
        for rank, item in enumerate(items)
    ]
    put(lake, GNN_CANDIDATES, ds, rows)
    told = {"version": version, "digest": f"{version:064}", "trained_until": ds, "because": "passed every gate"}
    put(lake, CHAMPIONS, ds, [{"model": "gnn", **told}])
