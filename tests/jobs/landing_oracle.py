"""What landing must make of a delivery of events, worked out line by line in plain Python."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from daybreak.contracts import Arrives, Between, Column, ColumnType, Dataset, Matches, MaxLength, OneOf, Rule

Refused = dict[tuple[str, int], str]


@dataclass(frozen=True)
class Delivered:
    """A file as it was delivered: its name (in the order of which files are read), its day and its lines."""

    path: str
    day: str
    lines: tuple[bytes, ...]


@dataclass
class Expected:
    """Ids accepted by (day of the event, day of delivery), rules broken by (path, line), and the rest."""

    accepted: dict[str, tuple[str, str]]
    refused: Refused
    duplicates: int
    rows_in: int


def land(dataset: Dataset, files: list[Delivered]) -> Expected:
    """The outcome of landing all files at once; files in the order of days and paths."""
    expected, contents = Expected({}, {}, 0, 0), {}
    for file in sorted(files, key=lambda file: (file.day, file.path)):
        for number, line in enumerate(file.lines, start=1):
            if not line.strip(b" \t"):
                continue
            expected.rows_in += 1
            rules, row = judge(dataset, line, file.day)
            event_id = row.get("event_id")
            if not rules and event_id in contents:
                if contents[event_id] == row:
                    expected.duplicates += 1
                    continue
                rules = ["event_id.conflict"]
            if rules:
                expected.refused[file.path, number] = " ".join(rules)
                continue
            contents[event_id] = row
            expected.accepted[event_id] = (row["event_ts"].date().isoformat(), file.day)
    return expected


def judge(dataset: Dataset, line: bytes, landed: str) -> tuple[list[str], dict[str, Any]]:
    """The rules a line breaks, in order, and its typed values."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return ["row.encoding"], {}
    try:
        document = json.loads(text)
    except ValueError:
        return ["row.json"], {}
    if not isinstance(document, dict):
        return ["row.json"], {}
    row = {column.name: _value(column, document.get(column.name)) for column in dataset.columns}
    return [rule for column in dataset.columns for rule in _broken(column, document, row, landed)], row


def _broken(column: Column, document: dict[str, Any], row: dict[str, Any], landed: str) -> list[str]:
    raw, value = document.get(column.name), row[column.name]
    if raw is None:
        return [] if column.nullable else [column.required_rule_id]
    if value is None:
        return [column.type_rule_id]
    return [column.rule_id(rule) for rule in column.rules if not keeps(rule, value, landed)]


def _value(column: Column, raw: Any) -> Any:
    if raw is None or isinstance(raw, list | dict):
        return None
    match column.type:
        case ColumnType.STRING:
            return raw if isinstance(raw, str) else json.dumps(raw)
        case ColumnType.TIMESTAMP:
            return _moment(raw)
        case ColumnType.INT32:
            whole = re.fullmatch(r"\s*[+-]?\d+\s*", str(raw))
            return int(str(raw)) if whole and abs(int(str(raw))) < 2**31 else None
        case _:
            return _number(raw)


def _number(raw: Any) -> float | None:
    if isinstance(raw, bool):
        return None
    if isinstance(raw, str) and set(raw) - set("0123456789+-.eE ") and raw.strip("+- ") not in ("NaN", "Infinity"):
        return None
    try:
        return float(raw)
    except ValueError:
        return None


def _moment(raw: Any) -> datetime | None:
    if not isinstance(raw, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:.*)?", raw):
        return None
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def keeps(rule: Rule, value: Any, landed: str) -> bool:
    """Whether a value that is there keeps a rule."""
    match rule:
        case Between(low, high):
            above = low is None or value >= low
            return math.isfinite(value) and above and (high is None or value <= high)
        case OneOf(values):
            return value in values
        case Matches(pattern):
            return re.fullmatch(pattern, value, re.ASCII) is not None
        case MaxLength(characters):
            return 1 <= len(value) <= characters
        case Arrives(late_days):
            days = (date.fromisoformat(landed) - value.date()) / timedelta(days=1)
            return days >= 0 and (late_days is None or days <= late_days)
