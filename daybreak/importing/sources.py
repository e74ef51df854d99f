"""What an import is made of: for each dataset its files and how they are written, the rules of its columns and the rows
wanted. How a file is written is told by the mapping or a known format, or found out by looking."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from daybreak.contracts import Dataset
from daybreak.errors import InputError
from daybreak.importing.batches import Batch
from daybreak.importing.column_rules import Rule
from daybreak.importing.csv_rows import CsvForm, read_csv
from daybreak.importing.json_rows import read_json_lines
from daybreak.importing.parquet_rows import read_parquet
from daybreak.importing.row_filters import Wanted
from daybreak.importing.text_files import detect_encoding, start_of

FileKind = Literal["csv", "jsonl", "parquet"]
PARQUET_MAGIC = b"PAR1"
ZIP_MAGIC = b"PK\x03\x04"
BEGIN_OF_JSON = re.compile(r"\s*(\[\s*)?\{")


@dataclass(frozen=True)
class FileForm:
    """How a source's files are written; None is found out by looking into each file."""

    kind: FileKind | None = None
    encoding: str | None = None
    separator: str | None = None
    header: tuple[str, ...] | None = None
    quoted: bool = True


@dataclass(frozen=True)
class SourceFile:
    """One file and all that is needed to read it. Parquet has no encoding."""

    path: Path
    kind: FileKind
    encoding: str | None
    form: FileForm

    def batches(self, wanted: Sequence[str], seen: dict[str, None]) -> Iterator[Batch]:
        """The wanted columns, in batches. A file with a header must have them all; JSON lines tell theirs in `seen`."""
        if self.kind == "parquet" or self.encoding is None:
            return read_parquet(self.path, wanted)
        if self.kind == "jsonl":
            return read_json_lines(self.path, self.encoding, wanted, seen)
        form = CsvForm(self.encoding, self.form.separator, self.form.header, self.form.quoted)
        return read_csv(self.path, form, wanted)


@dataclass(frozen=True)
class Source:
    """Where one dataset comes from. `nulls` are the texts that mean that there is no value."""

    dataset: Dataset
    files: tuple[SourceFile, ...]
    rules: dict[str, Rule]
    nulls: tuple[str, ...] = ("",)
    where: dict[str, Wanted] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every source column that is read, each once."""
        used = [column for rule in self.rules.values() for column in rule.columns]
        return tuple(dict.fromkeys([*used, *self.where]))


@dataclass(frozen=True)
class ImportPlan:
    """All sources of an import, what they were recognised as, and what a person should know about them."""

    format: str
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()


def look_into(path: Path, form: FileForm) -> SourceFile:
    """Finds out what the form leaves open."""
    start = start_of(path, 4096)
    if start.startswith(ZIP_MAGIC):
        raise InputError(f"{path} is a zip archive: unpack it and import the folder")
    kind = form.kind or _kind_of(start)
    if kind == "parquet":
        return SourceFile(path, kind, None, form)
    if start.startswith(PARQUET_MAGIC):
        raise InputError(f"{path} is a Parquet file but is to be read as {kind}: write 'format: parquet'")
    return SourceFile(path, kind, form.encoding or detect_encoding(path), form)


def _kind_of(start: bytes) -> FileKind:
    if start.startswith(PARQUET_MAGIC):
        return "parquet"
    text = start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="ignore")
    return "jsonl" if BEGIN_OF_JSON.match(text) else "csv"


def files_matching(folder: Path, pattern: str) -> list[Path]:
    """The files that a glob finds below a folder, in the order of their names."""
    if Path(pattern).is_absolute():
        folder, pattern = Path("/"), pattern.lstrip("/")
    return sorted(path for path in folder.glob(pattern) if path.is_file())
