"""An opened release of the index: its parts proven to belong together, and all of them searched as one.

Opening maps the files and asks the questions whose answers are known. What came after the night lies beside as a small
delta: its items are searched exactly, and what they replace or what is gone is never found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.errors import InputError, ReleaseError
from daybreak.learning import ITEM, USER
from daybreak.releases import Release
from indexing.ann import Ann, read
from indexing.arrays import NOWHERE, Floats, Ints
from indexing.contents import (
    ALIKE_FILE,
    CONTENTS_FILE,
    DELTA_FILE,
    ITEMS_FILE,
    USERS_FILE,
    Contents,
    model_name,
    shard_file,
)
from indexing.embedded import Embedded, read_embedded
from indexing.exact import Exact
from indexing.scoring import without
from indexing.shards import merged
from indexing.spaces import Space, in_space
from indexing.specification import Effort, Kind

NOTHING: Ints = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Found:
    """What was found for one question, best first, and by which release."""

    release: str
    ids: list[str]
    scores: list[float]


class OpenIndex:
    """An index, ready to be searched. Nothing of it changes, so any number of threads may search at once."""

    def __init__(
        self,
        name: str,
        contents: Contents,
        users: Embedded,
        items: Embedded,
        anns: Mapping[Space, Sequence[Ann]],
        fresh: Embedded | None = None,
    ) -> None:
        self.name, self.contents, self.users, self.items, self.fresh = name, contents, users, items, fresh
        self._anns = anns
        self._fresh = {} if fresh is None else {space: Exact(in_space(space, fresh.vectors)) for space in Space}
        self._hidden = self._superseded()

    @classmethod
    def of(cls, release: Release) -> OpenIndex:
        """The index of a release, proven to be of one piece."""
        contents = Contents.read(release.file(CONTENTS_FILE))
        contents.refuse_mixture(release)
        users, items = (read_embedded(release.file(name), contents.digest) for name in (USERS_FILE, ITEMS_FILE))
        came = contents.delta is not None and contents.delta.items
        fresh = read_embedded(release.file(DELTA_FILE), contents.digest) if came else None
        anns = {space: _shards(release, contents, items, space) for space in Space}
        index = cls(release.id, contents, users, items, anns, fresh)
        index._refuse_other_answers()
        return index

    def with_delta(self, contents: Contents, fresh: Embedded | None) -> OpenIndex:
        """The same night with what came since."""
        return OpenIndex(self.name, contents, self.users, self.items, self._anns, fresh)

    def saying(self, contents: Contents) -> OpenIndex:
        """The same index with another page."""
        return self.with_delta(contents, self.fresh)

    def _superseded(self) -> Ints:
        """The rows of the night that are gone, or that what came later replaces."""
        if self.contents.delta is None:
            return NOTHING
        rows = self.items.rows(pa.array(self.contents.delta.gone, pa.string()))
        if self.fresh is not None:
            rows = np.r_[rows, self.items.rows(self.fresh.ids)]
        return np.unique(rows[rows != NOWHERE])

    def _refuse_other_answers(self) -> None:
        """Asks what is known; this also touches the pages that searches touch."""
        for known in self.contents.known:
            try:
                found = self.ask(known.space, known.id, max(len(known.found), 1)).ids
            except InputError as error:
                found = [f"nothing ({error})"]
            if tuple(found) != known.found:
                raise ReleaseError(
                    f"release {self.name} answers {known.space} {known.id} with {', '.join(found)}, and when it was"
                    f" built with {', '.join(known.found)}: its ids, vectors and index do not belong together; roll"
                    " back (`daybreak index rollback`), or build the index again"
                )

    @cached_property
    def _ranks(self) -> Ints:
        """Where each row's id comes among all ids: so equals are in one order, however they are spread over shards."""
        ids = self.items.ids if self.fresh is None else pa.concat_arrays([self.items.ids, self.fresh.ids])
        ranks = np.empty(len(ids), np.int64)
        ranks[pc.sort_indices(ids).to_numpy()] = np.arange(len(ids))
        return ranks

    # Searching

    def search(
        self,
        space: Space,
        queries: Floats,
        k: int,
        *,
        hidden: Ints = NOTHING,
        own: Ints | None = None,
        effort: Effort | None = None,
        exact: bool = False,
    ) -> tuple[Ints, Floats]:
        """For vectors of the space: the rows of the k best (`names` tells their ids) and their products. `hidden` rows
        are never found, nor is a query's `own`; `exact` passes the index by."""
        self._refuse_other_width(space, queries)
        wanted = k if own is None else k + 1
        parts = [
            *self._of_night(space, queries, wanted, hidden, None if exact else effort or self.contents.efforts[space])
        ]
        if space in self._fresh:
            inside = hidden[hidden >= len(self.items)] - len(self.items)
            found = self._fresh[space].top_k(queries, wanted, hidden=inside)
            parts.append(_behind(found, len(self.items)))
        rows, scores = merged(parts, wanted, self._ranks) if len(parts) > 1 else parts[0]
        return (rows, scores) if own is None else without(rows, scores, own, k)

    def _of_night(
        self, space: Space, queries: Floats, k: int, hidden: Ints, effort: Effort | None
    ) -> Iterator[tuple[Ints, Floats]]:
        """What each shard of the night finds; exactly, where there is no effort."""
        banned = np.union1d(self._hidden, hidden[hidden < len(self.items)])
        for number, ann in enumerate(self._anns[space]):
            here = self.items.shard(number)
            inside = banned[(banned >= here.start) & (banned < here.stop)] - here.start
            if effort is None:
                found = ann.exact.top_k(queries, k, hidden=inside)
            else:
                found = ann.search(queries, k, effort, inside)
            yield _behind(found, here.start)

    def ask(self, space: Space, id_: str, k: int, exact: bool = False) -> Found:
        """The items for a user, or beside an item other than itself, by their ids."""
        entity = USER if space is Space.FOR_USERS else ITEM
        query = self.vectors(space, entity, id_)
        own = np.array([self.row(id_)]) if entity == ITEM else None
        rows, scores = self.search(space, query, k, own=own, exact=exact)
        there = rows[0] != NOWHERE
        return Found(self.name, self.names(rows[0][there]), [float(score) for score in scores[0][there]])

    def vectors(self, space: Space, entity: str, id_: str) -> Floats:
        """The vector of a user or an item as a query in a space."""
        return in_space(space, self.vector(entity, id_)[None, :])

    def vector(self, entity: str, id_: str) -> Floats:
        """The model's vector of a user or an item."""
        if entity == ITEM:
            row = self.row(id_)
            if row != NOWHERE:
                return self._of_row(row)
        elif (row := self.users.row(id_)) != NOWHERE:
            return np.asarray(self.users.vectors[row])
        raise InputError(
            f"release {self.name} has no vector of {entity} {id_}: it came after"
            f" {self.contents.fresh_until}, may not be listed, or is misspelt"
        )

    def row(self, item_id: str) -> int:
        """The row of an item, which is behind those of the night for what came later; NOWHERE where it is not found."""
        if self.fresh is not None and (row := self.fresh.row(item_id)) != NOWHERE:
            return row + len(self.items)
        row = self.items.row(item_id)
        return NOWHERE if row in self._hidden else row

    def rows(self, ids: Sequence[str]) -> Ints:
        """The rows of those ids that can be found."""
        rows = np.array([self.row(each) for each in ids], np.int64)
        return rows[rows != NOWHERE]

    def names(self, rows: Ints) -> list[str]:
        """The ids of rows."""
        ids: list[Any] = [
            self.items.ids[int(row)].as_py() if row < len(self.items) else self._fresh_id(int(row)) for row in rows
        ]
        return ids

    def _fresh_id(self, row: int) -> str:
        assert self.fresh is not None
        return str(self.fresh.ids[row - len(self.items)].as_py())

    def _of_row(self, row: int) -> Floats:
        if row < len(self.items):
            return np.asarray(self.items.vectors[row])
        assert self.fresh is not None
        return np.asarray(self.fresh.vectors[row - len(self.items)])

    def _refuse_other_width(self, space: Space, queries: Floats) -> None:
        width = self._anns[space][0].vectors.shape[1]
        if queries.ndim != 2 or queries.shape[1] != width:
            model = model_name(self.contents.model, self.contents.version)
            raise InputError(
                f"release {self.name}, {space}: expected queries of {width} places, found {queries.shape[-1]}: they are"
                f" of another model than {model}; embed them with that one"
            )

    def __len__(self) -> int:
        return len(self.items) - len(self._hidden) + (len(self.fresh) if self.fresh is not None else 0)


def _behind(found: tuple[Ints, Floats], start: int) -> tuple[Ints, Floats]:
    """What was found in rows that stand behind others."""
    rows, scores = found
    return np.where(rows == NOWHERE, NOWHERE, rows + start), scores


def _shards(release: Release, contents: Contents, items: Embedded, space: Space) -> list[Ann]:
    specification = contents.specifications[space]
    vectors = items.vectors if space is Space.FOR_USERS else _alike(release, items)
    paths = [
        None if specification.kind is Kind.EXACT else release.file(shard_file(space, shard))
        for shard in range(items.shards)
    ]
    return [read(path, specification, vectors[items.shard(shard)]) for shard, path in enumerate(paths)]


def _alike(release: Release, items: Embedded) -> Floats:
    try:
        vectors: Floats = np.load(release.file(ALIKE_FILE), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ReleaseError(
            f"release {release.id}: {ALIKE_FILE} cannot be read ({error}); roll back (`daybreak index rollback`), or"
            " build the index again"
        ) from None
    if vectors.shape != (len(items), items.width - 1):
        raise ReleaseError(f"release {release.id}: {ALIKE_FILE} does not fit its items; build the index again")
    return vectors
