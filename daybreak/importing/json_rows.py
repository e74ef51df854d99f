"""Reads JSON lines in batches. Numbers stay the text they were written as, so that nothing is rounded on the way."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from daybreak.errors import InputError
from daybreak.importing.batches import Batch
from daybreak.importing.text_files import opened, start_of

LINES = 50_000
HALF_A_PAIR = re.compile("[\ud800-\udfff]")


class Number(str):
    """A number within a list or an object, as it was written and told apart from a text that looks like one."""

    __slots__ = ()


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
            columns = {name: _column(path, rows_before, name, records, chunk) for name in wanted}
            yield Batch.of(path, rows_before, len(records), columns)
            rows_before += len(records)


def _record(path: Path, row: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise InputError(_no_object(path, row, line, f" ({error})")) from None
    if not isinstance(record, dict):
        raise InputError(_no_object(path, row, line, ""))
    return record


def _no_object(path: Path, row: int, line: str, why: str) -> str:
    return (
        f"{path}, row {row}: expected one JSON object a line, found {line[:80]!r}{why}; write each row on its own line"
    )


def _column(path: Path, rows_before: int, name: str, records: list[dict[str, Any]], lines: list[str]) -> pa.Array:
    texts = [_text(name, record.get(name), line) for record, line in zip(records, lines, strict=True)]
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        halves = (at for at, text in enumerate(texts, start=1) if text and HALF_A_PAIR.search(text))
        raise InputError(
            f"{path}, row {rows_before + next(halves)}: column '{name}' holds half of a surrogate pair, which is no "
            "text; correct it or leave the row out"
        ) from None


def _text(name: str, value: Any, line: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return json.dumps(value)
    return _as_json(json.loads(line, parse_int=Number, parse_float=Number, parse_constant=Number)[name])


def _as_json(value: Any) -> str:
    """A value as JSON, with its numbers as they were written."""
    if isinstance(value, Number):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_as_json(name)}: {_as_json(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_as_json(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)
