"""Builds the index of one shard, for both spaces. Mapped tasks build all shards side by side.

What is built lies in `home/indexing/<day>` until `indexing.publish` makes it part of a release. It is named for what it
was built from: a second run finds it there, and one of other vectors is never taken. Where vectors are searched exactly
there is nothing to build, which the summary says.
"""

from __future__ import annotations

import os
from contextlib import suppress

import torch
from pydantic import Field

from daybreak.errors import InputError, ReleaseError
from daybreak.files import fsync_file
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from daybreak.vectors import run_of, vectors_of
from indexing.ann import build, read
from indexing.plan import Plan, night_plan
from indexing.spaces import Space
from indexing.specification import Kind


class ShardConfig(StepConfig):
    """Which shard, and by how many threads."""

    number: int = Field(0, ge=0, description="the shard, from 0")
    threads: int | None = Field(
        None, ge=1, description="threads; else all there are, but one for graphs, which are the same again only so"
    )
    device: str | None = Field(
        None, description="where torch builds what it can, such as cuda; else the GPU where there is one, else cpu"
    )


def run(config: ShardConfig, io: StepIO) -> Summary:
    """Builds what the plan of the night says."""
    made = run_of(io, io.ds)
    if made is None:
        return {"vectors": "no champion yet"}
    plan = night_plan(io, made, vectors_of(io, made, io.ds))
    if config.number >= plan.items.shards:
        raise InputError(f"there are {plan.items.shards} shards, from 0; there is no shard {config.number}")
    return {space.value: _built(config, plan, space) for space in Space}


def _built(config: ShardConfig, plan: Plan, space: Space) -> str:
    specification = plan.specifications[space]
    if specification.kind is Kind.EXACT:
        return "exact"
    vectors = plan.vectors(space)[plan.items.shard(config.number)]
    path = plan.shard_path(space, config.number, vectors)
    if path.exists():
        with suppress(ReleaseError):  # cut short: it is built again
            read(path, specification, vectors)
            return f"{specification}, there already"
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    ann = build(specification, vectors, plan.seed, config.threads, device)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        ann.write(beside)
        fsync_file(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return f"{specification}, {len(vectors):,} vectors"
