"""Kinds of dirt that a delivery can hold: each makes one row that should not be there, beside the good ones.

Dirt is added and never replaces a good row, so the clean world can be told apart: every added row with an id of its own
has one that begins with `dirt-`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Row = dict[str, Any]
Spoil = Callable[[Row, bytes], Row | bytes]

UNREADABLE, CONFLICT = "unreadable", "event_id.conflict"
LONG_ID = 10_000


@dataclass(frozen=True)
class DirtKind:
    """One kind of bad row, which `spoil` makes from a good row and a good line that stands earlier in the file.

    `breaks` is the contract's rule it breaks: UNREADABLE where the line is no JSON object in UTF-8, CONFLICT where
    another row has its id, and None where the contract does not mind.
    """

    doc: str
    breaks: str | None
    spoil: Spoil

    def line(self, row: Row, earlier: bytes) -> bytes:
        """The bad row as a line of a file."""
        spoiled = self.spoil(row, earlier)
        return (spoiled if isinstance(spoiled, bytes) else as_json(spoiled)) + b"\n"


def as_json(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def _setting(**values: Any) -> Spoil:
    return lambda row, _: {**row, **values}


def _without(column: str) -> Spoil:
    return lambda row, _: {name: value for name, value in row.items() if name != column}


def _text(change: Callable[[bytes], bytes]) -> Spoil:
    return lambda row, _: change(as_json(row))


def _moved(days: int) -> Spoil:
    """The row at a time that many days away."""

    def spoil(row: Row, _: bytes) -> Row:
        moment = datetime.fromisoformat(row["event_ts"]) + timedelta(days=days)
        return {**row, "event_ts": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}

    return spoil


def _conflict(row: Row, earlier: bytes) -> Row:
    return {**row, "event_id": json.loads(earlier)["event_id"]}


def _in_surface(content: bytes) -> Spoil:
    return lambda row, _: as_json({**row, "surface": "@"}).replace(b'"@"', b'"' + content + b'"')


DIRT: dict[str, DirtKind] = {
    "null_id": DirtKind("an event id that is null", "event_id.required", _setting(event_id=None)),
    "empty_id": DirtKind("an event id of no characters", "event_id.length", _setting(event_id="")),
    "long_id": DirtKind("an item id of 10,000 characters", "item_id.length", _setting(item_id="i" * LONG_ID)),
    "padded_id": DirtKind(
        "a user id with white space around it",
        "user_id.pattern",
        lambda row, _: {**row, "user_id": f" {row['user_id']}\t"},
    ),
    "missing_column": DirtKind("no user id at all", "user_id.required", _without("user_id")),
    "extra_column": DirtKind("a column that nobody declared", None, _setting(campaign="autumn")),
    "text_price": DirtKind("a price in words", "price.type", _setting(price="19,90 EUR")),
    "negative_price": DirtKind("a price below nothing", "price.range", _setting(price=-19.9)),
    "nan_text": DirtKind("the text NaN for a price", "price.type", _setting(price="NaN")),
    "nan_number": DirtKind("the bare word NaN for a price", "price.range", _setting(price=float("nan"))),
    "unknown_type": DirtKind("a type of event that nobody knows", "event_type.set", _setting(event_type="hover")),
    "wrong_case": DirtKind("a type of event in capitals", "event_type.set", _setting(event_type="PURCHASE")),
    "unknown_device": DirtKind("a device that nobody knows", "device.set", _setting(device="fridge")),
    "far_position": DirtKind("a place of ten million in the shelf", "position.range", _setting(position=10_000_000)),
    "future_time": DirtKind("an event of next year", "event_ts.arrival", _moved(365)),
    "time_of_1970": DirtKind(
        "an event of 1 January 1970", "event_ts.arrival", _setting(event_ts="1970-01-01T00:00:00.000000Z")
    ),
    "too_late": DirtKind("an event that comes ten days late", "event_ts.arrival", _moved(-10)),
    "bad_time": DirtKind("a timestamp in another form", "event_ts.type", _setting(event_ts="20/11/26 um 12 Uhr")),
    "conflict": DirtKind("the id of another row, with other contents", CONFLICT, _conflict),
    "truncated_line": DirtKind(
        "a line that ends in the middle", UNREADABLE, _text(lambda text: text[: len(text) // 2])
    ),
    "array_row": DirtKind(
        "a list of values instead of an object", UNREADABLE, lambda row, _: as_json(list(row.values()))
    ),
    "blank_line": DirtKind("a line with nothing in it, which is no row", None, lambda row, _: b""),
    "latin1_text": DirtKind("a text in Latin-1", UNREADABLE, _in_surface("für_dich".encode("latin-1"))),
    "invalid_utf8": DirtKind("bytes that are no UTF-8", UNREADABLE, _in_surface(b"\xff\xfe\xc0")),
    "control_characters": DirtKind("raw control characters in a text", UNREADABLE, _in_surface(b"for\x01\x1byou")),
}
FAULTS: dict[str, str] = {
    "truncated_gzip": "the second half of the file is missing",
    "empty_file": "the file has no bytes",
    "missing_file": "there is no file",
    "utf16_file": "the file is in UTF-16",
}
