"""What a step is handed to reach the world: tables as of its night, its landing folder, releases, Spark.

A step opens nothing by itself. Every read is bounded by the step's day, so a night that is rebuilt later sees what
it saw then; every read and write is noted for the lineage record, and one that the step did not declare is an
error.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from daybreak.code_version import code_version
from daybreak.contracts import Dataset
from daybreak.errors import InputError, SettingsError
from daybreak.files import private_folder
from daybreak.lake import Attempt, Commit, Lake, Table, Window
from daybreak.lineage import LineageBook, Touched
from daybreak.releases import ReleaseStore
from daybreak.settings import Settings
from daybreak.steps import StepSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyspark.sql import DataFrame, SparkSession


class StepIO:
    """The reach of one run of one step."""

    def __init__(self, spec: StepSpec, ds: str, settings: Settings, lake: Lake, attempt: Attempt) -> None:
        self.ds = ds
        self.settings = settings
        self.attempt = attempt
        self.inputs: dict[str, Touched] = {}
        self.outputs: list[Touched] = []
        self.files: list[str] = []
        self.release: str | None = None
        self.spark_start_seconds = 0.0
        self._spec = spec
        self._lake = lake

    # What there is

    @property
    def landing(self) -> Path:
        """The folder of delivered files."""
        return self.settings.landing

    @property
    def lineage(self) -> LineageBook:
        return LineageBook(self.settings.lineage)

    @property
    def spark(self) -> SparkSession:
        """The Spark session of this process; the first to ask waits for it to start."""
        from daybreak.spark import session

        started = time.perf_counter()
        spark = session(self.settings)
        self.spark_start_seconds = max(self.spark_start_seconds, time.perf_counter() - started)
        return spark

    @property
    def origin(self) -> dict[str, Any]:
        """What is made now comes from: versions of the tables read so far, code, attempt."""
        tables = {touched.dataset: touched.version for touched in self.inputs.values() if touched.version is not None}
        return {"tables": tables, "code_version": code_version(), "attempt": self.attempt.token}

    @property
    def seed(self) -> int:
        """A seed that belongs to this step and day."""
        text = f"{self._spec.name}/{self.ds}/{self.settings.seed}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def releases(self, channel: str = "lists") -> ReleaseStore:
        return ReleaseStore(self.settings.releases, channel)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for this attempt alone, while the block runs."""
        attempt = f"{self.attempt.ds}-{self.attempt.token}"
        with private_folder(self.settings.scratch / "steps", self.attempt.work, attempt) as folder:
            yield folder

    @contextmanager
    def duckdb(self, memory: str) -> Iterator[DuckDBPyConnection]:
        """A DuckDB engine that keeps to `memory` and spills to a folder of its own, while the block runs."""
        from daybreak.duckdb_files import opened

        with self.scratch() as folder, closing(opened(folder, memory)) as engine:
            yield engine

    def note_files(self, paths: Sequence[Path]) -> None:
        """Notes delivered files as inputs."""
        self.files += [str(path) for path in paths]

    # Reading

    def read(
        self,
        dataset: Dataset,
        *,
        since: str | None = None,
        until: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Rows of these days, as known on the night of this step."""
        table, version, window = self._look(dataset, since, until)
        return table.read(window, columns, version)

    def frame(self, dataset: Dataset, *, since: str | None = None, until: str | None = None) -> DataFrame:
        """The same as a Spark frame."""
        from daybreak.lake.spark_tables import read_spark

        table, version, window = self._look(dataset, since, until)
        return read_spark(self.spark, table, window, version)

    def day(self, dataset: Dataset, columns: Sequence[str] | None = None) -> pa.Table:
        """What an earlier step made for this very day; an error where it did not run."""
        self.require(dataset)
        return self.read(dataset, since=self.ds, until=self.ds, columns=columns)

    def require(self, dataset: Dataset) -> None:
        """Raises unless some step has written this day of the dataset."""
        if not self._declared(dataset).was_written(self.ds):
            raise InputError(
                f"{dataset.name} has no day {self.ds}; run the step that makes it first ({maker_of(dataset)})"
            )

    def state(self, dataset: Dataset, columns: Sequence[str] | None = None) -> pa.Table:
        """The newest row of each key up to this night; of all columns that are not bulky, or of those that are named
        beside the key and what tells when a state began."""
        assert dataset.delivery is not None
        wanted = columns or [column.name for column in dataset.columns if not column.bulky]
        told = [*dataset.key, dataset.delivery.time_column, dataset.replaced_by, *wanted]
        rows = self.read(dataset, columns=list(dict.fromkeys(told)))
        order = [(dataset.delivery.time_column, "descending"), (dataset.replaced_by, "descending")]
        rows = rows.sort_by([*order, *((name, "ascending") for name in dataset.key)])
        numbered = rows.append_column("_row", pa.array(range(rows.num_rows), pa.int64()))
        newest = numbered.group_by(list(dataset.key), use_threads=False).aggregate([("_row", "min")])
        return rows.take(newest.column("_row_min").combine_chunks().sort())

    def days(self, dataset: Dataset) -> dict[str, int]:
        """Rows by day, as known on this night."""
        table, version, window = self._look(dataset, None, None)
        return table.days(window, version)

    def written(self, dataset: Dataset, days: Sequence[str]) -> set[str]:
        """Those of the days that some attempt has written, even with no rows."""
        return self._declared(dataset).written(days)

    def unbuilt(self, dataset: Dataset, source: Dataset, days: Sequence[str]) -> list[str]:
        """The days of `source` that `dataset` was never built from, or before they were written again."""
        return self._declared(dataset).unbuilt(self._declared(source), days)

    def paths(self, dataset: Dataset, *, since: str | None = None, until: str | None = None) -> list[str]:
        """The Parquet files that hold these days, for an engine that reads files by itself."""
        table, version, window = self._look(dataset, since, until)
        return table.local_paths(table.files(window, version))[1]

    def delivered(self, dataset: Dataset) -> list[str]:
        """The Parquet files that hold what this very night brought, to whatever days it belongs."""
        table, version, window = self._look(dataset, None, None)
        files = [file for file in table.files(window, version) if file.partition[dataset.replaced_by] == self.ds]
        return table.local_paths(files)[1]

    def _look(self, dataset: Dataset, since: str | None, until: str | None) -> tuple[Table, int | None, Window]:
        until = min(until or self.ds, self.ds)
        table = self._declared(dataset)
        if dataset.name not in self.inputs:
            self.inputs[dataset.name] = Touched(dataset.name, table.version(), days=f"{since or 'first'} to {until}")
        return table, self.inputs[dataset.name].version, Window(since=since, until=until, as_of=self.ds)

    def _declared(self, dataset: Dataset) -> Table:
        """A table that the step has said it reads or writes."""
        if dataset not in (*self._spec.reads, *self._spec.writes):
            raise SettingsError(f"step {self._spec.name} reads {dataset.name} without declaring it in its StepSpec")
        return self._lake.table(dataset)

    # Writing

    def write(
        self,
        dataset: Dataset,
        rows: pa.Table | pa.RecordBatchReader | DataFrame,
        *,
        days: Sequence[str] = (),
        notes: Mapping[str, Any] | None = None,
        built_from: Dataset | None = None,
    ) -> Commit:
        """Replaces this day of a dataset (or `days`), in one commit. With `built_from`, it is remembered which commits
        of the same days of that dataset the rows were made from."""
        if dataset not in self._spec.writes:
            raise SettingsError(f"step {self._spec.name} writes {dataset.name} without declaring it in its StepSpec")
        source = (self._declared(built_from), self.inputs[built_from.name].version) if built_from else None
        commit = self._lake.table(dataset).replace(rows, self.attempt, days=days, notes=notes, built_from=source)
        covered = f"{min(days)} to {max(days)}" if days else self.ds
        self.outputs.append(Touched(dataset.name, commit.version, commit.rows, covered))
        return commit


def maker_of(dataset: Dataset) -> str:
    """The command that makes a table."""
    from daybreak.steps import all_steps

    makers = [f"daybreak run {name}" for name, spec in all_steps().items() if dataset in spec.writes]
    return " or ".join(makers) or "no step writes it"
