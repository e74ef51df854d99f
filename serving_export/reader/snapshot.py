"""Opens the lists of a release for reading: a memory-mapped LMDB file that processes share through the page cache.

An environment is never closed: a request may still read from it when a newer release takes over. It is dropped instead,
and Python frees the map with its last reader. For the same reason values are copied out (`buffers=False`).
"""

from __future__ import annotations

import json
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
        self._without_own = frozenset(self._document(layout.WITHOUT_OWN_SPACE, ""))

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

    def entries(self, surface: str, query: str) -> list[dict[str, Any]] | None:
        """The list of a query, best first, each entry with id, score and source; None where there is none."""
        return self._document(surface, query)

    def fallback(self, surface: str, query: str) -> list[dict[str, Any]]:
        """The list of a surface that everyone without one gets; beside an item it leaves out the item itself."""
        entries = self.entries(surface, layout.FALLBACK_QUERY) or []
        return [entry for entry in entries if entry["id"] != query] if surface in self._without_own else entries

    def item(self, item_id: str) -> dict[str, Any]:
        """What is known of an item, such as its title; empty where nothing is."""
        return self._document(layout.ITEM_SPACE, item_id) or {}

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
