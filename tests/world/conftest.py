"""A small world, delivered once for all the tests that look at what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from daybreak.contracts import ColumnType, Dataset
from daybreak.datasets import DELIVERED
from daybreak.world.delivery import Destination, Ledger
from daybreak.world.parameters import World
from daybreak.world.simulation import Simulation, simulate

SQL_TYPES = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INT32: "INTEGER",
    ColumnType.FLOAT64: "DOUBLE",
    ColumnType.BOOL: "BOOLEAN",
    ColumnType.TIMESTAMP: "TIMESTAMP",
}
SMALL = World(seed=7, users=800, items=300, events_per_day=14_000)
DAYS = 15


@dataclass(frozen=True)
class Delivered:
    """A delivered world: where its files are, its ledgers, and its rows as tables, `ds` being the day of the file."""

    world: World
    to: Destination
    ledgers: list[Ledger]
    tables: duckdb.DuckDBPyConnection

    def one(self, query: str) -> tuple[float, ...]:
        """The first row that the query gives."""
        row = self.tables.execute(query).fetchone()
        assert row is not None
        return row


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    home = tmp_path_factory.mktemp("world")
    to = Destination(home / "landing", home / "world")
    ledgers = simulate(Simulation(SMALL, DAYS, to), lambda _: None)
    tables = duckdb.connect()
    tables.execute("SET timezone = 'UTC'")
    for dataset in DELIVERED:
        _load(tables, dataset, to.landing)
    return Delivered(SMALL, to, ledgers, tables)


def _load(tables: duckdb.DuckDBPyConnection, dataset: Dataset, landing: Path) -> None:
    """The dataset's files as a table; a value of the wrong type, or a column that is not declared, is an error."""
    columns = ", ".join(f"'{column.name}': '{SQL_TYPES[column.type]}'" for column in dataset.columns)
    files = f"{landing}/{dataset.short_name}/*/*.jsonl.gz"
    tables.execute(
        f"CREATE TABLE {dataset.short_name} AS SELECT *, filename.regexp_extract('ds=([0-9-]+)', 1)::DATE AS ds FROM "
        f"read_json('{files}', format='newline_delimited', columns={{{columns}}}, filename=true)"
    )
