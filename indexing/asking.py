"""What people ask of an index by hand: what lies in it, how two releases differ, which index would be best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from daybreak.errors import InputError, ReleaseError
from daybreak.indexes import CHANNEL
from daybreak.learning import USER
from daybreak.releases import ReleaseStore
from daybreak.releases.manifest import day_of
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from indexing.measuring import Measured, Questions, alternatives, best, measured, plot
from indexing.opened import OpenIndex
from indexing.plan import memory_bytes
from indexing.recall import sample
from indexing.soundness import drift, filled
from indexing.spaces import Space, in_space

K, ASKED, BESIDE = 100, 1_000, 10


def store_of(settings: Settings) -> ReleaseStore:
    return ReleaseStore(settings.releases, CHANNEL)


def opened(settings: Settings, release: str | None = None) -> OpenIndex:
    """The live index, or another release of it."""
    store = store_of(settings)
    return OpenIndex.of(store.open(release) if release else store.current())


def describe(index: OpenIndex) -> dict[str, Any]:
    """What lies in an index."""
    contents = index.contents
    return {
        "release": index.name,
        "model": contents.model,
        "version": contents.version,
        "ds": contents.ds,
        "fresh_until": contents.fresh_until,
        "items": len(index),
        "users": len(index.users),
        "places": index.items.width,
        "shards": index.items.shards,
        "since_the_night": {
            "items": contents.delta.items if contents.delta else 0,
            "gone": len(contents.delta.gone) if contents.delta else 0,
        },
        "spaces": {
            space.value: {"index": str(each), "effort": contents.efforts[space].to_json()}
            for space, each in contents.specifications.items()
        },
        "effective_rank": round(filled(index.items.vectors), 2),
    }


def compare(first: OpenIndex, second: OpenIndex, questions: int = 200) -> dict[str, Any]:
    """How a release differs from another one: items, vectors, and what is found beside the same items."""
    shared = first.items.ids.filter(pc.is_in(first.items.ids, value_set=second.items.ids))
    chosen = [shared[int(row)].as_py() for row in sample(len(shared), questions, seed=0)]
    kept = []
    for name in (each for each in chosen if first.rows([each]).size and second.rows([each]).size):
        before, after = (set(index.ask(Space.FOR_ITEMS, name, BESIDE).ids) for index in (first, second))
        kept.append(len(before & after) / max(len(before), 1))
    moved = None
    if len(shared) and first.items.width == second.items.width:
        rows = [index.items.rows(shared) for index in (first, second)]
        moved = round(drift(first.items.vectors[rows[0]], second.items.vectors[rows[1]]), 4)
    return {
        "first": first.name,
        "second": second.name,
        "same_model": first.contents.digest == second.contents.digest,
        "items": [len(first), len(second)],
        "only_in_first": len(first.items) - len(shared),
        "only_in_second": len(second.items) - len(shared),
        "drift": moved,
        "first_ten_shared": round(float(np.mean(kept)), 4) if kept else None,
    }


def build_night(settings: Settings, ds: str) -> list[Any]:
    """Builds every shard of a night, one after another, and publishes the release."""
    shard, publish = step_named("indexing.shard"), step_named("indexing.publish")
    records = []
    for number in range(settings.index_shards):
        records += run_steps([shard], ds, settings, overrides={"number": number})
    return [*records, *run_steps([publish], ds, settings)]


def choose(
    settings: Settings, space: Space, release: str | None, rows: int | None, picture: Path | None
) -> tuple[list[Measured], Measured | None]:
    """Every kind of index on the vectors of a release, by the clock; and the fastest that reaches the target."""
    index, target = opened(settings, release), settings.index_recall
    asked = index.users if space is Space.FOR_USERS else index.items
    vectors = in_space(space, np.asarray(index.items.vectors))
    if rows is not None and rows < len(vectors):
        vectors = vectors[sample(len(vectors), rows, seed=1)]
    count = min(ASKED, len(asked) // 2)
    if not count:
        raise InputError(f"release {index.name} has {len(asked)} to ask with: two at least are needed")
    tuning, judging = (in_space(space, np.asarray(asked.vectors[sample(len(asked), count, 2, n)])) for n in (0, 1))
    questions = Questions.of(vectors, tuning, judging, min(K, len(vectors)))
    specifications = alternatives(len(vectors), vectors.shape[1], memory_bytes(settings))
    found = list(measured(specifications, vectors, questions, target, seed=0))
    if picture is not None:
        title = f"{len(vectors):,} vectors of {vectors.shape[1]} places, {space}"
        plot(found, target, title).savefig(picture, dpi=120)
    return found, best(found, target)


def search(settings: Settings, space: Space, id_: str, k: int, release: str | None, *, exact: bool) -> dict[str, Any]:
    """What is found for a user, or beside an item."""
    index = opened(settings, release)
    found = index.ask(space, id_, k, exact=exact)
    return {
        "release": found.release,
        "model": f"{index.contents.model}-{index.contents.version}",
        "fresh_until": index.contents.fresh_until,
        "space": space.value,
        "id": id_,
        "found": [{"id": each, "score": score} for each, score in zip(found.ids, found.scores, strict=True)],
    }


def vector(settings: Settings, entity: str, id_: str, release: str | None) -> dict[str, Any]:
    """The vector of a user or an item, and how it stands among the others."""
    index = opened(settings, release)
    found = index.vector(entity, id_)
    others = index.users if entity == USER else index.items
    lengths = np.linalg.norm(np.asarray(others.vectors[:, :-1]), axis=1)
    length = float(np.linalg.norm(found[:-1]))
    return {
        "release": index.name,
        "entity": entity,
        "id": id_,
        "length": length,
        "longer_than": float((lengths < length).mean()),
        "bias": float(found[-1]),
        "vector": [float(each) for each in found],
    }


def releases(settings: Settings) -> Sequence[dict[str, Any]]:
    """Every release of the index, the newest day first and of a day the freshest, whether it can be opened or not."""
    store = store_of(settings)
    live = store.current_id()
    rows = []
    for release_id in store.ids():
        row: dict[str, Any] = {"release": release_id, "live": release_id == live}
        try:
            release = store.open(release_id, verify=False)
            rows.append({**row, "good": release.is_good, **describe(OpenIndex.of(release))})
        except ReleaseError as error:
            rows.append({**row, "good": False, "error": str(error)})
    return sorted(rows, key=lambda row: (day_of(row["release"]), row.get("fresh_until", "")), reverse=True)
