"""Writes the lists of a night as one snapshot file, which the reader maps into memory and serves from.

Lists may come in any order: they are spooled to an unnamed file and appended to LMDB sorted by key. The same lists
always give the same bytes: nothing in the file depends on the clock, the process or the order of arrival.
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from daybreak.errors import InputError, MissingExtra, ReleaseError
from serving_export.reader import layout

try:
    import lmdb
except ModuleNotFoundError:
    raise MissingExtra("lmdb", "reader") from None

ITEM_FIELDS = ("title", "category", "brand", "price")
SIGNIFICANT_DIGITS = 4
_RECORDS_PER_COMMIT = 5_000
_PAGE = 4_096
_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Entry(NamedTuple):
    """One candidate of a list; `chance` is told where it was drawn for its place."""

    id: str
    score: float
    source: str
    reason: str = ""
    chance: float | None = None


class ListOf(NamedTuple):
    """A list, and whose it is: of a query, of a segment, or of everyone."""

    surface: str
    audience: str
    query: str
    entries: Sequence[Entry]


class _Spooled(NamedTuple):
    """Where a record waits in the spool file."""

    key: bytes
    offset: int
    length: int


def write_lists(
    path: Path,
    lists: Iterable[ListOf],
    items: Iterable[tuple[str, Mapping[str, Any]]],
    surfaces: Mapping[str, Mapping[str, Any]],
    segments: Iterable[tuple[str, str]] = (),
) -> int:
    """Writes `lists` and what answers say about `items` to `path`; returns how many lists.

    `surfaces` tells how each is to be served (see the layout), `segments` the segment of each user that has one. Of an
    item, those of ITEM_FIELDS that are not null are kept.
    """
    with _told_plainly(path), tempfile.TemporaryFile(dir=path.parent) as spool:
        records = [_spool(spool, key, body) for key, body in _list_records(lists)]
        count = len(records)
        records += [_spool(spool, key, body) for key, body in _item_records(items)]
        records += [
            _spool(spool, *_record(layout.SEGMENT_OF_SPACE, user, _to_json(segment))) for user, segment in segments
        ]
        records.append(_spool(spool, layout.LAYOUT_KEY, layout.LAYOUT))
        records.append(_spool(spool, *_record(layout.SURFACES_SPACE, "", _to_json(dict(sorted(surfaces.items()))))))
        records.sort()
        _refuse_repeats(records)
        _append(path, spool, records)
    return count


@contextlib.contextmanager
def _told_plainly(path: Path) -> Iterator[None]:
    """Leaves no half file behind, and tells a full disk or a wrong folder in one sentence."""
    try:
        yield
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError | lmdb.Error):
            raise ReleaseError(
                f"the lists could not be written to {path}: {error}; make sure there is room and run again"
            ) from error
        raise


def _list_records(lists: Iterable[ListOf]) -> Iterator[tuple[bytes, bytes]]:
    for surface, audience, query, entries in lists:
        if not surface or "\0" in surface or surface.startswith("@"):
            raise InputError(f"a surface must have a name without NUL that does not begin with @, found {surface!r}")
        space = f"{layout.SEGMENT_SPACE}{surface}" if audience == "segment" else surface
        yield _record(space, query, _list_json(surface, query, entries))


def _list_json(surface: str, query: str, entries: Sequence[Entry]) -> str:
    """The list as JSON, written piece by piece: a general encoder takes more than twice as long."""
    parts = []
    for entry_id, score, source, reason, chance in entries:
        if not math.isfinite(score):
            raise InputError(f"list {query!r} of {surface}: the score of {entry_id!r} must be finite, found {score}")
        rounded = f"{score:.{SIGNIFICANT_DIGITS}g}"
        because = f',"reason":{_to_json(reason)}' if reason else ""
        drawn = f',"chance":{chance:.{SIGNIFICANT_DIGITS}g}' if chance is not None else ""
        parts.append(f'{{"id":{_to_json(entry_id)},"score":{rounded},"source":{_to_json(source)}{because}{drawn}}}')
    return f"[{','.join(parts)}]"


def _item_records(items: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[bytes, bytes]]:
    for item_id, fields in items:
        known = {name: fields[name] for name in ITEM_FIELDS if fields.get(name) is not None}
        try:
            body = _to_json(known)
        except (ValueError, TypeError) as error:
            raise InputError(f"item {item_id!r} cannot be written as JSON: {error}") from None
        yield _record(layout.ITEM_SPACE, item_id, body)


def _record(space: str, name: str, body: str) -> tuple[bytes, bytes]:
    try:
        return layout.full_key(space, name), body.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{space} {name!r} cannot be written in UTF-8: {error}") from None


def _spool(spool: BinaryIO, key: bytes, body: bytes) -> _Spooled:
    value = layout.stored_value(key, body)
    offset = spool.tell()
    spool.write(value)
    return _Spooled(layout.stored_key(key), offset, len(value))


def _refuse_repeats(records: list[_Spooled]) -> None:
    for record, following in pairwise(records):
        if record.key == following.key:
            space, _, name = record.key.partition(b"\0")
            raise InputError(f"{space.decode(errors='replace')} {name.decode(errors='replace')!r} was given twice")


def _append(path: Path, spool: BinaryIO, records: list[_Spooled]) -> None:
    """Appends the sorted records, in many small transactions so that memory stays small.

    Pages are written and not mapped: the file holds no unused room, and a full disk is an error and not a crash.
    """
    path.unlink(missing_ok=True)
    environment = lmdb.open(
        str(path), map_size=_room_for(records), subdir=False, lock=False, sync=False, metasync=False, lib_version=0
    )
    with environment:
        waiting = iter(records)
        while batch := list(islice(waiting, _RECORDS_PER_COMMIT)):
            with environment.begin(write=True) as transaction:
                transaction.cursor().putmulti(_pairs(spool, batch), append=True)
        environment.sync(True)


def _pairs(spool: BinaryIO, records: Iterable[_Spooled]) -> Iterator[tuple[bytes, bytes]]:
    for record in records:
        spool.seek(record.offset)
        yield record.key, spool.read(record.length)


def _room_for(records: list[_Spooled]) -> int:
    """A map size that surely holds the records; it is part of the file, so it depends on nothing else."""
    commits = len(records) // _RECORDS_PER_COMMIT + 1
    stored = sum(2 * (len(record.key) + record.length) + 64 for record in records)
    overflow = sum(_PAGE for record in records if record.length > _PAGE // 4)
    return -(-(stored + overflow + commits * 32 * _PAGE) // _PAGE) * _PAGE + 256 * _PAGE
