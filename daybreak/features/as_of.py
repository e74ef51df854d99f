"""What a point-in-time join is asked for, whichever engine does it.

For each row of the spine and each side, the join finds the rows of the side that have the spine row's keys and were
available by then (`available_ts <= spine_ts`). Of these it takes the one that describes the latest moment
(`event_ts`); among equals the one that became available last; among equals still, the one whose values sort last, so
that the answer never depends on the order of rows. What it found counts only if it describes a moment at most `ttl`
before the spine row's (exactly `ttl` still counts). A key that is null finds nothing. Each row of the spine comes out
exactly once, with all its columns, and with nulls where nothing was found.

Values sort in the order of `columns`; nulls come before everything, also within a list. A row of a side that lacks a
key or one of its two times is never found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from daybreak.errors import InputError

EVENT_TS = "event_ts"
AVAILABLE_TS = "available_ts"

INSTANT = "timestamp with time zone"
WHOLE, TEXT, DATE, BOOLEAN = "whole number", "text", "date", "boolean"
KEY_KINDS = (WHOLE, TEXT, DATE, BOOLEAN, INSTANT)
"""What a key may be. Fractions are left out on purpose: two that print alike need not be equal."""

Kinds = Mapping[str, str]
"""The columns of a frame: one of the kinds above, or else what the engine calls the column's type."""


@dataclass(frozen=True)
class AsOf:
    """One side of a point-in-time join: rows with `keys`, `event_ts`, `available_ts` and `columns`.

    Each of `columns` comes out as `<name>__<column>`. `found_by` names the spine's columns that hold the keys, where
    they are called otherwise there.

    `in_order` promises that of two rows of a key the one that became available later describes a later moment, and
    that no two of a key became available at once. Nightly tables keep it by their partitions: one row per key and
    night, both times set by the night. An engine may then leave out its search for rows that came too late to count,
    which can cost more than the join itself. Nobody checks the promise; unless it is certain, do not give it.
    """

    name: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    ttl: timedelta | None = None
    found_by: tuple[str, ...] = ()
    in_order: bool = False

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError(f"{self.name}: a side of a point-in-time join needs at least one key")
        if not self.columns:
            raise ValueError(f"{self.name}: a side of a point-in-time join needs at least one column to add")
        if not self.found_by:
            object.__setattr__(self, "found_by", self.keys)
        if len(self.found_by) != len(self.keys):
            raise ValueError(
                f"{self.name}: {len(self.keys)} keys are found by as many columns, not {len(self.found_by)}"
            )
        if self.ttl is not None and self.ttl <= timedelta(0):
            raise ValueError(
                f"{self.name}: a time to live of {self.ttl} would let no row count; give a longer one, or None for"
                " rows that never grow too old"
            )

    @property
    def ttl_us(self) -> int | None:
        """The time to live in microseconds, the unit in which ages are compared: a day is 24 hours in every zone."""
        return None if self.ttl is None else self.ttl // timedelta(microseconds=1)

    def output(self, column: str) -> str:
        """The name under which a column comes out."""
        return output_name(self.name, column)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.output(column) for column in self.columns)


def output_name(side: str, column: str) -> str:
    """The name under which a column of a side comes out of a join."""
    return f"{side}__{column}"


def check(spine: Kinds, spine_ts: str, sides: Sequence[tuple[AsOf, Kinds]]) -> None:
    """Says what keeps a spine and sides with these columns from being joined."""
    _check_moment("the spine", spine, spine_ts)
    taken = {column.lower() for column in spine}
    for side, columns in sides:
        for column in (EVENT_TS, AVAILABLE_TS):
            _check_moment(f"side {side.name}", columns, column)
        for column in side.columns:
            _kind(f"side {side.name}", columns, column)
        for key, found_by in zip(side.keys, side.found_by, strict=True):
            _check_key(side, key, _kind(f"side {side.name}", columns, key), found_by, spine)
        for output in side.outputs:
            if output.lower() in taken:
                raise InputError(
                    f"side {side.name}: its column would come out as {output}, but the spine or an earlier column has"
                    " that name; rename that one, or give the side another name"
                )
            taken.add(output.lower())


def _kind(whose: str, columns: Kinds, column: str) -> str:
    if column not in columns:
        raise InputError(
            f"{whose} of a point-in-time join has no column {column}; it has: {', '.join(columns)}."
            " Add it, or name another one"
        )
    return columns[column]


def _check_moment(whose: str, columns: Kinds, column: str) -> None:
    kind = _kind(whose, columns, column)
    if kind != INSTANT:
        raise InputError(
            f"{whose} of a point-in-time join has {column} as {kind}, which is no moment everywhere alike; make it a"
            f" {INSTANT} first"
        )


def _check_key(side: AsOf, key: str, kind: str, found_by: str, spine: Kinds) -> None:
    asked = _kind("the spine", spine, found_by)
    if kind != asked:
        raise InputError(
            f"side {side.name}: its key {key} is a {kind}, but the spine's {found_by} is a {asked}; cast one of them"
        )
    if kind not in KEY_KINDS:
        raise InputError(f"side {side.name}: its key {key} is a {kind}; a key can be: {', '.join(KEY_KINDS)}. Cast it")
