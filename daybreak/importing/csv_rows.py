"""Reads separated text (CSV, tab-separated, MovieLens' `::`) in batches, every value as the text that stands there."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import csv as arrow_csv

from daybreak.errors import InputError
from daybreak.importing.batches import Batch, require_columns
from daybreak.importing.text_files import opened, start_of

BLOCK = 4 << 20
LONGEST_HEADER = 1 << 20
SEPARATORS = (",", "\t", ";", "|")
STAND_IN = "\x1f"
"""Takes the place of a separator of several bytes, because the CSV parser splits at single ones."""
LINE_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True)
class CsvForm:
    """How a separated file is written. A `header` given here is for files that have none of their own."""

    encoding: str = "utf-8"
    separator: str | None = None
    header: tuple[str, ...] | None = None
    quoted: bool = True


class SeparatorStream(io.RawIOBase):
    """A file whose separator of several bytes reads as one byte."""

    def __init__(self, file: BinaryIO, separator: bytes) -> None:
        super().__init__()
        self._file = file
        self._separator = separator
        self._held = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, no fewer than a separator has; what may begin one waits for the next call."""
        while True:
            chunk = self._file.read(size - len(self._held) if size > 0 else -1)
            *whole, rest = (self._held + chunk).split(self._separator)
            self._held = self._begun_separator(rest) if chunk and size > 0 else b""
            data = STAND_IN.encode().join([*whole, rest.removesuffix(self._held)])
            if data or not chunk:
                return data

    def _begun_separator(self, data: bytes) -> bytes:
        """The end of the data with which a separator may begin."""
        lengths = range(len(self._separator) - 1, 0, -1)
        return next((data[-n:] for n in lengths if data.endswith(self._separator[:n])), b"")


def read_csv(path: Path, form: CsvForm, wanted: Sequence[str]) -> Iterator[Batch]:
    """The wanted columns of a file, in batches."""
    first_line, more = _first_line(path, form.encoding)
    separator = form.separator or _guess_separator(first_line)
    single = len(separator.encode()) == 1
    header = form.header or _parse_header(path, first_line, separator, form.quoted and single)
    require_columns(path, wanted, header)
    if form.header is None and not more:
        return
    odd_rows: list[Any] = []
    rows_before = 0
    try:
        with opened(path) as file:
            source = file if single else SeparatorStream(file, separator.encode(form.encoding))
            delimiter = separator if single else STAND_IN
            for batch in _open_reader(source, form, delimiter, header, wanted, odd_rows):
                columns = {name: batch.column(name) for name in wanted}
                yield Batch.of(path, rows_before, batch.num_rows, columns)
                rows_before += batch.num_rows
    except pa.ArrowInvalid as error:
        raise InputError(_sentence(path, separator, form, odd_rows, error)) from None


def _open_reader(
    source: io.RawIOBase | BinaryIO,
    form: CsvForm,
    delimiter: str,
    header: Sequence[str],
    wanted: Sequence[str],
    odd_rows: list[Any],
) -> Any:
    def note(row: Any) -> str:
        odd_rows.append(row)
        return "error"

    return arrow_csv.open_csv(
        source,
        read_options=arrow_csv.ReadOptions(
            use_threads=False,
            block_size=BLOCK,
            column_names=list(header),
            skip_rows=0 if form.header else 1,
            encoding=form.encoding,
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if form.quoted else False,
            newlines_in_values=form.quoted,
            invalid_row_handler=note,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False, include_columns=list(wanted)
        ),
    )


def _sentence(path: Path, separator: str, form: CsvForm, odd_rows: list[Any], error: Exception) -> str:
    if not odd_rows:
        return f"{path} cannot be read as text separated by {separator!r}: {error}"
    row = odd_rows[0]
    number = row.number if form.header else row.number - 1
    return (
        f"{path}, row {number}: expected {row.expected_columns} columns separated by {separator!r}, found "
        f"{row.actual_columns} in {row.text[:80]!r}; use one separator throughout, and quote values that hold it"
    )


def _first_line(path: Path, encoding: str) -> tuple[str, bool]:
    """The first line, and whether another follows."""
    start = start_of(path, LONGEST_HEADER)
    text = start.decode(encoding, errors="ignore").removeprefix("\ufeff")
    line, *more = LINE_END.split(text, maxsplit=1)
    return line, bool(more)


def _guess_separator(line: str) -> str:
    """The usual separator that the first line holds most of; a comma where it holds none."""
    return max(SEPARATORS, key=line.count)


def _parse_header(path: Path, line: str, separator: str, quoted: bool) -> tuple[str, ...]:
    try:
        names = next(csv.reader([line], delimiter=separator), []) if quoted else line.split(separator)
    except csv.Error as error:
        raise InputError(f"{path} does not begin with a header ({error}); name its format in the mapping") from None
    if not any(names):
        raise InputError(f"{path} begins with an empty line where its header should be; take the line out")
    return tuple(names)
