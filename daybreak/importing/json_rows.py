"""Reads JSON lines in batches. Numbers stay the text they were written as, so that nothing is rounded on the way."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from daybreak.errors import InputError
from daybreak.importing.batches import Batch
from daybreak.importing.text_files import opened, start_of

LINES = 50_000


def read_json_lines(path: Path, encoding: str, wanted: Sequence[str], seen: dict[str, None]) -> Iterator[Batch]:
    """The wanted columns of a file, in batches, null where a row leaves one out. Every column that occurs is noted in
    `seen`: whether a wanted one is there can only be told when all files are read."""
    start_of(path, 1)
    rows_before = 0
    with opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig" if encoding == "utf-8" else encoding)
        lines = (line for line in text if not line.isspace())
        while chunk := list(islice(lines, LINES)):
            records = [_record(path, rows_before + at, line) for at, line in enumerate(chunk, start=1)]
            for record in records:
                if record.keys() - seen.keys():
                    seen.update(dict.fromkeys(record))
            columns = {name: _column(path, name, records) for name in wanted}
            yield Batch.of(path, rows_before, len(records), columns)
            rows_before += len(records)


def _record(path: Path, row: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
    except ValueError as error:
        raise InputError(f"{path}, row {row}: expected a JSON object, found {line[:80]!r} ({error})") from None
    if not isinstance(record, dict):
        raise InputError(f"{path}, row {row}: expected a JSON object, found {line[:80]!r}")
    return record


def _column(path: Path, name: str, records: list[dict[str, Any]]) -> pa.Array:
    try:
        return pa.array([_text(record.get(name)) for record in records], pa.string())
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path}: column '{name}' holds half of a surrogate pair, which is no text ({error})"
        ) from None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
