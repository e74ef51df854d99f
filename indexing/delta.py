"""Adds what came since the night to the live index, by the hour, and takes out what is gone.

The files of the night stay the very same; beside them lies a small delta: new and changed items with vectors by the
same model, which are searched exactly, and the ids of items that may no longer be shown. Together they are one release
like any other: audited, flipped to at once, rolled back to what was live before. `fresh_until` of a release is the
newest state of an item that is in it. The next night folds all of it in.

Nothing is done where nothing came. Vectors of another model than the index's are refused, and so are those that were
made to be added to another night; where another release has gone live meanwhile, such as the night's, this one is
dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from daybreak.clock import days_before
from daybreak.datasets import ITEMS
from daybreak.embeddings import ARRIVALS
from daybreak.errors import InputError, StaleAttempt
from daybreak.indexes import CHANNEL
from daybreak.item_states import may_be_shown
from daybreak.learning import ITEM, Model
from daybreak.releases import Release, ReleaseStore
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from daybreak.vectors import matrix_of
from indexing.arrays import NOWHERE, Floats
from indexing.assembling import with_known_answers
from indexing.contents import Delta, model_name
from indexing.embedded import Embedded
from indexing.gates import BOTH, Gate, at_most, check_of, refuse_failed
from indexing.opened import OpenIndex
from indexing.soundness import longest_by_usual
from indexing.spaces import Space, in_space
from indexing.writing import write_delta

MADE_AGAIN = "run training.arrivals again"
BESIDE = 10
"""Entries that are looked through for an item; with more that are equal to it none tells it from them."""


class DeltaConfig(StepConfig):
    """How much may come by the hour."""

    largest_share: float = Field(
        0.1, gt=0, le=1, description="share of the night's items that may be new, changed or gone before it is refused"
    )
    checked: int = Field(64, ge=1, description="items that came, and that are gone, which are looked for")
    longest: float = Field(
        100.0, gt=1, description="length of the longest vector that came, by the usual one of the night, at most"
    )


def run(config: DeltaConfig, io: StepIO) -> Summary:
    """Builds, proves and publishes the release of the hour."""
    store = io.releases(CHANNEL)
    if store.current_id() is None:
        return {"index": "none is live yet"}
    release = store.current()
    live = OpenIndex.of(release)
    if live.contents.ds > io.ds:
        raise InputError(f"the live index {live.name} already holds what came on {io.ds}; run the hour of a later day")
    states = io.state(ITEMS)
    fresh = _fresh(io, live, release.stands_on, states.filter(may_be_shown(states, io.ds))["item_id"])
    gone, fresh_until = _gone(io, live, states), _fresh_until(io, live)
    if _same(live, fresh, gone):
        return {"release": live.name, "published": False, "because": "nothing came since"}
    delta = Delta(len(fresh) if fresh else 0, gone)
    contents = replace(live.contents, fresh_until=fresh_until, delta=delta, parts={}, known=())
    index = with_known_answers(live.with_delta(contents, fresh), seed=0)
    release_id = _built(io, store, release, index)
    gates = [*_gates(config, OpenIndex.of(store.open(release_id)), fresh)]
    store.audit(release_id, [check_of(gate) for gate in gates])
    io.release = release_id
    refuse_failed(gates, io.ds)
    summary = {
        "release": release_id,
        "items": len(fresh) if fresh else 0,
        "gone": len(gone),
        "fresh_until": fresh_until,
    }
    pointer = store.pointer()
    if pointer is not None and pointer.pinned:
        return {**summary, "published": False, "because": f"{pointer.release} is pinned"}
    store.publish(release_id, reason=f"fresh until {fresh_until}", instead_of=live.name)
    return {**summary, "published": True}


def _fresh(io: StepIO, live: OpenIndex, night: str, shown: pa.ChunkedArray) -> Embedded | None:
    """The items that came or changed since the night and may be shown now; None where there are none."""
    rows = io.day(ARRIVALS)
    rows = rows.filter(pc.is_in(rows["item_id"], value_set=shown))
    others = rows.filter(pc.not_equal(rows["digest"], live.contents.digest))
    if others.num_rows:
        theirs = model_name(Model.TWO_TOWER, others["version"][0].as_py())
        mine = model_name(live.contents.model, live.contents.version)
        raise InputError(
            f"{ARRIVALS.name} of {io.ds} holds {others.num_rows:,} vectors of {theirs}, and the live index {live.name}"
            f" is of {mine}: vectors of two models are never searched together; {MADE_AGAIN}"
        )
    if not rows.num_rows:
        return None
    if (meant := rows["night"][0].as_py()) != night:
        raise StaleAttempt(
            f"{ARRIVALS.name} of {io.ds} was made to be added to {meant}, and {night} is live by now; {MADE_AGAIN}"
        )
    vectors = matrix_of(rows["vector"], ARRIVALS.name, MADE_AGAIN)
    if vectors.shape[1] != live.items.width:
        raise InputError(
            f"{ARRIVALS.name} of {io.ds} holds vectors of {vectors.shape[1]} places, where {live.items.width} were"
            f" expected; {MADE_AGAIN}"
        )
    return Embedded.of(rows["item_id"].combine_chunks(), vectors, 1, f"arrivals of {io.ds}", MADE_AGAIN)


def _gone(io: StepIO, live: OpenIndex, states: pa.Table) -> tuple[str, ...]:
    """The night's items that may no longer be shown."""
    hidden = states.filter(pc.invert(may_be_shown(states, io.ds)))["item_id"]
    return tuple(pc.unique(hidden.filter(pc.is_in(hidden, value_set=live.items.ids))).sort().to_pylist())


def _fresh_until(io: StepIO, live: OpenIndex) -> str:
    """The moment of the newest state of an item that was delivered since the night, or what the index says already."""
    since = days_before(live.contents.ds, -1)
    if since > io.ds:
        return live.contents.fresh_until
    newest = pc.max(io.read(ITEMS, since=since, columns=["updated_ts"])["updated_ts"]).as_py()
    return max(newest.isoformat(), live.contents.fresh_until) if newest else live.contents.fresh_until


def _same(live: OpenIndex, fresh: Embedded | None, gone: tuple[str, ...]) -> bool:
    """Whether the live release has all of it already."""
    delta = live.contents.delta
    if delta is None:
        return fresh is None and not gone
    if delta.gone != gone or (fresh is None) != (live.fresh is None):
        return False
    if fresh is None or live.fresh is None:
        return True
    return fresh.ids.equals(live.fresh.ids) and np.array_equal(fresh.vectors, live.fresh.vectors)


def _built(io: StepIO, store: ReleaseStore, release: Release, index: OpenIndex) -> str:
    manifest = release.manifest
    with store.build(
        ds=manifest.ds,
        model=manifest.model,
        surfaces=manifest.surfaces,
        built_from={**io.origin, "models": manifest.built_from["models"]},
        base=release.stands_on,
    ) as draft:
        write_delta(draft, release, index)
    return draft.release_id


def _gates(config: DeltaConfig, index: OpenIndex, fresh: Embedded | None) -> Iterator[Gate]:
    """Whether what came is there, as it was made, and found; and what is gone is not."""
    delta = index.contents.delta
    assert delta is not None
    yield at_most(BOTH, "delta_share", (delta.items + len(delta.gone)) / len(index.items), config.largest_share)
    if fresh is not None:
        yield at_most(BOTH, "came_longest", longest_by_usual(fresh.vectors, index.items.vectors), config.longest)
        names = fresh.ids.to_pylist()[: config.checked]
        lost = [name for name, vector in zip(names, fresh.vectors, strict=False) if not _is_found(index, name, vector)]
        yield at_most(Space.FOR_ITEMS, "came_and_not_found", len(lost), 0, ", ".join(lost[:5]))
    there = [name for name in delta.gone[: config.checked] if _is_still_found(index, name)]
    yield at_most(BOTH, "gone_and_found", len(there), 0, ", ".join(there[:5]))


def _is_found(index: OpenIndex, name: str, vector: Floats) -> bool:
    """Whether an item has the vector that was made, and is found by it: no other's is nearer, but for equals."""
    if index.row(name) == NOWHERE or not np.array_equal(index.vector(ITEM, name), vector):
        return False
    query = in_space(Space.FOR_ITEMS, vector[None])
    rows, scores = index.search(Space.FOR_ITEMS, query, BESIDE)
    return index.row(name) in rows[0] or bool(scores[0, -1] >= float((query[0] * query[0]).sum()) - 1e-4)


def _is_still_found(index: OpenIndex, name: str) -> bool:
    """Whether an item of the night is found by its vector of then, in either space, by the index or without."""
    row = index.items.row(name)
    vector = np.asarray(index.items.vectors[row])[None]
    found = (
        index.search(space, in_space(space, vector), BESIDE, exact=exact)[0]
        for space in Space
        for exact in (False, True)
    )
    return any(row in rows for rows in found)
