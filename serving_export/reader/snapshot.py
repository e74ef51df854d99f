"""Opens the lists of a release for reading: a memory-mapped LMDB file that processes share through the page cache.

An environment is never closed: a request may still read from it when a newer release takes over. It is dropped instead,
and Python frees the map with its last reader. For the same reason values are copied out (`buffers=False`).
"""

from __future__ import annotations

import json
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
        try:
            environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False, readahead=False, create=False)
            self._transaction = environment.begin(buffers=False)
        except lmdb.Error as error:
            raise ReleaseError(f"the lists of release {release.id} cannot be opened: {error}") from None
        found = self._transaction.get(layout.LAYOUT_KEY)
        if found != layout.LAYOUT:
            raise ReleaseError(
                f"the lists of release {release.id} have layout {found!r}, this reader knows {layout.LAYOUT!r}; "
                "update the reader or build the release again"
            )

    @property
    def id(self) -> str:
        return self.release.id

    @property
    def surfaces(self) -> tuple[str, ...]:
        return self.release.manifest.surfaces

    def entries(self, surface: str, query: str) -> list[dict[str, Any]] | None:
        """The list of a query, best first, each entry with id, score and source; None where there is none."""
        body = self._body(surface, query)
        return None if body is None else json.loads(body)

    def item(self, item_id: str) -> dict[str, Any]:
        """What is known of an item, such as its title; empty where nothing is."""
        body = self._body(layout.ITEM_SPACE, item_id)
        return {} if body is None else json.loads(body)

    def _body(self, space: str, name: str) -> bytes | None:
        key = layout.full_key(space, name)
        stored = self._transaction.get(layout.stored_key(key))
        return None if stored is None else layout.body_of(key, stored)
