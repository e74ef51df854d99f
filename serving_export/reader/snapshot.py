"""Opens the lists of a release for reading: a memory-mapped LMDB file that processes share through the page cache.

An environment is never closed: a request may still read from it when a newer release takes over. It is dropped instead,
and Python frees the map with its last reader. For the same reason values are copied out (`buffers=False`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daybreak.errors import MissingExtra, ReleaseError
from daybreak.releases import Release
from serving_export.reader import layout

try:
    import lmdb
except ModuleNotFoundError:
    raise MissingExtra("lmdb", "reader") from None


class Snapshot:
    """The lists of one release. Open each release once in a process: LMDB does not map a file twice."""

    def __init__(self, release: Release) -> None:
        self.release = release
        path = release.file(layout.LISTS_FILE)
        self._refuse_cut_file(path)
        try:
            environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False, readahead=False, create=False)
            self._transaction = environment.begin(buffers=False)
            found = self._transaction.get(layout.LAYOUT_KEY)
        except lmdb.Error as error:
            raise ReleaseError(f"the lists of release {release.id} cannot be opened: {error}") from None
        if found != layout.LAYOUT:
            raise ReleaseError(
                f"the lists of release {release.id} have layout {found!r}, this reader knows {layout.LAYOUT!r}; "
                "update the reader or build the release again"
            )
        self._served: dict[str, dict[str, Any]] = self._document(layout.SURFACES_SPACE, "")

    def _refuse_cut_file(self, path: Path) -> None:
        """A page that is mapped but not there ends the process: the size is looked at, whoever opens the release."""
        found = path.stat().st_size if path.is_file() else 0
        expected = self.release.manifest.files[layout.LISTS_FILE].bytes
        if found != expected:
            raise ReleaseError(f"release {self.id}: file {path.name} has {found} bytes and should have {expected}")

    @property
    def id(self) -> str:
        return self.release.id

    @property
    def surfaces(self) -> tuple[str, ...]:
        return self.release.manifest.surfaces

    def length(self, surface: str) -> int:
        """Entries that a list of the surface shows by itself; what it holds behind them waits for removals."""
        return int(self._served[surface]["length"])

    def entries(self, surface: str, query: str) -> list[dict[str, Any]] | None:
        """The list of a query, best first, each entry with id, score, source and reason; None where there is none."""
        return self._document(surface, query)

    def queries(self, surface: str) -> Iterator[str]:
        """Every query of a surface that has a list of its own, in the order of the stored keys."""
        prefix = layout.full_key(surface, "")
        with self._transaction.cursor() as cursor:
            for stored, value in cursor:
                key = layout.full_key_of(stored, value)
                if key.startswith(prefix) and key != prefix:
                    yield key[len(prefix) :].decode()

    def of_segment(self, surface: str, segment: str) -> list[dict[str, Any]] | None:
        """The list of a segment; None where there is none."""
        return self._document(f"{layout.SEGMENT_SPACE}{surface}", segment)

    def fallback(self, surface: str, query: str) -> tuple[str, list[dict[str, Any]]]:
        """What a query without a list gets, and whose list that is: of its segment where that is known and has one,
        else of everyone. Beside an item it leaves out the item itself."""
        segment = self._document(layout.SEGMENT_OF_SPACE, query)
        found = self.of_segment(surface, segment) if segment else None
        whose = "segment" if found else "everyone"
        entries = found or self.entries(surface, layout.FALLBACK_QUERY) or []
        if self._served[surface]["without_own"]:
            entries = [entry for entry in entries if entry["id"] != query]
        return whose, entries

    def told_of(self, surface: str, candidate: str) -> dict[str, Any]:
        """What is known of an item in a list of the surface, such as its title; of people nothing is told."""
        return (self._document(layout.ITEM_SPACE, candidate) or {}) if self._served[surface]["of_items"] else {}

    def _document(self, space: str, name: str) -> Any:
        key = layout.full_key(space, name)
        try:
            stored = self._transaction.get(layout.stored_key(key))
            body = None if stored is None else layout.body_of(key, stored)
            return None if body is None else json.loads(body)
        except (lmdb.Error, ValueError) as error:
            raise ReleaseError(
                f"the lists of release {self.id} are damaged at {space} {name!r} ({error}); roll back or build it again"
            ) from None
