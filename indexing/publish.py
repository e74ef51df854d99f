"""Puts the shards of a night together as one release of the index, proves it, and makes it live.

Finds the effort of each space against exact truth, writes vectors, ids and shards beside, and then asks the release as
it lies on disk: recall of the true hundred overall, of what is wanted least, of what is new and under filters, on
questions that the effort was not found with; whether ids and vectors belong together; the answers that `canaries` name;
what changed since the index that is live; many searches at once. The verdict is in `indexing/gates`. A gate that fails
stops the night here, and the index that is live stays live.

A release holds model version, ids, vectors and index, and is never opened with parts of another. Where a newer day is
live already, as in a backfill, or what is live is pinned, it is kept beside. A second run of a night makes the same
release. Without vectors of a champion there is nothing to build.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from daybreak.datasets import ITEMS
from daybreak.errors import ReleaseError
from daybreak.indexes import CHANNEL, INDEX_BUILDS, INDEX_GATES
from daybreak.lake.schemas import data_schema
from daybreak.learning import CHAMPIONS, USER, Model
from daybreak.releases import ReleaseStore
from daybreak.releases.manifest import day_of
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from daybreak.vectors import run_of, vectors_of
from indexing.arrays import NOWHERE, Ints
from indexing.assembling import Asked, assembled
from indexing.contents import Known, model_name
from indexing.embedded import Embedded, as_told, night_embedded
from indexing.gates import BOTH, Gate, Judge, Limits, at_least, at_most, check_of, refuse_failed, rows_of, tail
from indexing.opened import NOTHING, OpenIndex
from indexing.plan import Plan, night_plan
from indexing.spaces import Space
from indexing.writing import clear, write_night


class Canary(BaseModel):
    """A question whose answer a person knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: Space = Field(Space.FOR_ITEMS, description="for_users, or for_items: beside an item")
    id: str = Field(description="the user or item that is asked about")
    finds: tuple[str, ...] = Field(description="items that must be among the first hundred")


class PublishConfig(StepConfig):
    """What an index must prove."""

    limits: Limits = Field(Limits(), description="what the gates hold an index to")
    canaries: tuple[Canary, ...] = Field((), description="questions with known answers: space, id and finds")


def run(config: PublishConfig, io: StepIO) -> Summary:
    """Builds, judges, audits and publishes the release of the night."""
    made = run_of(io, io.ds)
    if made is None:
        io.write(INDEX_GATES, data_schema(INDEX_GATES).empty_table())
        io.write(INDEX_BUILDS, data_schema(INDEX_BUILDS).empty_table())
        return {"release": "no champion yet"}
    told = vectors_of(io, made, io.ds)
    plan = night_plan(io, made, told)
    store, filters = io.releases(CHANNEL), _filters(io, plan.items)
    users = night_embedded(io, told, USER, shards=1)
    release_id = _built(config, io, store, plan, users, filters)
    gates = _verdict(config, io, store, plan, told, release_id, filters)
    io.write(INDEX_GATES, rows_of(gates, release_id))
    store.audit(release_id, [check_of(gate) for gate in gates])
    io.release = release_id
    refuse_failed(gates, config.ds)
    build = {
        "model": Model.TWO_TOWER.value,
        "version": plan.run.version,
        "release": release_id,
        "items": len(plan.items),
        "users": len(users),
    }
    io.write(INDEX_BUILDS, pa.Table.from_pylist([build], schema=data_schema(INDEX_BUILDS)))
    clear(plan.folder, io.days(INDEX_BUILDS))
    summary = {**build, "shards": plan.items.shards, "for_users": str(plan.specifications[Space.FOR_USERS])}
    if reason := store.reason_to_wait(config.ds) or _has_hours(store, release_id):
        return {**summary, "published": False, "because": reason}
    store.publish(release_id, reason=f"night {config.ds}", token=io.attempt.token)
    return {**summary, "published": True, "removed": len(store.collect(io.settings.keep_releases))}


def _has_hours(store: ReleaseStore, release_id: str) -> str | None:
    """Why the same night's release is not put in the place of what hours have made of it."""
    live = store.current(verify=False) if store.current_id() else None
    if live is not None and live.manifest.base == release_id:
        return f"{live.id} is live, which is this very release and what came since"
    return None


def _built(
    config: PublishConfig,
    io: StepIO,
    store: ReleaseStore,
    plan: Plan,
    users: Embedded,
    filters: Mapping[str, Ints],
) -> str:
    limits = config.limits
    asked = Asked(io.settings.index_recall, limits.recall_k, limits.questions, (NOTHING, *filters.values()))
    index, anns = assembled(plan, users, io.ds, asked)
    told = {"version": plan.run.version, "digest": plan.run.digest}
    built_from = {**io.origin, "models": {Model.TWO_TOWER.value: told}}
    model = model_name(Model.TWO_TOWER, plan.run.version)
    with store.build(ds=io.ds, model=model, surfaces=list(Space), built_from=built_from) as draft:
        write_night(draft, index, anns)
    return draft.release_id


def _verdict(
    config: PublishConfig,
    io: StepIO,
    store: ReleaseStore,
    plan: Plan,
    told: pa.Table,
    release_id: str,
    filters: Mapping[str, Ints],
) -> list[Gate]:
    """Every gate, over the release as it lies on disk."""
    try:
        index = OpenIndex.of(store.open(release_id))
    except ReleaseError as error:
        return [at_least(BOTH, "opens", 0, 1, str(error))]
    before = _before(store, io.ds)
    judge = Judge(index, config.limits, io.settings.index_recall, plan.seed)
    groups = {"tail": tail(index.items)}
    if before is not None:
        groups["new"] = np.flatnonzero(before.items.rows(index.items.ids) == NOWHERE)
    canaries = tuple(Known(each.space, each.id, each.finds) for each in config.canaries)
    gates = [
        at_least(BOTH, "opens", 1, 1),
        _of_champion(io, plan),
        *judge.of_vectors(),
        *judge.of_ids(partial(as_told, told)),
        *judge.of_canaries(canaries),
        *judge.of_recall(groups, filters),
        *judge.of_load(),
    ]
    if before is None:
        return gates
    return [*gates, *judge.of_yesterday(before), _of_bytes(store, release_id, before, config.limits.bytes_factor)]


def _of_bytes(store: ReleaseStore, release_id: str, before: OpenIndex, factor: float) -> Gate:
    """How many times as large, or as small, as the index before."""
    now, then = (
        sum(entry.bytes for entry in release.manifest.files.values())
        for release in (store.open(release_id, verify=False), store.open(before.name, verify=False))
    )
    return at_most(BOTH, "bytes_by_yesterday", max(now / max(then, 1), then / max(now, 1)), factor)


def _of_champion(io: StepIO, plan: Plan) -> Gate:
    """Whether the vectors are of the version that is tonight's champion."""
    rows = io.day(CHAMPIONS, columns=["model", "digest"]).to_pylist()
    told = [row["digest"] for row in rows if row["model"] == Model.TWO_TOWER]
    detail = f"the vectors are of {plan.run.digest[:12]}, the champion is {(told or ['none'])[0][:12]}"
    return at_least(BOTH, "of_champion", float(told == [plan.run.digest]), 1, detail)


def _before(store: ReleaseStore, ds: str) -> OpenIndex | None:
    """The newest index of an earlier day that was live and can be opened, for a night that is made anew too."""
    pointer = store.pointer()
    was_live = [pointer.release, *pointer.before_current] if pointer else []
    for release_id in was_live:
        if day_of(release_id) < ds:
            with suppress(ReleaseError):
                return OpenIndex.of(store.open(release_id))
    return None


def _filters(io: StepIO, items: Embedded) -> dict[str, Ints]:
    """What is hidden where a surface shows one category only: the most common one, and the rarest."""
    states = io.state(ITEMS)
    mine = states.filter(pc.is_in(states["item_id"], value_set=items.ids))
    counts = sorted(
        (each["counts"], each["values"]) for each in pc.value_counts(mine["category"]).to_pylist() if each["values"]
    )
    if len(counts) < 2:
        return {}
    everything = np.arange(len(items))
    found = {}
    for name, (_, category) in (("in_rarest_category", counts[0]), ("in_largest_category", counts[-1])):
        shown = items.rows(mine.filter(pc.equal(mine["category"], category))["item_id"].combine_chunks())
        found[name] = np.setdiff1d(everything, shown)
    return found
