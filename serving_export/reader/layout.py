"""How lists lie in a snapshot file: the one place that the writer and the reader must agree on.

A snapshot is one LMDB file of sorted keys, and every value is JSON. A list stands under `surface NUL query`, the list
of a segment under `@segment/surface NUL segment`, the segment of a user under `@segment_of NUL id`, what is known of an
item under `@item NUL id`, how each surface is to be served under `@surfaces`, and the version of this layout under
`@layout`. LMDB keys end at 511 bytes and an id may be longer, so a long key is replaced by its hash and stands whole
before its value, where a reader checks it.

Lists hold more entries than a surface shows: `@surfaces` tells of each its `length`, whether its lists are
`without_own`, as those are that never hold the query itself, and whether they are `of_items`.
"""

from __future__ import annotations

import hashlib

LISTS_FILE = "lists.lmdb"
LAYOUT_KEY = b"@layout"
LAYOUT = b"3"
SURFACES_SPACE = "@surfaces"
SEGMENT_SPACE = "@segment/"
SEGMENT_OF_SPACE = "@segment_of"
ITEM_SPACE = "@item"
FALLBACK_QUERY = ""

LONGEST_KEY = 511
_HASHED = b"\xff"  # no UTF-8 text holds this byte, so a hashed key is never the key of another list
_LENGTH_BYTES = 4


def full_key(space: str, name: str) -> bytes:
    """The key of a list (`space` is its surface) or of an item, however long."""
    return f"{space}\0{name}".encode()


def stored_key(key: bytes) -> bytes:
    """The key under which LMDB keeps `key`."""
    if len(key) <= LONGEST_KEY:
        return key
    return _HASHED + hashlib.sha256(key).digest()


def stored_value(key: bytes, body: bytes) -> bytes:
    """What LMDB keeps for `key`: the body, behind the whole key where only its hash is the key."""
    if len(key) <= LONGEST_KEY:
        return body
    return len(key).to_bytes(_LENGTH_BYTES, "big") + key + body


def full_key_of(stored: bytes, value: bytes) -> bytes:
    """The whole key of what is stored under a key."""
    if not stored.startswith(_HASHED):
        return stored
    return value[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(value[:_LENGTH_BYTES], "big")]


def body_of(key: bytes, stored: bytes) -> bytes | None:
    """The body in a stored value; None where it belongs to another key with the same hash."""
    if len(key) <= LONGEST_KEY:
        return stored
    end = _LENGTH_BYTES + int.from_bytes(stored[:_LENGTH_BYTES], "big")
    return stored[end:] if stored[_LENGTH_BYTES:end] == key else None
