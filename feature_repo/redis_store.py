"""The online store in Redis or Valkey, in the hashes that Feast reads, filled in bulk.

One hash per entity holds the values of all views with the same keys, under short hashes of their names. Commands are
laid side by side a batch at a time and sent down one connection; every reply is read, so an error stops the run. Only
the mark makes a view count: it says that the view is unfinished from the first write on, and is set last. It also names
the features whose values are there, so that those which left the view are taken out of every hash.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import mmh3
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import redis
import xxhash

from daybreak.errors import NightError
from daybreak.features.as_of import EVENT_TS
from daybreak.features.declaration import FeatureView
from daybreak.features.online import PROJECT
from feature_repo import encoding
from feature_repo.online_store import Mark, Settled, Turn, doubted
from feature_repo.redis_marks import Fenced, RedisMarks

CONNECT_S, ANSWER_S = 5.0, 60.0
KEYS_A_SCAN = 5_000
PROJECT_BYTES = PROJECT.encode()
Hashes = npt.NDArray[np.uint64]


class RedisStore:
    """A server that speaks Redis' protocol."""

    rewrites_from = math.inf

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._client: Any = redis.Redis.from_url(url, socket_connect_timeout=CONNECT_S, socket_timeout=ANSWER_S)
        self._marks = RedisMarks(self._client, self.place)

    @property
    def place(self) -> str:
        return f"{self._url.scheme}://{self._url.hostname}:{self._url.port or 6379}{self._url.path}"

    def marks(self) -> dict[str, Mark]:
        with self._reached("its marks were read"):
            return self._marks.all()

    def forget(self, view: str) -> None:
        with self._reached(f"the mark of {view} was removed"):
            self._marks.remove(view)

    def doubt(self, view: str, night: str) -> None:
        with self._reached(f"{view} was marked as unfinished"):
            self._marks.change(view, lambda found: doubted(found, night))

    @contextmanager
    def filling(self, turn: Turn, whole: bool) -> Iterator[RedisFilling]:
        with self._reached(f"{turn.view.name} was filled for {turn.night}"):
            claim = self._marks.change(turn.view.name, lambda now: turn.claimed(now, self.place))
            connection = self._client.connection_pool.get_connection()
            try:
                fenced = Fenced(connection, turn, claim, self.place)
                yield RedisFilling(self._client, self._marks, fenced, turn.view, claim)
            finally:
                connection.disconnect()
                self._client.connection_pool.release(connection)

    @contextmanager
    def _reached(self, while_: str) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise NightError(
                f"the online store {self.place} failed while {while_}: {str(error) or type(error).__name__}; what"
                " is unfinished does not count. See to the server that DAYBREAK_ONLINE_STORE names, then run the step"
                " again"
            ) from error


class RedisFilling:
    """A view's fields in the hashes of its entities."""

    def __init__(self, client: Any, marks: RedisMarks, fenced: Fenced, view: FeatureView, claim: Mark) -> None:
        self._client = client
        self._marks = marks
        self._fenced = fenced
        self._view = view
        self._stamp = f"_ts:{view.name}".encode()
        self._fields = [_field(f"{view.name}:{name}") for name in view.feature_names]
        self._left = [_field(f"{view.name}:{name}") for name in claim.features if name not in view.feature_names]

    def put(self, rows: pa.RecordBatch) -> None:
        parts: list[bytes | pa.BinaryArray] = [_hash_keys(self._view, rows)]
        for feature, field in zip(self._view.features, self._fields, strict=True):
            parts += [field, encoding.values(feature.type, rows.column(feature.name))]
        parts += [self._stamp, encoding.moments(rows.column(EVENT_TS))]
        self._fenced.write(commands([b"HSET", *parts]))

    def settle(self, expected: Iterable[pa.BinaryArray]) -> Settled:
        wanted = np.sort(
            np.concatenate([np.zeros(0, np.uint64), *(_key_hashes(in_project(keys)) for keys in expected)])
        )
        seen = np.zeros(len(wanted), dtype=bool)
        removed = 0
        for keys in self._entities():
            hashes = _key_hashes(keys)
            places = np.minimum(np.searchsorted(wanted, hashes), max(len(wanted) - 1, 0))
            known = wanted[places] == hashes if len(wanted) else np.zeros(len(hashes), dtype=bool)
            seen[places[known]] = True
            gone = keys.filter(pa.array(~known))
            self._fenced.write(commands([b"HDEL", gone, *self._fields, *self._left, self._stamp]))
            removed += len(gone)
            if self._left:
                self._fenced.write(commands([b"HDEL", keys.filter(pa.array(known)), *self._left]))
        self._fenced.refuse_if_overtaken()
        entities = int(seen.sum())
        return Settled(entities, len(wanted) - entities, removed)

    def finish(self, mark: Mark) -> None:
        self._marks.change(self._view.name, lambda now: self._fenced.unless_overtaken(now, mark))

    def _entities(self) -> Iterator[pa.BinaryArray]:
        """The hash keys of all entities that have the view's stamp; some may come twice."""
        pattern = _literally(encoding.key_prefix(self._view.keys)) + b"*" + _literally(PROJECT_BYTES)
        cursor = 0
        while True:
            cursor, found = self._client.scan(cursor, match=pattern, count=KEYS_A_SCAN)
            if found:
                keys = pa.array(found, pa.binary())
                there = self._fenced.ask(commands([b"HEXISTS", keys, self._stamp]))
                yield keys.filter(pa.array(there, pa.int64()).cast(pa.bool_()))
            if cursor == 0:
                return


def commands(parts: Sequence[bytes | pa.BinaryArray]) -> pa.BinaryArray:
    """One command per row in Redis' protocol: each part is the same in all rows, or a column of them."""
    laid: list[pa.Array | pa.Scalar] = []
    constant = f"*{len(parts)}\r\n".encode()
    for part in parts:
        if isinstance(part, bytes):
            constant += b"$%d\r\n%s\r\n" % (len(part), part)
        else:
            lengths = pc.binary_length(part).cast(pa.string()).cast(pa.binary())
            laid += [pa.scalar(constant + b"$"), lengths, pa.scalar(b"\r\n"), part]
            constant = b"\r\n"
    return pc.binary_join_element_wise(*laid, pa.scalar(constant), pa.scalar(b""))


def _hash_keys(view: FeatureView, rows: pa.RecordBatch) -> pa.BinaryArray:
    return in_project(encoding.entity_keys(view.keys, [rows.column(name) for name in view.keys]))


def in_project(keys: pa.BinaryArray) -> pa.BinaryArray:
    """Serialized entity keys as the keys of Feast's hashes."""
    return pc.binary_join_element_wise(keys, pa.scalar(PROJECT_BYTES), pa.scalar(b""))


def _key_hashes(keys: pa.BinaryArray) -> Hashes:
    return np.fromiter(map(xxhash.xxh3_64_intdigest, keys.to_pylist()), np.uint64, count=len(keys))


def _field(name: str) -> bytes:
    """The short hash under which Feast keeps a feature."""
    return struct.pack("<I", mmh3.hash(name, signed=False))


def _literally(text: bytes) -> bytes:
    """Bytes that a pattern of keys matches as they are."""
    return b"".join(b"\\" + bytes([each]) if each in b"*?[]\\^" else bytes([each]) for each in text)
