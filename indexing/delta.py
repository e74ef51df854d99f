"""Adds what came since the night to the live index, by the hour, and takes out what is gone.

The files of the night stay the very same; beside them lies a small delta: new and changed items with vectors by the
same model, which are searched exactly, and the ids of items that may no longer be shown. Together they are one release
like any other: audited, flipped to at once, rolled back to what was live before. `fresh_until` of a release is the
newest state of an item that is in it. The next night folds all of it in.

Nothing is done where nothing came. Vectors of another model than the index's are refused, and where another release has
gone live meanwhile, such as the night's, this one is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
from pydantic import Field

from daybreak.clock import days_before
from daybreak.datasets import ITEMS
from daybreak.embeddings import ARRIVALS
from daybreak.errors import InputError
from daybreak.indexes import CHANNEL
from daybreak.item_states import may_be_shown
from daybreak.learning import ITEM, Model
from daybreak.releases import ReleaseStore
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from daybreak.vectors import matrix_of
from indexing.assembling import with_known_answers
from indexing.contents import Delta, model_name
from indexing.embedded import Embedded
from indexing.gates import BOTH, Gate, at_most, check_of, refuse_failed
from indexing.opened import OpenIndex
from indexing.spaces import Space
from indexing.writing import write_delta


class DeltaConfig(StepConfig):
    """How much may come by the hour."""

    largest_share: float = Field(
        0.1, gt=0, le=1, description="share of the night's items that may be new, changed or gone before it is refused"
    )
    checked: int = Field(64, ge=1, description="items that came, and that are gone, which are looked for")


def run(config: DeltaConfig, io: StepIO) -> Summary:
    """Builds, proves and publishes the release of the hour."""
    store = io.releases(CHANNEL)
    if store.current_id() is None:
        return {"index": "none is live yet"}
    live = OpenIndex.of(store.current())
    fresh = _fresh(io, live)
    gone, fresh_until = _gone(io, live), _fresh_until(io, live)
    if _same(live, fresh, gone):
        return {"release": live.name, "published": False, "because": "nothing came since"}
    base = live.contents.delta.base if live.contents.delta else live.name
    contents = replace(
        live.contents, fresh_until=fresh_until, delta=Delta(base, len(fresh) if fresh else 0, gone), parts={}, known=()
    )
    index = with_known_answers(live.with_delta(contents, fresh), seed=0)
    release_id = _built(io, store, live, index)
    gates = [*_gates(config, OpenIndex.of(store.open(release_id)))]
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


def _fresh(io: StepIO, live: OpenIndex) -> Embedded | None:
    """The items that came or changed since the night; None where none did."""
    rows = io.day(ARRIVALS)
    others = rows.filter(pc.not_equal(rows["digest"], live.contents.digest))
    if others.num_rows:
        theirs = model_name(Model.TWO_TOWER, others["version"][0].as_py())
        mine = model_name(live.contents.model, live.contents.version)
        raise InputError(
            f"{ARRIVALS.name} of {io.ds} holds {others.num_rows:,} vectors of {theirs}, and the live index {live.name}"
            f" is of {mine}: vectors of two models are never searched together; run training.arrivals again"
        )
    if not rows.num_rows:
        return None
    vectors = matrix_of(rows["vector"], ARRIVALS.name)
    if vectors.shape[1] != live.items.width:
        raise InputError(
            f"{ARRIVALS.name} of {io.ds} holds vectors of {vectors.shape[1]} places, where {live.items.width} were"
            " expected; run training.arrivals again"
        )
    return Embedded.of(rows["item_id"].combine_chunks(), vectors, 1, f"arrivals of {io.ds}")


def _gone(io: StepIO, live: OpenIndex) -> tuple[str, ...]:
    """The night's items that may no longer be shown."""
    states = io.state(ITEMS)
    hidden = states.filter(pc.invert(may_be_shown(states, io.ds)))["item_id"]
    return tuple(pc.unique(hidden.filter(pc.is_in(hidden, value_set=live.items.ids))).sort().to_pylist())


def _fresh_until(io: StepIO, live: OpenIndex) -> str:
    """The moment of the newest state of an item that was delivered since the night; else what the index says."""
    since = days_before(live.contents.ds, -1)
    if since > io.ds:
        return live.contents.fresh_until
    newest = pc.max(io.read(ITEMS, since=since, columns=["updated_ts"])["updated_ts"]).as_py()
    return newest.isoformat() if newest else live.contents.fresh_until


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


def _built(io: StepIO, store: ReleaseStore, live: OpenIndex, index: OpenIndex) -> str:
    release = store.open(live.name, verify=False)
    manifest = release.manifest
    built_from = {**io.origin, "models": manifest.built_from["models"]}
    with store.build(ds=manifest.ds, model=manifest.model, surfaces=manifest.surfaces, built_from=built_from) as draft:
        write_delta(draft, release, live.contents, index)
    return draft.release_id


def _gates(config: DeltaConfig, index: OpenIndex) -> Iterator[Gate]:
    """Whether what came is found, and what is gone is not."""
    delta = index.contents.delta
    assert delta is not None
    yield at_most(BOTH, "delta_share", (delta.items + len(delta.gone)) / len(index.items), config.largest_share)
    came = index.fresh.ids.to_pylist()[: config.checked] if index.fresh else []
    lost = [name for name in came if not _is_found(index, name)]
    yield at_most(Space.FOR_ITEMS, "came_and_not_found", len(lost), 0, ", ".join(lost[:5]))
    there = [name for name in delta.gone[: config.checked] if index.rows([name]).size]
    yield at_most(BOTH, "gone_and_found", len(there), 0, ", ".join(there[:5]))


def _is_found(index: OpenIndex, name: str) -> bool:
    """Whether nothing is nearer to an item's own direction than the item itself, but for equals."""
    query = index.vectors(Space.FOR_ITEMS, ITEM, name)
    rows, scores = index.search(Space.FOR_ITEMS, query, 1)
    own = float((query[0] * query[0]).sum())
    return bool(rows[0, 0] == index.row(name) or scores[0, 0] >= own - 1e-4)
