"""Makes the release of the night, audits it as it lies on disk, and puts it live.

Reads the lists and the verdict on these very lists; without it, or with a failed gate, nothing is built. The
release holds the lists as the reader's snapshot. Its audit reads the snapshot back and compares it with the table.
Then one pointer is flipped. Where a newer day is live already, as in a backfill, or what is live is pinned, the
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
from pydantic import Field

from daybreak.code_version import code_version
from daybreak.datasets import GATES, ITEMS, LISTS
from daybreak.errors import GateError
from daybreak.lake.digest import rows_digest
from daybreak.learning import CHAMPIONS
from daybreak.releases import Check, Release, ReleaseStore
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from daybreak.surfaces import BY_MODELS, Entity, Surface, load_surfaces
from serving_export.reader.layout import LISTS_FILE
from serving_export.reader.snapshot import Snapshot
from serving_export.snapshot import ITEM_FIELDS, Entry, write_lists


class PublishConfig(StepConfig):
    """How many lists the audit compares with the table."""

    audited_lists: int = Field(500, ge=1, description="lists of a release that the audit compares with the table")


def run(config: PublishConfig, io: StepIO) -> Summary:
    """Builds, audits, publishes, and clears away what is no longer kept."""
    lists = io.day(LISTS).sort_by([(name, "ascending") for name in LISTS.key])
    surfaces = load_surfaces(io.settings.surfaces)
    _refuse_unless_passed(io.day(GATES), rows_digest(lists), surfaces, config.ds)
    store = io.releases()
    release_id = _build(io, store, lists, surfaces)
    results = store.audit(release_id, [_same_lists(lists, config.audited_lists, io.seed)])
    if failed := [f"{check.name} ({check.detail})" for check in results if not check.passed]:
        raise GateError(f"release {release_id} failed its audit: {', '.join(failed)}. What was live stays live")
    io.release = release_id
    if reason := store.reason_to_wait(config.ds):
        return {"release": release_id, "published": False, "because": reason}
    store.publish(release_id, reason=f"night {config.ds}", token=io.attempt.token)
    removed = store.collect(io.settings.keep_releases)
    return {"release": release_id, "published": True, "lists": _lists_in(store, release_id), "removed": len(removed)}


def _refuse_unless_passed(gates: pa.Table, lists_digest: str, surfaces: dict[str, Surface], ds: str) -> None:
    rows = gates.to_pylist()
    if (judged := {row["surface"] for row in rows}) != set(surfaces):
        raise GateError(
            f"the gates of {ds} judged {', '.join(sorted(judged)) or 'no surface'}, but the surfaces are now"
            f" {', '.join(surfaces)}; run serving_export.lists and serving_export.gates again"
        )
    if any(row["lists_digest"] != lists_digest for row in rows):
        raise GateError(
            f"the gates of {ds} judged other lists than those there are now; run serving_export.gates again"
        )
    if failed := [f"{row['surface']} {row['gate']}" for row in rows if not row["passed"]]:
        raise GateError(f"the lists of {ds} failed their gates: {', '.join(failed)}; nothing was built")


def _build(io: StepIO, store: ReleaseStore, lists: pa.Table, surfaces: dict[str, Surface]) -> str:
    recipe = {name: surface.model_dump(mode="json") for name, surface in surfaces.items()}
    blend = "blend-" + hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:8]
    models = _models_behind(io, surfaces)
    model = "+".join([*(f"{name}-{told['version']}" for name, told in models.items()), blend])
    catalogue = io.state(ITEMS)
    built_from = {
        "tables": _tables_behind(io),
        "models": models,
        "code_version": code_version(),
        "attempt": io.attempt.token,
    }
    with store.build(ds=io.ds, model=model, surfaces=surfaces, built_from=built_from) as draft:
        without_own = [name for name, surface in surfaces.items() if surface.rules.own and surface.query is Entity.ITEM]
        written = write_lists(draft.path / LISTS_FILE, _entries(lists), _items(catalogue), without_own)
        draft.add(LISTS_FILE, rows=written)
    return draft.release_id


def _models_behind(io: StepIO, surfaces: dict[str, Surface]) -> dict[str, dict[str, Any]]:
    """The versions of the models that listed for these surfaces tonight."""
    asked = {name for surface in surfaces.values() for name in surface.sources}.intersection(BY_MODELS)
    if not asked:
        return {}
    rows = io.day(CHAMPIONS, columns=["model", "version", "digest", "trained_until"]).sort_by("model").to_pylist()
    return {row.pop("model"): row for row in rows if row["model"] in asked}


def _tables_behind(io: StepIO) -> dict[str, int]:
    """Every table version that went into the lists, also by way of other steps."""
    tables = {touched.dataset: touched.version for touched in io.inputs.values() if touched.version is not None}
    for run in io.lineage.behind(io.ds, tables):
        for read in run.inputs:
            if read.version is not None:
                tables.setdefault(read.dataset, read.version)
    return dict(sorted(tables.items()))


def _entries(lists: pa.Table) -> Iterator[tuple[str, str, list[Entry]]]:
    """The lists one by one; rows are sorted by surface, query and rank."""
    for batch in _whole_lists(lists):
        rows = zip(
            *(batch[name].to_pylist() for name in ("surface", "query_id", "candidate_id", "score", "source")),
            strict=True,
        )
        for (surface, query), group in groupby(rows, key=lambda row: (row[0], row[1])):
            yield surface, query, [Entry(candidate, score, source) for _, _, candidate, score, source in group]


def _whole_lists(lists: pa.Table, rows: int = 200_000) -> Iterator[pa.Table]:
    """Slices of about so many rows that end where a list ends."""
    starts = np.r_[np.flatnonzero(lists["rank"].to_numpy() == 0), lists.num_rows]
    begin = 0
    while begin < lists.num_rows:
        end = int(starts[min(np.searchsorted(starts, begin + rows), len(starts) - 1)])
        yield lists.slice(begin, end - begin)
        begin = end


def _items(catalogue: pa.Table) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in catalogue.select(["item_id", *ITEM_FIELDS]).to_pylist():
        yield row.pop("item_id"), row


def _lists_in(store: ReleaseStore, release_id: str) -> int:
    return store.open(release_id, verify=False).manifest.files[LISTS_FILE].rows


def _same_lists(lists: pa.Table, sample: int, seed: int) -> Callable[[Release], Check]:
    """The check that the snapshot on disk holds the table's lists: their number, and a sample entry by entry."""

    def check(release: Release) -> Check:
        starts = np.flatnonzero(lists["rank"].to_numpy() == 0)
        if (stored := release.manifest.files[LISTS_FILE].rows) != len(starts):
            return Check("lists", False, f"the snapshot holds {stored} lists, the table {len(starts)}")
        ends = np.r_[starts[1:], lists.num_rows]
        chosen = np.random.default_rng(seed).choice(len(starts), min(sample, len(starts)), replace=False)
        snapshot = Snapshot(release)
        for number in np.sort(chosen).tolist():
            part = lists.slice(starts[number], ends[number] - starts[number])
            surface, query = part["surface"][0].as_py(), part["query_id"][0].as_py()
            stored_ids = [entry["id"] for entry in snapshot.entries(surface, query) or []]
            if stored_ids != part["candidate_id"].to_pylist():
                return Check("lists", False, f"{surface}/{query or 'fallback'} differs from the table")
        return Check("lists", True, f"{len(chosen)} lists equal the table")

    return check
