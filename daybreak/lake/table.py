"""One Delta table: read what a night may see, replace a day in one commit, tell its past.

Rows are written as plain Parquet files that nobody sees, then one commit of the Delta log adds them and takes away
what the same day held before. A crash before the commit leaves files that no version names; clean-up removes them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from daybreak.clock import hours_since_change
from daybreak.contracts import DS, Dataset
from daybreak.errors import LakeError
from daybreak.lake.attempts import Attempt
from daybreak.lake.digest import rows_digest
from daybreak.lake.log import DataFile, Log
from daybreak.lake.schemas import full_schema
from daybreak.lake.staging import move_in, stage_arrow, stage_batches
from daybreak.lake.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

STAGED = "_staged"


@dataclass(frozen=True)
class Window:
    """The days a read covers: `since` to `until` of the day rows belong to, as known when night `as_of` had landed."""

    since: str | None = None
    until: str | None = None
    as_of: str | None = None

    def covers(self, partition: Mapping[str, str], replaced_by: str) -> bool:
        day = partition[DS]
        return (
            (self.since is None or day >= self.since)
            and (self.until is None or day <= self.until)
            and (self.as_of is None or partition[replaced_by] <= self.as_of)
        )


@dataclass(frozen=True)
class Commit:
    """What a write left: the version it made and the rows it holds."""

    dataset: str
    version: int
    rows: int
    rows_by_day: dict[str, int]


class Table:
    """A dataset's table in the lake. Its folder is the dataset's name."""

    def __init__(self, dataset: Dataset, storage: Storage, scratch: Path) -> None:
        self.dataset = dataset
        self._storage = storage
        self._scratch = scratch
        self._url = storage.location(dataset.name)
        self._log = Log(dataset, storage)

    def version(self) -> int | None:
        """The newest version; None before the first commit."""
        return self._log.version()

    def history(self) -> list[dict[str, Any]]:
        """Every commit, the newest first: version, time, and what its writer said of it."""
        return self._log.history()

    def files(self, window: Window | None = None, version: int | None = None) -> list[DataFile]:
        """The data files of a version that hold rows of the window."""
        window = window or Window()
        return [file for file in self._log.files(version) if window.covers(file.partition, self.dataset.replaced_by)]

    def days(self, window: Window | None = None, version: int | None = None) -> dict[str, int]:
        """Rows by the day they belong to."""
        return _rows_by_day(self.files(window, version))

    def was_written(self, day: str) -> bool:
        """Whether some attempt has committed the day, even with no rows."""
        return self._log.committed_token(day) is not None

    def written(self, days: Sequence[str]) -> set[str]:
        """Those of the days that some attempt has committed, even with no rows."""
        return set(self._log.committed_tokens(days))

    def unbuilt(self, source: Table, days: Sequence[str]) -> list[str]:
        """The days of `source` that this table was never built from, or before they were committed again."""
        committed, built = source._log.committed_tokens(days), self._log.built_from(days)
        return [day for day in days if day in committed and committed[day] != built.get(day)]

    def read(
        self, window: Window | None = None, columns: Sequence[str] | None = None, version: int | None = None
    ) -> pa.Table:
        """Rows as an Arrow table, in a fixed order of files."""
        full = full_schema(self.dataset)
        schema = pa.schema([full.field(name) for name in columns or full.names])
        parts = [self._read_file(file, schema) for file in self.files(window, version)]
        return pa.concat_tables([schema.empty_table(), *parts])

    def _read_file(self, file: DataFile, schema: pa.Schema) -> pa.Table:
        inside = [name for name in schema.names if name not in file.partition]
        try:
            rows = self._storage.read_parquet(f"{self.dataset.name}/{file.path}", inside)
        except (OSError, pa.ArrowInvalid) as error:
            raise LakeError(
                f"{self.dataset.name}: data file {file.path} cannot be read ({error}); run the step of that day again"
            ) from None
        arrays: list[pa.Array | pa.ChunkedArray] = []
        for field in schema:
            if field.name in file.partition:
                arrays.append(pa.array([file.partition[field.name]] * file.rows, field.type))
            elif field.name in rows.column_names:
                arrays.append(rows.column(field.name).cast(field.type))
            else:
                arrays.append(pa.nulls(file.rows, field.type))
        return pa.table(arrays, schema=schema)

    def local_paths(self, files: Sequence[DataFile]) -> tuple[str, list[str]]:
        """The folder and paths under which this machine reads the files; from an object store they are copied once."""
        if self._storage.is_local:
            return self._url, [f"{self._url}/{file.path}" for file in files]
        folder = self._copies
        for file in files:
            place = folder / file.path
            if not (place.is_file() and place.stat().st_size == file.bytes):
                self._storage.download(f"{self.dataset.name}/{file.path}", place)
        return str(folder), [str(folder / file.path) for file in files]

    def digest(self, day: str, as_of: str | None = None, version: int | None = None) -> str:
        """An order-free hash of the rows that belong to a day, as known when night `as_of` had landed."""
        return rows_digest(self.read(Window(since=day, until=day, as_of=as_of), version=version))

    def replace(
        self,
        rows: pa.Table | pa.RecordBatchReader | DataFrame,
        attempt: Attempt,
        *,
        days: Sequence[str] = (),
        notes: Mapping[str, Any] | None = None,
        built_from: tuple[Table, int | None] | None = None,
    ) -> Commit:
        """Replaces `days` (by default the attempt's own) in one commit, unless a newer attempt was first. With
        `built_from`, a table and its version, it is remembered which commits of those days the rows were made from."""
        days = sorted(days or [attempt.ds])
        newest = self._log.refuse_if_stale(attempt, days)
        staged = self._staging_folder(attempt)
        try:
            if isinstance(rows, pa.Table):
                stage_arrow(rows, self.dataset, days, staged)
            elif isinstance(rows, pa.RecordBatchReader):
                stage_batches(rows, self.dataset, staged)
            else:
                from daybreak.lake.spark_tables import stage_spark

                stage_spark(rows, self.dataset, days, staged)
            files = move_in(staged, self.dataset, self._storage, attempt, days, after=newest)
            sources = built_from[0]._log.committed_tokens(days, built_from[1]) if built_from else {}
            version = self._log.commit(files, attempt, days, notes or {}, sources)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return Commit(self.dataset.name, version, sum(file.rows for file in files), _rows_by_day(files))

    @property
    def _staged(self) -> Path:
        """Beside the data where that is local, so that moving in is a rename."""
        base = Path(self._url) if self._storage.is_local else self._scratch / "staged" / self.dataset.name
        return base / STAGED

    @property
    def _copies(self) -> Path:
        return self._scratch / "copies" / self.dataset.name

    def _staging_folder(self, attempt: Attempt) -> Path:
        folder = self._staged / f"{attempt.work}-{attempt.ds}-{attempt.token}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def clean(self, pinned_versions: Sequence[int] = (), retention_hours: int = 168) -> list[str]:
        """Removes data files that neither the newest version, nor a pinned one, nor a recent one needs, and what
        crashed writers and finished readers left behind that long ago."""
        removed = self._log.vacuum(pinned_versions, retention_hours)
        for place in (*self._staged.glob("*"), *(path for path in self._copies.rglob("*") if path.is_file())):
            with suppress(FileNotFoundError):  # what is being written gets its name at any moment
                if hours_since_change(place) >= retention_hours:
                    shutil.rmtree(place) if place.is_dir() else place.unlink()
                    removed.append(str(place))
        return removed


def _rows_by_day(files: Sequence[DataFile]) -> dict[str, int]:
    days: dict[str, int] = {}
    for file in files:
        days[file.partition[DS]] = days.get(file.partition[DS], 0) + file.rows
    return dict(sorted(days.items()))
