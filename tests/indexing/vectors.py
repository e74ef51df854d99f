"""Small worlds of vectors, put straight into a lake as if a model had made them, and what plain numpy finds in them.

Items and users lie around a few directions; the last place of an item's vector is how much everybody wants it, and of a
user's it is 1. From night to night vectors move a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daybreak.contracts import Dataset
from daybreak.datasets import ITEMS, USERS
from daybreak.embeddings import ARRIVALS, EMBEDDING_RUNS, EMBEDDINGS
from daybreak.indexes import CHANNEL, INDEX_BUILDS, INDEX_GATES
from daybreak.lake import Lake, Window
from daybreak.learning import CHAMPIONS, ITEM, TOWER_CANDIDATES, USER, Model
from daybreak.releases import ReleaseStore
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from daybreak.vectors import directions
from indexing.opened import OpenIndex
from indexing.spaces import Space
from tests.lake import put
from tests.tiny import Row, day

Floats = npt.NDArray[np.float32]
N_ITEMS, N_USERS, PLACES, CLUSTERS = 300, 120, 17, 3
GONE = {"i0007": "deactivated", "i0008": "retired", "i0009": "unlaunched"}
"""Items that may not be shown, and why."""
LEFT = ("u0003", "u0004")
"""Users that are deactivated."""
TWINS = (("i0010", "i0020"), ("i0011", "i0250"), ("i0012", "i0013"))
"""Items whose vectors are the same."""
SHARES = (0.6, 0.35, 0.05)
"""Of the categories."""
FEW = {"questions": 24}
"""Limits under which a gate asks about few users and items, so that a night takes a fraction of a second."""
DIGESTS = {1: "a1" * 32, 2: "b2" * 32}
"""What tells each version of the model from any other."""


@dataclass(frozen=True)
class Vectors:
    """What a night's tables say: vectors, the model that made them, and the digest of tonight's champion."""

    item_ids: tuple[str, ...]
    items: Any
    user_ids: tuple[str, ...]
    users: Any
    version: int = 1
    champion: str | None = None

    @property
    def digest(self) -> str:
        return DIGESTS[self.version]

    def only(self, kept: Sequence[int] | slice) -> Vectors:
        """The same with some of the items."""
        places = np.arange(len(self.item_ids))[kept]
        return replace(self, item_ids=tuple(self.item_ids[place] for place in places), items=self.items[places])

    @property
    def listed(self) -> tuple[list[str], Floats]:
        """The items that may be shown, by id, and their vectors."""
        rows = [row for row, name in enumerate(self.item_ids) if name not in GONE]
        rows.sort(key=lambda row: self.item_ids[row])
        return [self.item_ids[row] for row in rows], self.items[rows]

    @property
    def active(self) -> tuple[list[str], Floats]:
        """The users that are there, by id, and their vectors."""
        rows = [row for row, name in enumerate(self.user_ids) if name not in LEFT]
        return [self.user_ids[row] for row in rows], self.users[rows]


def world(
    night: int = 1,
    *,
    items: int = N_ITEMS,
    users: int = N_USERS,
    places: int = PLACES,
    version: int = 1,
    twins: bool = True,
    spread: float = 0.5,
) -> Vectors:
    """The vectors of a night. Each version of the model has a space of its own."""
    drawn, moved = np.random.default_rng([version, places]), np.random.default_rng([version, places, night])
    middles = drawn.normal(size=(CLUSTERS, places - 1))

    def around(count: int) -> npt.NDArray[np.float64]:
        which = drawn.integers(0, CLUSTERS, count)
        base = middles[which] + drawn.normal(scale=spread, size=(count, places - 1))
        return base + moved.normal(scale=0.03, size=base.shape)

    item_vectors = np.c_[around(items), drawn.normal(scale=0.3, size=items)].astype(np.float32)
    user_vectors = np.c_[around(users), np.ones(users)].astype(np.float32)
    for first, second in TWINS if twins else ():
        item_vectors[int(second[1:])] = item_vectors[int(first[1:])]
    ids = (tuple(f"{letter}{number:04d}" for number in range(n)) for letter, n in (("i", items), ("u", users)))
    return Vectors(next(ids), item_vectors, next(ids), user_vectors, version)


def home_in(
    folder: Path,
    *,
    items: int = N_ITEMS,
    users: int = N_USERS,
    shares: Sequence[float] = SHARES,
    **choices: Any,
) -> Settings:
    """A home whose catalogue knows every item and user, and that has no vectors yet. Gates ask few questions in it."""
    settings = Settings(home=folder, steps={"indexing.publish": {"limits": FEW}}, **choices)
    lake, since = Lake.of(settings), f"{day(0)}T00:00:00Z"
    kinds = np.random.default_rng(5).choice(len(shares), items, p=shares)
    put(lake, ITEMS, day(0), [_item(f"i{number:04d}", f"kind-{kind}", since) for number, kind in enumerate(kinds)])
    put(
        lake,
        USERS,
        day(0),
        [
            {"user_id": name, "updated_ts": since, "status": "deactivated" if name in LEFT else "active"}
            for name in (f"u{number:04d}" for number in range(users))
        ],
    )
    return settings


def _item(name: str, category: str, since: str) -> Row:
    why = GONE.get(name)
    return {
        "item_id": name,
        "updated_ts": since,
        "title": name,
        "category": category,
        "status": "deactivated" if why == "deactivated" else "active",
        "retired_ts": since if why == "retired" else None,
        "launched_ts": "2030-01-01T00:00:00Z" if why == "unlaunched" else None,
    }


def put_night(settings: Settings, night: int, vectors: Vectors | None) -> None:
    """What the night's training would have left; without vectors, a night that has no champion."""
    lake, ds = Lake.of(settings), day(night)
    if vectors is None:
        for table in (EMBEDDINGS, EMBEDDING_RUNS, CHAMPIONS):
            put(lake, table, ds, [])
        return
    told = {"model": Model.TWO_TOWER.value, "version": vectors.version}
    named = [(USER, *each) for each in zip(vectors.user_ids, vectors.users, strict=True)]
    named += [(ITEM, *each) for each in zip(vectors.item_ids, vectors.items, strict=True)]
    rows = [
        {"version": vectors.version, "entity": entity, "entity_id": name, "inputs": 0, "vector": list(vector)}
        for entity, name, vector in named
    ]
    put(lake, EMBEDDINGS, ds, rows)
    counts = {"users": len(vectors.user_ids), "items": len(vectors.item_ids), "made": len(rows)}
    put(lake, EMBEDDING_RUNS, ds, [{**told, **counts, "digest": vectors.digest, "since": ds}])
    champion = vectors.champion or vectors.digest
    put(lake, CHAMPIONS, ds, [{**told, "digest": champion, "trained_until": ds, "because": "first"}])


def shards(settings: Settings, night: int, **overrides: Any) -> None:
    """Builds the shards of a night, one after another."""
    for number in range(settings.index_shards):
        run_steps([step_named("indexing.shard")], day(night), settings, overrides={"number": number, **overrides})


def publish(settings: Settings, night: int, **overrides: Any) -> Row:
    """Publishes the release of a night; the summary."""
    return run_steps([step_named("indexing.publish")], day(night), settings, overrides=overrides)[0].summary


def index_night(settings: Settings, night: int, vectors: Vectors | None, **overrides: Any) -> Row:
    """A night's tables, its shards and its release; the summary of publishing it."""
    put_night(settings, night, vectors)
    shards(settings, night)
    return publish(settings, night, **overrides)


def states(settings: Settings, night: int, *names: str, **changes: Any) -> None:
    """A delivery of items' states, of ten in the morning: active, unless they are changed."""
    told = f"{day(night)}T10:00:00Z"
    put(Lake.of(settings), ITEMS, day(night), [{**_item(name, "kind-0", told), **changes} for name in names])


def arrivals(settings: Settings, night: int, vectors: dict[str, Any], *, beside: str | None = None) -> None:
    """Vectors that came, to be added to the night that is live, or `beside` another one."""
    put(
        Lake.of(settings),
        ARRIVALS,
        day(night),
        [
            {
                "version": 1,
                "digest": DIGESTS[1],
                "night": beside or store_of(settings).current().stands_on,
                "item_id": name,
                "vector": [float(each) for each in vector],
            }
            for name, vector in vectors.items()
        ],
    )


def index_hour(settings: Settings, night: int) -> Row:
    """What came is added to the live index; the summary."""
    return run_steps([step_named("indexing.delta")], day(night), settings)[0].summary


def list_candidates(settings: Settings, night: int, **overrides: Any) -> list[Row]:
    """Lists the candidates of a night; the rows."""
    run_steps([step_named("indexing.candidates")], day(night), settings, overrides=overrides)
    return rows_of(settings, TOWER_CANDIDATES, night)


def rows_of(settings: Settings, dataset: Dataset, night: int) -> list[Row]:
    """A night's rows of a table."""
    return list(Lake.of(settings).table(dataset).read(Window(day(night), day(night))).to_pylist())


def gates(settings: Settings, night: int) -> dict[tuple[str, str], Row]:
    """What the gates of a night said, by space and gate."""
    return {(row["space"], row["gate"]): row for row in rows_of(settings, INDEX_GATES, night)}


def builds(settings: Settings, night: int) -> list[Row]:
    return rows_of(settings, INDEX_BUILDS, night)


def store_of(settings: Settings) -> ReleaseStore:
    return ReleaseStore(settings.releases, CHANNEL)


def live(settings: Settings) -> OpenIndex:
    """The live index, every byte of it verified."""
    return OpenIndex.of(store_of(settings).current(verify=True))


def compared(space: Space, vectors: Floats) -> Floats:
    """Vectors as a space compares them."""
    return directions(vectors) if space is Space.FOR_ITEMS else vectors


def best(queries: Floats, vectors: Floats, k: int, own: Sequence[int] | None = None) -> list[list[tuple[int, float]]]:
    """The k best rows of each query and their products, by a full sort; equals by row; without its own row."""
    scores = (queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    lines = []
    for number, line in enumerate(scores):
        order = np.lexsort((np.arange(len(line)), -line))
        kept = [int(row) for row in order if own is None or row != own[number]]
        lines.append([(row, float(line[row])) for row in kept[:k]])
    return lines


def names(ids: Sequence[str] | pa.Array, rows: npt.NDArray[np.int64]) -> list[list[str]]:
    """Rows by their ids."""
    known = list(ids.to_pylist() if isinstance(ids, pa.Array) else ids)
    return [[known[int(row)] for row in line if row >= 0] for line in rows]
