"""The online store in SQLite, in the tables that Feast reads, filled in bulk.

A table is one row per entity and feature. It has the columns of Feast's own, and one index instead of two, under the
name that Feast gives its second. A view is filled in one transaction, while readers go on with what was there before.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.contracts import ColumnType
from daybreak.errors import NightError
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS
from daybreak.features.declaration import FeatureView
from daybreak.features.online import PROJECT
from feature_repo import encoding
from feature_repo.online_store import Mark, Settled, Turn, doubted

MARKS = "daybreak_marks"
SET_MARK = f"insert or replace into {MARKS} (view, mark) values (?, ?)"
WAIT_S = 60.0
CACHE_KB = 128 * 1024
TEXTUAL = (ColumnType.STRING, ColumnType.INT32, ColumnType.INT64, ColumnType.FLOAT64, ColumnType.BOOL)


class SqliteStore:
    """One file on this machine."""

    rewrites_from = 0.3

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return str(self._path)

    def marks(self) -> dict[str, Mark]:
        with self._transaction() as database:
            return _marks(database)

    def forget(self, view: str) -> None:
        with self._transaction() as database:
            database.execute(f"delete from {MARKS} where view = ?", (view,))

    def doubt(self, view: str, night: str) -> None:
        with self._transaction() as database:
            database.execute(SET_MARK, (view, doubted(_marks(database).get(view), night).as_text()))

    @contextmanager
    def filling(self, turn: Turn, whole: bool) -> Iterator[SqliteFilling]:
        with self._transaction() as database:
            turn.claimed(_marks(database).get(turn.view.name), self.place)
            filling = SqliteFilling(database, turn.view, whole)
            yield filling
            if not filling.finished:
                database.execute("rollback")
                database.execute("begin")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = None
        try:
            database = sqlite3.connect(self._path, timeout=WAIT_S, isolation_level=None)
            database.execute("pragma journal_mode = wal")
            database.execute(f"pragma cache_size = -{CACHE_KB}")
            database.execute("begin immediate")
            database.execute(f"create table if not exists {MARKS} (view text primary key, mark text not null)")
            yield database
            database.execute("commit")
        except sqlite3.Error as error:
            raise NightError(
                f"the online store {self._path} cannot be written: {error}; what it held is whole. Free the file or"
                " make room, and run the step again"
            ) from error
        finally:
            if database is not None:
                database.close()


class SqliteFilling:
    """A view's table inside the open transaction."""

    def __init__(self, database: sqlite3.Connection, view: FeatureView, whole: bool) -> None:
        self._database = database
        self._view = view
        self._whole = whole
        self._table = f'"{PROJECT}_{view.name}"'
        self._index = f'"{PROJECT}_{view.name}_ek"'
        self._insert = _insert("insert" if whole else "insert or replace", self._table, view)
        self._indexed = not whole
        self.finished = False
        if whole:
            database.execute(f"drop table if exists {self._table}")
            database.execute(
                f"create table {self._table} (entity_key blob, feature_name text, value blob, value_text text,"
                " vector_value blob, event_ts timestamp, created_ts timestamp)"
            )

    def put(self, rows: pa.RecordBatch) -> None:
        self._database.executemany(self._insert, _entities(self._view, rows))

    def settle(self, expected: Iterable[pa.BinaryArray]) -> Settled:
        self._index_rows()
        if self._whole:
            return self._counted(sum(map(len, expected)))
        self._database.execute("create temp table expected (entity_key blob primary key) without rowid")
        for keys in expected:
            self._database.executemany("insert into expected values (?)", ((key,) for key in keys.to_pylist()))
        gone = self._database.execute(
            f"delete from {self._table} where entity_key not in (select entity_key from expected)"
        ).rowcount
        entities, missing = self._database.execute(
            f"select count(o.entity_key), count(*) - count(o.entity_key) from expected e"
            f" left join {self._table} o on o.entity_key = e.entity_key and o.feature_name = ?",
            (self._view.feature_names[0],),
        ).fetchone()
        self._database.execute("drop table temp.expected")
        return Settled(entities, missing, gone // len(self._view.features))

    def _counted(self, expected: int) -> Settled:
        """A table that was just made holds nothing else than what was put there."""
        first = (self._view.feature_names[0],)
        entities = self._database.execute(
            f"select count(*) from {self._table} where feature_name = ?", first
        ).fetchone()[0]
        return Settled(entities, expected - entities, 0)

    def finish(self, mark: Mark) -> None:
        self._index_rows()
        self._database.execute(SET_MARK, (self._view.name, mark.as_text()))
        self.finished = True

    def _index_rows(self) -> None:
        """Built once all rows are there, which is far faster than keeping it up with each."""
        if not self._indexed:
            self._database.execute(f"create unique index {self._index} on {self._table} (entity_key, feature_name)")
            self._indexed = True


def _marks(database: sqlite3.Connection) -> dict[str, Mark]:
    return {view: Mark.from_text(text) for view, text in database.execute(f"select view, mark from {MARKS}")}


def _insert(verb: str, table: str, view: FeatureView) -> str:
    """One statement per entity: its key and stamps once, then for each feature the value, and its text where it has
    one."""
    places = itertools.count(4)
    rows = []
    for feature in view.features:
        text = f"?{next(places)}" if feature.type in TEXTUAL else "null"
        rows.append(f"(?1, '{feature.name}', ?{next(places)}, {text}, ?2, ?3)")
    columns = "entity_key, feature_name, value, value_text, event_ts, created_ts"
    return f"{verb} into {table} ({columns}) values {', '.join(rows)}"


def _entities(view: FeatureView, rows: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """What the statement takes, entity by entity."""
    columns: list[Iterable[Any]] = [
        encoding.entity_keys(view.keys, [rows.column(name) for name in view.keys]).to_pylist(),
        *(_stored_moments(rows.column(name)) for name in (EVENT_TS, AVAILABLE_TS)),
    ]
    for feature in view.features:
        column = rows.column(feature.name)
        if feature.type in TEXTUAL:
            columns.append(map(_text, column.to_pylist()))
        columns.append(encoding.values(feature.type, column).to_pylist())
    return zip(*columns, strict=True)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _stored_moments(column: pa.Array) -> list[int]:
    """Moments as Feast stores them here: the UTC time of day read as this machine's local time, in whole seconds."""
    distinct = column.dictionary_encode()
    stored = [_stored_moment(moment) for moment in distinct.dictionary.to_pylist()]
    return pc.take(pa.array(stored, pa.int64()), distinct.indices).to_pylist()


def _stored_moment(moment: datetime) -> int:
    return int(moment.astimezone(UTC).replace(tzinfo=None).timestamp())
