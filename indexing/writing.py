"""Puts an index into the draft of a release: vectors, ids, shards, and last the page that ties them together."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from daybreak.releases import Draft, Release
from indexing.ann import Ann
from indexing.arrays import Floats
from indexing.contents import (
    ALIKE_FILE,
    CONTENTS_FILE,
    DELTA_FILE,
    ITEMS_FILE,
    USERS_FILE,
    Contents,
    shard_file,
)
from indexing.embedded import write_embedded
from indexing.opened import OpenIndex
from indexing.spaces import Space, in_space


def write_night(draft: Draft, index: OpenIndex, anns: Mapping[Space, Sequence[Ann]]) -> None:
    """A night's index, whole."""
    for name, embedded in ((USERS_FILE, index.users), (ITEMS_FILE, index.items)):
        write_embedded(draft.path / name, embedded, index.contents.digest)
        draft.add(name, rows=len(embedded))
    _save(draft.path / ALIKE_FILE, in_space(Space.FOR_ITEMS, index.items.vectors))
    draft.add(ALIKE_FILE, rows=len(index.items))
    for space, shards in anns.items():
        for number, ann in enumerate(shards):
            if ann.index is not None:
                ann.write(draft.path / shard_file(space, number))
                draft.add(shard_file(space, number), rows=len(ann.vectors))
    _write_page(draft, index.contents)


def _save(path: Path, vectors: Floats) -> None:
    """An array in numpy's format, by writes that say when the disk is full; numpy's own say less."""
    array = np.ascontiguousarray(vectors)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


def write_delta(draft: Draft, release: Release, index: OpenIndex) -> None:
    """The index of a release with what came since: the files of the night are the very same, only the delta is new."""
    for name in release.manifest.files:
        if name not in (DELTA_FILE, CONTENTS_FILE):
            draft.take(name, release)
    if index.fresh is not None:
        write_embedded(draft.path / DELTA_FILE, index.fresh, index.contents.digest)
        draft.add(DELTA_FILE, rows=len(index.fresh))
    _write_page(draft, index.contents)


def _write_page(draft: Draft, contents: Contents) -> None:
    parts = {name: entry.sha256 for name, entry in draft.files.items()}
    (draft.path / CONTENTS_FILE).write_bytes(replace(contents, parts=parts).to_bytes())
    draft.add(CONTENTS_FILE, rows=1)


def clear(folder: Path, published: Iterable[str]) -> None:
    """Removes the shards of earlier days that were published; those of this day are there for who publishes it once
    more, and those of others for who has not done so yet."""
    for day in published:
        if day < folder.name:
            shutil.rmtree(folder.parent / day, ignore_errors=True)
