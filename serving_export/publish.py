"""Makes the release of the night, audits it as it lies on disk, and puts it live.

Reads the lists and the verdict on these very lists; without it, or with a failed gate that nobody let pass, nothing is
built. The release holds the lists as the reader's snapshot. Its audit reads the snapshot back and compares it with the
table. Then one pointer is flipped. Where a newer day is live already, as in a backfill, or what is live is pinned, the
release is kept beside and the pointer stays. A second run of a day makes the same release, byte for byte, and finds
it there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection
from pydantic import Field

from daybreak.code_version import code_version
from daybreak.datasets import GATES, ITEMS, LISTS, OVERRIDES, USERS
from daybreak.duckdb_files import rows_of
from daybreak.errors import GateError
from daybreak.learning import CHAMPIONS, RANKERS, Model
from daybreak.releases import Check, Release, ReleaseStore
from daybreak.sources import BY_MODELS, Entity
from daybreak.step_io import StepIO
from daybreak.steps import Memory, StepConfig, Summary
from daybreak.surfaces import Surface, load_surfaces
from serving_export.gates.step import overridden
from serving_export.lists_digest import lists_digest
from serving_export.reader.layout import LISTS_FILE
from serving_export.reader.snapshot import Snapshot
from serving_export.shelf import EVERYONE, QUERY, SEGMENT
from serving_export.snapshot import ITEM_FIELDS, Entry, ListOf, write_lists

ROWS_AT_ONCE = 1 << 16
LISTED = ("surface", "audience", "query_id", "candidate_id", "score", "source", "reason", "chance")


class PublishConfig(StepConfig):
    """How many lists the audit compares with the table."""

    audited_lists: int = Field(500, ge=1, description="lists of a release that the audit compares with the table")
    memory: Memory = Field("2GB", description="memory that the engine may take; the rest is spilled")


def run(config: PublishConfig, io: StepIO) -> Summary:
    """Builds, audits, publishes, and clears away what is no longer kept."""
    io.require(LISTS)
    surfaces, digest = load_surfaces(io.settings.surfaces), lists_digest(io)
    let_pass = overridden(io, digest)
    _refuse_unless_passed(io.day(GATES), digest, surfaces, let_pass, config.ds)
    store = io.releases()
    with io.duckdb(config.memory) as engine:
        lists = rows_of(engine, LISTS, io.paths(LISTS, since=config.ds, until=config.ds))
        release_id = _build(io, store, engine, lists, surfaces, let_pass)
        results = store.audit(release_id, [_same_lists(engine, lists, config.audited_lists, io.seed)])
    if failed := [f"{check.name} ({check.detail})" for check in results if not check.passed]:
        raise GateError(f"release {release_id} failed its audit: {', '.join(failed)}. What was live stays live")
    io.release = release_id
    if reason := store.reason_to_wait(config.ds):
        return {"release": release_id, "published": False, "because": reason}
    store.publish(release_id, reason=f"night {config.ds}", token=io.attempt.token)
    removed = store.collect(io.settings.keep_releases)
    io.releases(RANKERS).collect(io.settings.keep_releases)
    return {"release": release_id, "published": True, "lists": _lists_in(store, release_id), "removed": len(removed)}


def _refuse_unless_passed(
    gates: pa.Table, digest: str, surfaces: dict[str, Surface], let_pass: dict[tuple[str, str], str], ds: str
) -> None:
    rows = gates.to_pylist()
    if (judged := {row["surface"] for row in rows}) != set(surfaces):
        raise GateError(
            f"the gates of {ds} judged {', '.join(sorted(judged)) or 'no surface'}, but the surfaces are now"
            f" {', '.join(surfaces)}; run serving_export.lists and serving_export.gates again"
        )
    if any(row["lists_digest"] != digest for row in rows):
        raise GateError(
            f"the gates of {ds} judged other lists than those there are now; run serving_export.gates again"
        )
    failed = [row for row in rows if not row["passed"]]
    stopping = [row for row in failed if row["absolute"] or (row["surface"], row["gate"]) not in let_pass]
    if stopping:
        told = ", ".join(f"{row['surface']} {row['gate']}" for row in stopping)
        raise GateError(f"the lists of {ds} failed their gates: {told}; nothing was built")


def _build(
    io: StepIO,
    store: ReleaseStore,
    engine: DuckDBPyConnection,
    lists: str,
    surfaces: dict[str, Surface],
    let_pass: dict[tuple[str, str], str],
) -> str:
    recipe = {name: surface.model_dump(mode="json") for name, surface in surfaces.items()}
    blend = "blend-" + hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:8]
    models = _models_behind(io, surfaces)
    model = "+".join([*(f"{name}-{told['version']}" for name, told in models.items()), blend])
    catalogue, users = io.state(ITEMS), io.state(USERS)
    built_from = {
        "tables": _tables_behind(io),
        "models": models,
        "overrides": {f"{surface} {gate}": reason for (surface, gate), reason in sorted(let_pass.items())},
        "code_version": code_version(),
        "attempt": io.attempt.token,
    }
    served = {
        name: {
            "length": surface.length,
            "without_own": surface.rules.own and surface.query is surface.candidate,
            "of_items": surface.candidate is Entity.ITEM,
        }
        for name, surface in surfaces.items()
    }
    with store.build(ds=io.ds, model=model, surfaces=surfaces, built_from=built_from) as draft:
        path = draft.path / LISTS_FILE
        draft.add(
            LISTS_FILE, rows=write_lists(path, _lists(engine, lists), _items(catalogue), served, _segments(users))
        )
    return draft.release_id


def _models_behind(io: StepIO, surfaces: dict[str, Surface]) -> dict[str, dict[str, Any]]:
    """The versions of the models that listed or ranked for these surfaces tonight."""
    asked = {name.value for surface in surfaces.values() for name in surface.asked if name in BY_MODELS}
    asked |= {Model.RANKER.value for surface in surfaces.values() if surface.rank.by == "ranker"}
    if not asked:
        return {}
    rows = io.day(CHAMPIONS, columns=["model", "version", "digest", "trained_until"]).sort_by("model").to_pylist()
    return {row.pop("model"): row for row in rows if row["model"] in asked}


def _tables_behind(io: StepIO) -> dict[str, int]:
    """Every table version that went into the lists, also by way of other steps. What people let pass is told apart."""
    tables = {touched.dataset: touched.version for touched in io.inputs.values() if touched.version is not None}
    tables.pop(OVERRIDES.name, None)
    for run in io.lineage.behind(io.ds, tables):
        for read in run.inputs:
            if read.version is not None:
                tables.setdefault(read.dataset, read.version)
    return dict(sorted(tables.items()))


def _lists(engine: DuckDBPyConnection, lists: str) -> Iterator[ListOf]:
    """The lists one by one, in the order of their keys."""
    rows = engine.sql(f"SELECT {', '.join(LISTED)} FROM {lists} ORDER BY surface, audience, query_id, rank")
    for key, group in groupby(_rows(rows.to_arrow_reader(ROWS_AT_ONCE)), key=lambda row: row[:3]):
        surface, audience, query = key
        yield ListOf(surface, audience, query, [Entry(*row[3:]) for row in group])


def _rows(batches: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _items(catalogue: pa.Table) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in catalogue.select(["item_id", *ITEM_FIELDS]).to_pylist():
        yield row.pop("item_id"), row


def _segments(users: pa.Table) -> Iterator[tuple[str, str]]:
    for user, segment in zip(users["user_id"].to_pylist(), users["segment"].to_pylist(), strict=True):
        if segment:
            yield user, segment


def _lists_in(store: ReleaseStore, release_id: str) -> int:
    return store.open(release_id, verify=False).manifest.files[LISTS_FILE].rows


def _same_lists(engine: DuckDBPyConnection, lists: str, sample: int, seed: int) -> Callable[[Release], Check]:
    """The check that the snapshot on disk holds the table's lists: their number, and a sample entry by entry."""

    def check(release: Release) -> Check:
        keys = engine.sql(
            f"SELECT surface, audience, query_id FROM {lists} WHERE rank = 0 ORDER BY ALL"
        ).to_arrow_table()
        if (stored := release.manifest.files[LISTS_FILE].rows) != keys.num_rows:
            return Check("lists", False, f"the snapshot holds {stored} lists, the table {keys.num_rows}")
        draw = np.random.default_rng(seed)
        chosen = keys.take(np.sort(draw.choice(keys.num_rows, min(sample, keys.num_rows), replace=False)))
        engine.register("sampled", chosen)
        snapshot = Snapshot(release)
        sampled = f"(FROM {lists} SEMI JOIN sampled USING (surface, audience, query_id))"
        for (surface, audience, query), entries in ((each[:3], each.entries) for each in _lists(engine, sampled)):
            if [entry["id"] for entry in _stored(snapshot, surface, audience, query)] != [each.id for each in entries]:
                return Check("lists", False, f"{surface}/{query or 'fallback'} differs from the table")
        return Check("lists", True, f"{chosen.num_rows} lists equal the table")

    return check


def _stored(snapshot: Snapshot, surface: str, audience: str, query: str) -> list[dict[str, Any]]:
    """A list as the snapshot holds it."""
    if audience == SEGMENT:
        return snapshot.of_segment(surface, query) or []
    assert audience in (QUERY, EVERYONE)
    return snapshot.entries(surface, query) or []
