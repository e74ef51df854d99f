"""Nights whose tables are written straight into the lake, so that lists are tested without Spark."""

from __future__ import annotations

from daybreak.datasets import COOCCURRENCE, EVENTS, ITEMS, POPULARITY, TRENDING, USERS
from daybreak.lake import Lake
from daybreak.learning import CHAMPIONS, GNN_CANDIDATES, TOWER_CANDIDATES
from tests.lake import put
from tests.tiny import TinyWorld, day

NIGHT = day(3)


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
    for untaught in (GNN_CANDIDATES, TOWER_CANDIDATES, CHAMPIONS):
        put(lake, untaught, ds, [])


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
