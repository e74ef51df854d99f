"""How the lists of two releases differ: in numbers for each surface, and list by list where they differ most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import groupby
from typing import Any

from daybreak.releases import Release
from serving_export.reader.snapshot import Snapshot

EXAMPLES = 5
MOVED = 10


@dataclass
class Shelf:
    """One surface in both releases, as far as it has been gone through."""

    lists: Counter[str] = field(default_factory=Counter)
    kept: float = 0.0
    shown: Counter[str] = field(default_factory=Counter)
    sources: dict[str, Counter[str]] = field(default_factory=lambda: {"first": Counter(), "second": Counter()})
    differing: list[tuple[float, str]] = field(default_factory=list)


def difference(first: Release, second: Release, only: str | None = None) -> dict[str, Any]:
    """What changed from the first release to the second."""
    old = Snapshot(first)
    new = old if second.id == first.id else Snapshot(second)
    surfaces = [name for name in dict.fromkeys([*old.surfaces, *new.surfaces]) if only in (None, name)]
    return {
        "first": _told(first),
        "second": _told(second),
        "built_from": _changes(first.manifest.built_from, second.manifest.built_from),
        "surfaces": {name: _compared(name, old, new) for name in surfaces},
    }


def _told(release: Release) -> dict[str, Any]:
    return {"release": release.id, "ds": release.manifest.ds, "model": release.manifest.model}


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Tables, models and code that are not what they were."""
    found: dict[str, Any] = {}
    for part in ("tables", "models"):
        before, after = old.get(part, {}), new.get(part, {})
        moved = {name: [before.get(name), after.get(name)] for name in sorted({*before, *after})}
        found[part] = {name: pair for name, pair in moved.items() if pair[0] != pair[1]}
    if old.get("code_version") != new.get("code_version"):
        found["code_version"] = [old.get("code_version"), new.get("code_version")]
    return found


def _compared(surface: str, old: Snapshot, new: Snapshot) -> dict[str, Any]:
    shelf = Shelf()
    for query, before, after in _side_by_side(surface, old, new):
        _count(shelf, query, before, after)
    both = shelf.lists["both"]
    movers = sorted(shelf.shown.items(), key=lambda each: (-abs(each[1]), each[0]))[:MOVED]
    return {
        "lists": {name: shelf.lists[name] for name in ("first", "second", "both", "same")},
        "entries_kept": shelf.kept / both if both else None,
        "sources": {side: _shares(counts) for side, counts in shelf.sources.items()},
        "moved": [{"candidate": name, "lists": change} for name, change in movers if change],
        "examples": [
            {"query": query, "kept": kept, "first": _ids(surface, old, query), "second": _ids(surface, new, query)}
            for kept, query in nlargest(EXAMPLES, shelf.differing, key=lambda each: (-each[0], each[1]))
        ],
    }


def _side_by_side(
    surface: str, old: Snapshot, new: Snapshot
) -> Iterator[tuple[str, list[dict[str, Any]] | None, list[dict[str, Any]] | None]]:
    """Every query that has a list in either, in the order of their keys, with what each shows of it."""
    lists = sorted([(query, 0) for query in old.queries(surface)] + [(query, 1) for query in new.queries(surface)])
    for query, sides in groupby(lists, key=lambda each: each[0]):
        there = {side for _, side in sides}
        yield (
            query,
            _shown(surface, old, query) if 0 in there else None,
            _shown(surface, new, query) if 1 in there else None,
        )


def _shown(surface: str, snapshot: Snapshot, query: str) -> list[dict[str, Any]]:
    return (snapshot.entries(surface, query) or [])[: snapshot.length(surface)]


def _ids(surface: str, snapshot: Snapshot, query: str) -> list[str]:
    return [entry["id"] for entry in _shown(surface, snapshot, query)][:MOVED]


def _count(shelf: Shelf, query: str, before: list[dict[str, Any]] | None, after: list[dict[str, Any]] | None) -> None:
    for side, entries, sign in (("first", before, -1), ("second", after, 1)):
        for entry in entries or []:
            shelf.sources[side][entry["source"]] += 1
            shelf.shown[entry["id"]] += sign
    if before is None or after is None:
        shelf.lists["second" if before is None else "first"] += 1
        return
    shelf.lists["both"] += 1
    old, new = [entry["id"] for entry in before], [entry["id"] for entry in after]
    kept = len({*old} & {*new}) / max(len(old), len(new), 1) if old or new else 1.0
    shelf.kept += kept
    shelf.lists["same"] += old == new
    if old != new:
        shelf.differing.append((kept, query))


def _shares(counts: Counter[str]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: count / total for name, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))}
