"""Attempts are numbered, so that of two that overlap after a crash the older one can be told.

Beginning an attempt takes the next number of its work (a step) by creating a file that must not exist, which local
folders and object stores both do atomically. The numbers of a work run over all days, because one attempt may commit
several days. Commits carry the number: a table day or a pointer that a newer attempt has already committed is refused
to an older one.
"""

from __future__ import annotations

from dataclasses import dataclass

from daybreak.lake.storage import Storage

FOLDER = "_attempts"


@dataclass(frozen=True)
class Attempt:
    """One try at a piece of work for a day; `token` grows with each try at that work, for whatever day."""

    work: str
    ds: str
    token: int


def begin(storage: Storage, work: str, ds: str) -> Attempt:
    """The next attempt at `work` for day `ds`."""
    folder = f"{FOLDER}/{work}"
    token = max((int(name) for name in storage.names(folder)), default=0) + 1
    while not storage.create(f"{folder}/{token}", ds.encode()):
        token += 1
    return Attempt(work, ds, token)
