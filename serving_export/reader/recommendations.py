"""Looks a list up and says everything about where it comes from; the reader and `daybreak lookup` answer with it."""

from __future__ import annotations

from typing import Any

from daybreak.errors import InputError
from serving_export.reader.snapshot import Snapshot

LONGEST_ID = 256
LONGEST_LIST = 100
DEFAULT_LENGTH = 20


class UnknownSurfaceError(InputError):
    """The release has no such surface."""


def check_id(query_id: str) -> None:
    """Refuses what can be no id."""
    if not query_id:
        raise InputError("the id must not be empty")
    if len(query_id) > LONGEST_ID:
        raise InputError(f"an id has at most {LONGEST_ID} characters, found {len(query_id)}")
    try:
        query_id.encode()
    except UnicodeEncodeError:
        raise InputError("the id must be text that UTF-8 can write") from None


def recommend(snapshot: Snapshot, surface: str, query_id: str, length: int, age_s: float) -> dict[str, Any]:
    """The first `length` entries for a query; for one that has no list, those of its segment's list or everyone's."""
    if surface not in snapshot.surfaces:
        raise UnknownSurfaceError(f"no surface is called '{surface}'; there are: {', '.join(snapshot.surfaces)}")
    source, entries = "list", snapshot.entries(surface, query_id)
    if not entries:
        source, entries = snapshot.fallback(surface, query_id)
    shown = entries[: min(length, snapshot.length(surface))]
    return {
        "surface": surface,
        "id": query_id,
        "items": [{**entry, **snapshot.told_of(surface, entry["id"])} for entry in shown],
        "release": snapshot.id,
        "model": snapshot.release.manifest.model,
        "ds": snapshot.release.manifest.ds,
        "age_s": round(age_s),
        "fallback": source != "list",
        "source": source if entries else "none",
    }
