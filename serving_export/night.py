"""What is known on a night: who gets lists, what may be in them, and what ties users to items and to each other.

Tables are read by an engine that keeps to a bound of memory, and what grows with users is read for a range of them at a
time. Whatever is added up is whole numbers there and fractions here, in a fixed order, so the same tables give the same
numbers to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

from daybreak.clock import DAY_US, EPOCH, end_of
from daybreak.contracts import ColumnType, Dataset
from daybreak.datasets import EDGES, EVENTS, ITEMS, USERS
from daybreak.duckdb_files import literal, quoted, rows_of
from daybreak.errors import InputError
from daybreak.interest import WEIGHTS
from daybreak.item_states import may_be_shown
from daybreak.sources import Entity
from daybreak.step_io import StepIO, maker_of
from serving_export.arrays import Flags, Ints
from serving_export.names import NO_PAIRS, Names, Pairs

OWNING = ("purchase", "rating")
TYING, MUTUAL = ("friend", "follow"), ("friend",)
HISTORY_HALF_LIFE_DAYS = 14.0
NAMES = {Entity.USER: "user_names", Entity.ITEM: "item_names"}


@dataclass(frozen=True)
class Range:
    """Queries from number `first` to before number `stop`."""

    first: int
    stop: int

    def of(self, column: str) -> str:
        """The condition that a number lies in it."""
        return f"{column} >= {self.first} AND {column} < {self.stop}"


class Night:
    """The night's users and items, numbered, with an engine to look up what ties them."""

    def __init__(self, io: StepIO, engine: DuckDBPyConnection) -> None:
        self.io = io
        self.engine = engine
        self.ds = io.ds
        self._sound: dict[str, str] = {}
        self._events = rows_of(engine, EVENTS, io.paths(EVENTS))
        self.age = f"({(end_of(self.ds) - EPOCH).days - 1} - epoch_us(event_ts) // {DAY_US})::BIGINT"
        told = {Entity.USER: io.state(USERS), Entity.ITEM: io.state(ITEMS)}
        self.names = {entity: self._named(entity, told[entity]) for entity in Entity}
        self.states = {entity: _aligned(told[entity], f"{entity}_id", self.names[entity]) for entity in Entity}
        self._has_catalogue = told[Entity.ITEM].num_rows > 0

    def _named(self, entity: Entity, states: pa.Table) -> Names:
        """All who are known, also by events alone."""
        key = f"{entity}_id"
        met = self.engine.sql(f"SELECT DISTINCT {key} FROM {self._events} WHERE event_type IN ({_listed(WEIGHTS)})")
        names = Names(pa.chunked_array([*states[key].chunks, *met.to_arrow_table()[key].chunks], pa.string()))
        self.engine.register("names", pa.table({"id": names.ids, "number": np.arange(len(names))}))
        self.engine.execute(f"CREATE TABLE {NAMES[entity]} AS FROM names")
        self.engine.unregister("names")
        return names

    @property
    def users(self) -> Names:
        return self.names[Entity.USER]

    @property
    def items(self) -> Names:
        return self.names[Entity.ITEM]

    def active(self, entity: Entity) -> Ints:
        """The numbers of those who get lists, or may be in them."""
        return self._active_users if entity is Entity.USER else self._active_items

    @cached_property
    def _active_users(self) -> Ints:
        """All who are known, also by their events alone, and not deactivated."""
        gone = pc.fill_null(pc.not_equal(self.states[Entity.USER]["status"], "active"), False)
        return np.flatnonzero(~gone.to_numpy(zero_copy_only=False))

    @cached_property
    def _active_items(self) -> Ints:
        """The items of the catalogue that may be shown at the end of the day; all items where there is no catalogue."""
        if not self._has_catalogue:
            return np.arange(len(self.items))
        shown = pc.fill_null(may_be_shown(self.states[Entity.ITEM], self.ds), False)
        return np.flatnonzero(shown.to_numpy(zero_copy_only=False))

    # What ties users to items

    def wanted(self, days: int, among: Range) -> Pairs:
        """What users wanted in the last days, the night's own among them, halved with age."""
        weights = " ".join(f"WHEN {literal(kind)} THEN {weight}" for kind, weight in WEIGHTS.items())
        rows = self._counted(f"sum(CASE event_type {weights} END)", tuple(WEIGHTS), days, among)
        users, items, ages, sums = (rows[name].to_numpy() for name in ("query", "other", "age", "sum"))
        faded = sums.astype(np.float64) * 0.5 ** (ages / HISTORY_HALF_LIFE_DAYS)
        return Pairs.summed(users, items, faded, len(self.items))

    def met(self, kinds: Sequence[str], among: Range, days: int | None = None) -> Pairs:
        """The items that users met by events of these kinds, in the last days or ever."""
        rows = self._counted("count(*)", kinds, days, among)
        keys = np.unique(rows["query"].to_numpy() * len(self.items) + rows["other"].to_numpy())
        return Pairs(*np.divmod(keys, max(len(self.items), 1)), np.ones(len(keys)))

    def bought(self, among: Range) -> pa.Table:
        """The days on which users bought items, as ages in days: query, other, age."""
        return self._counted("count(*)", ("purchase",), None, among)

    def bought_again(self) -> pa.Table:
        """Of each item that was bought: its buyers, those who bought it on more than one day, the days between their
        first and last, and how many gaps these make: number, buyers, repeaters, span, gaps."""
        return self.engine.sql(
            f"""WITH days AS (SELECT user_id, item_id, {self.age} AS age FROM {self._events}
            WHERE event_type = 'purchase' GROUP BY ALL), buyers AS (SELECT item_id, user_id,
            max(age) - min(age) AS span, count(*) - 1 AS gaps FROM days GROUP BY ALL)
            SELECT i.number, count(*) AS buyers, count(*) FILTER (gaps > 0) AS repeaters,
            CAST(sum(span) AS BIGINT) AS span, CAST(sum(gaps) AS BIGINT) AS gaps
            FROM buyers JOIN {NAMES[Entity.ITEM]} i ON i.id = item_id GROUP BY ALL ORDER BY ALL"""
        ).to_arrow_table()

    def wanted_by(self, days: int) -> Ints:
        """How many users wanted each item in the last days."""
        rows = self.engine.sql(
            f"""SELECT i.number, count(DISTINCT user_id) AS users FROM {self._events}
            JOIN {NAMES[Entity.ITEM]} i ON i.id = item_id
            WHERE event_type IN ({_listed(WEIGHTS)}) AND {self.age} < {days} GROUP BY ALL"""
        ).to_arrow_table()
        users = np.zeros(len(self.items), np.int64)
        users[rows["number"].to_numpy()] = rows["users"].to_numpy()
        return users

    def shown(self, days: int) -> tuple[Ints, Ints]:
        """How often each item was shown in the last days, and how often it was then looked at."""
        rows = self.engine.sql(
            f"""SELECT i.number, count(*) FILTER (event_type = 'impression') AS shows,
            count(*) FILTER (event_type = 'view') AS clicks FROM {self._events}
            JOIN {NAMES[Entity.ITEM]} i ON i.id = item_id
            WHERE event_type IN ('impression', 'view') AND {self.age} < {days} GROUP BY ALL"""
        ).to_arrow_table()
        shows, clicks = np.zeros(len(self.items), np.int64), np.zeros(len(self.items), np.int64)
        at = rows["number"].to_numpy()
        shows[at], clicks[at] = rows["shows"].to_numpy(), rows["clicks"].to_numpy()
        return shows, clicks

    def _counted(self, told: str, kinds: Sequence[str], days: int | None, among: Range) -> pa.Table:
        """What events of these kinds add up to, by user, item and age in days."""
        recent = f"AND {self.age} < {days}" if days is not None else ""
        return self.engine.sql(
            f"""SELECT u.number AS query, i.number AS other, {self.age} AS age, CAST({told} AS BIGINT) AS sum
            FROM {self._events} JOIN {NAMES[Entity.USER]} u ON u.id = user_id JOIN {NAMES[Entity.ITEM]} i
            ON i.id = item_id WHERE event_type IN ({_listed(kinds)}) {recent}
            AND {among.of("u.number")} GROUP BY ALL ORDER BY query, other, age"""
        ).to_arrow_table()

    # What ties users to each other

    @cached_property
    def _edges(self) -> pa.Table:
        """The ties that hold, between users who are known: kind, maker, other."""
        states = self.io.state(EDGES)
        states = states.filter(pc.equal(states["status"], "active"))
        makers, others = (self.users.numbers(states[f"{end}_user_id"]) for end in ("src", "dst"))
        rows = pa.table({"kind": states["edge_type"], "maker": makers, "other": others})
        return rows.filter(pa.array((makers >= 0) & (others >= 0) & (makers != others)))

    def tied(self, *kinds: str, mutual: Sequence[str] = ()) -> Pairs:
        """Users with those whom ties of these kinds lead to; of mutual kinds they lead both ways."""
        rows = self._edges.filter(pc.is_in(self._edges["kind"], value_set=pa.array(kinds)))
        makers, others = rows["maker"].to_numpy(), rows["other"].to_numpy()
        both = pc.is_in(rows["kind"], value_set=pa.array(mutual, pa.string())).to_numpy(zero_copy_only=False)
        makers, others = np.r_[makers, others[both]], np.r_[others, makers[both]]
        if not len(makers):
            return NO_PAIRS
        keys = np.unique(makers * len(self.users) + others)
        return Pairs(*np.divmod(keys, len(self.users)), np.ones(len(keys)))

    # Tables of candidates

    def rows(self, dataset: Dataset) -> str:
        """This night's rows of a table, for a query; an error where the step that makes it did not run, or where it
        holds a score that is no finite number."""
        if dataset.name not in self._sound:
            self.io.require(dataset)
            rows = rows_of(self.engine, dataset, self.io.paths(dataset, since=self.ds, until=self.ds))
            self._refuse_what_is_no_number(dataset, rows)
            self._sound[dataset.name] = rows
        return self._sound[dataset.name]

    def _refuse_what_is_no_number(self, dataset: Dataset, rows: str) -> None:
        numbers = [column.name for column in dataset.columns if column.type is ColumnType.FLOAT64]
        finite = " AND ".join(f"isfinite({quoted(name)})" for name in numbers) or "true"
        for row in self.engine.sql(f"SELECT * FROM {rows} WHERE NOT ({finite}) LIMIT 1").to_arrow_table().to_pylist():
            which = ", ".join(f"{name} {row[name]}" for name in (*dataset.key, *numbers))
            raise InputError(
                f"{dataset.name} of {self.ds} should hold finite numbers, found a row with {which}; make it again"
                f" ({maker_of(dataset)})"
            )

    def numbered(self, sql: str) -> dict[str, pa.ChunkedArray]:
        """The columns that a query gives."""
        table = self.engine.sql(sql).to_arrow_table()
        return {name: table[name] for name in table.column_names}


@contextmanager
def night_of(io: StepIO, memory: str) -> Iterator[Night]:
    """The night of this step, while the block runs."""
    with io.duckdb(memory) as engine:
        yield Night(io, engine)


def _aligned(states: pa.Table, key: str, names: Names) -> pa.Table:
    """The state of each name, at its number; null where none is told."""
    at = pc.index_in(names.ids, value_set=states[key].combine_chunks())
    return states.take(at)


def _listed(kinds: Iterable[str]) -> str:
    return ", ".join(map(literal, kinds))


def flags(column: pa.ChunkedArray) -> Flags:
    """A column of yes and no as an array; what is not told is no."""
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), np.bool_)
