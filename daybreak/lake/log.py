"""The Delta log of one table: which files a version names, and the one way to add a version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, create_table_with_add_actions

from daybreak.contracts import Dataset
from daybreak.errors import LakeError, StaleAttempt
from daybreak.lake.attempts import Attempt
from daybreak.lake.schemas import full_schema
from daybreak.lake.storage import Storage

MOST_TRIES = 20


@dataclass(frozen=True)
class DataFile:
    """One data file of a version. Its path is relative to the table."""

    path: str
    partition: dict[str, str]
    rows: int
    bytes: int


class Log:
    """The versions of one table."""

    def __init__(self, dataset: Dataset, storage: Storage) -> None:
        self._dataset = dataset
        self._storage = storage
        self._url = storage.location(dataset.name)
        self._options = storage.options

    def version(self) -> int | None:
        """The newest version; None before the first commit."""
        table = self._open()
        return table.version() if table else None

    def files(self, version: int | None = None) -> list[DataFile]:
        """The data files of a version, in order of their paths."""
        table = self._open(version)
        if table is None:
            return []
        files = []
        for action in pa.table(table.get_add_actions(flatten=True)).to_pylist():
            partition = {name: str(action[f"partition.{name}"]) for name in self._dataset.partition}
            files.append(
                DataFile(unquote(action["path"]), partition, int(action["num_records"]), int(action["size_bytes"]))
            )
        return sorted(files, key=lambda file: file.path)

    def history(self) -> list[dict[str, Any]]:
        """What each commit said of itself, the newest first."""
        table = self._open()
        return table.history() if table else []

    def committed_token(self, day: str, version: int | None = None) -> int | None:
        """The attempt that had committed the day last, as of a version; None where none had."""
        table = self._open(version)
        return self._token(table, day) if table else None

    def committed_tokens(self, days: Sequence[str], version: int | None = None) -> dict[str, int]:
        """The same for several days; those that none has committed are left out."""
        table = self._open(version)
        tokens = {day: self._token(table, day) for day in days} if table else {}
        return {day: token for day, token in tokens.items() if token is not None}

    def built_from(self, days: Sequence[str]) -> dict[str, int]:
        """For each day that was built from another table's day: the attempt that had committed that one."""
        table = self._open()
        tokens = {day: table.transaction_version(_source_of(day)) for day in days} if table else {}
        return {day: token for day, token in tokens.items() if token is not None}

    def refuse_if_stale(self, attempt: Attempt, days: Sequence[str]) -> int:
        """The newest version, 0 before the first; raises where a newer attempt has committed one of the days."""
        table = self._open()
        if table is None:
            return 0
        self._refuse_if_stale(table, attempt, days)
        return table.version()

    def _refuse_if_stale(self, table: DeltaTable, attempt: Attempt, days: Sequence[str]) -> None:
        for day in days:
            committed = self._token(table, day)
            if committed is not None and committed > attempt.token:
                raise StaleAttempt(
                    f"{self._dataset.name} of {day}: attempt {attempt.token} of {attempt.work} withdraws,"
                    f" because attempt {committed} has already committed"
                )

    def commit(
        self,
        files: Sequence[DataFile],
        attempt: Attempt,
        days: Sequence[str],
        notes: Mapping[str, Any],
        built_from: Mapping[str, int],
    ) -> int:
        """One version in which `days` hold exactly `files`. Where an older attempt commits at the same moment, this
        one commits after it. `built_from` is remembered for `Log.built_from`."""
        marks = [Transaction(f"{self._dataset.replaced_by}={day}", attempt.token) for day in days]
        marks += [Transaction(_source_of(day), token) for day, token in built_from.items()]
        for _ in range(MOST_TRIES):
            version = self._try_to_commit(files, attempt, days, notes, marks)
            if version is not None:
                return version
        raise LakeError(
            f"{self._dataset.name} of {', '.join(days)}: others committed at the same moment {MOST_TRIES} times;"
            " run the step again"
        )

    def _try_to_commit(
        self,
        files: Sequence[DataFile],
        attempt: Attempt,
        days: Sequence[str],
        notes: Mapping[str, Any],
        marks: list[Transaction],
    ) -> int | None:
        """The version it made; None where another commit of these days came between."""
        table = self._open() or self._create()
        self._refuse_if_stale(table, attempt, days)
        column = self._dataset.replaced_by
        adds = [
            AddAction(file.path, file.bytes, file.partition, 0, True, json.dumps({"numRecords": file.rows}))
            for file in files
        ]
        signature = {"work": attempt.work, "ds": attempt.ds, "token": str(attempt.token), "days": " ".join(days)}
        try:
            table.create_write_transaction(
                list(adds),
                "overwrite",
                self._schema(table),
                list(self._dataset.partition),
                partition_filters=[(column, "in", list(days))],
                commit_properties=CommitProperties(
                    app_transactions=marks,
                    custom_metadata={**{name: _as_text(note) for name, note in notes.items()}, **signature},
                ),
            )
        except CommitFailedError:
            return None
        except (DeltaError, OSError) as error:
            raise LakeError(f"{self._dataset.name} of {', '.join(days)} could not be committed: {error}") from None
        return self._version_signed(signature, table.version())

    def _schema(self, table: DeltaTable) -> Schema:
        """The table's columns, and those declared since: rows of before have nulls in them."""
        fields = {field.name: field for field in table.schema().fields}
        for declared in Schema.from_arrow(full_schema(self._dataset)).fields:
            held = fields.get(declared.name)
            if held and held.type != declared.type:
                raise LakeError(
                    f"{self._dataset.name}.{declared.name} is declared as {pa.field(declared).type}, but its table"
                    f" holds {pa.field(held).type}; declare what has changed under another name"
                )
            if held is None or declared.nullable:
                fields[declared.name] = Field(declared.name, declared.type, nullable=True)
        return Schema(list(fields.values()))

    def _version_signed(self, signature: dict[str, str], read_version: int) -> int:
        """The version this commit made, also when others committed in between."""
        version = read_version
        while (said := self._said_by(version + 1)) is not None:
            version += 1
            if all(said.get(name) == value for name, value in signature.items()):
                return version
        raise LakeError(f"{self._dataset.name}: the commit of {signature} is not in the table's history")

    def _said_by(self, version: int) -> dict[str, Any] | None:
        """What the commit of a version says of itself; None where there is no such version yet."""
        try:
            lines = self._storage.read(f"{self._dataset.name}/_delta_log/{version:020}.json").splitlines()
        except FileNotFoundError:
            return None
        actions = [json.loads(line) for line in lines]
        return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})

    def vacuum(self, pinned_versions: Sequence[int], retention_hours: int) -> list[str]:
        """Removes data files that neither the newest version, nor a pinned one, nor a recent one names."""
        table = self._open()
        if table is None:
            return []
        pinned = sorted({version for version in pinned_versions if version <= table.version()})
        return table.vacuum(
            retention_hours, dry_run=False, enforce_retention_duration=False, full=True, keep_versions=pinned or None
        )

    def _token(self, table: DeltaTable, day: str) -> int | None:
        return table.transaction_version(f"{self._dataset.replaced_by}={day}")

    def _create(self) -> DeltaTable:
        schema = Schema.from_arrow(full_schema(self._dataset))
        partition = list(self._dataset.partition)
        try:
            create_table_with_add_actions(
                self._url,
                schema,
                [],
                "error",
                partition,
                self._dataset.name,
                configuration={"delta.enableExpiredLogCleanup": "false"},
                storage_options=self._options,
            )
        except (DeltaError, OSError) as error:
            table = self._open()
            if table is None:
                raise LakeError(f"table {self._dataset.name} could not be created: {error}") from None
            return table
        return DeltaTable(self._url, storage_options=self._options)

    def _open(self, version: int | None = None) -> DeltaTable | None:
        try:
            return DeltaTable(self._url, version=version, storage_options=self._options)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise LakeError(f"table {self._dataset.name} cannot be opened: {error}") from None


def _source_of(day: str) -> str:
    return f"built_from={day}"


def _as_text(note: Any) -> str:
    return note if isinstance(note, str) else json.dumps(note, sort_keys=True)
