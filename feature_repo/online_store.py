"""What any online store offers the night: views replaced whole or in part, and a mark of what each view holds.

Nothing half-written counts. SQLite does a view in one transaction; in Redis the mark of a view says from the first
write to the last that the view is unfinished, and an unfinished view is written anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import pyarrow as pa

from daybreak.features.declaration import FeatureView
from daybreak.settings import Settings


@dataclass(frozen=True)
class Mark:
    """What a view holds online: the night it was filled for, from which files, in which shape, and what that came
    to. An unfinished one has no outcome."""

    night: str
    since: str | None = None
    files: str = ""
    shape: str = ""
    outcome: dict[str, Any] | None = None

    def holds(self, night: str) -> bool:
        """Whether it says that the night is online, whole."""
        return self.night == night and self.outcome is not None

    def as_text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str | bytes) -> Mark:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Settled:
    """What was found online: entities that belong there, entities that are missing, and those that were removed."""

    entities: int
    missing: int
    removed: int


class Filling(Protocol):
    """One view while it is filled."""

    def put(self, rows: pa.RecordBatch) -> None:
        """Writes keys, stamps and features; what was there of the same entities is replaced."""

    def settle(self, expected: Iterable[pa.BinaryArray]) -> Settled:
        """Removes every entity whose serialized key is not among `expected`, and counts those that are."""

    def finish(self, mark: Mark) -> None:
        """Makes it count."""


class OnlineStore(Protocol):
    """A place where features are looked up."""

    rewrites_from: float
    """From this share of its entities on, a view is written whole rather than in part, because that is cheaper."""

    @property
    def place(self) -> str:
        """How to tell a person which one it is; never a password."""

    def marks(self) -> dict[str, Mark]:
        """The mark of every view that was ever filled."""

    def forget(self, view: str) -> None:
        """Takes the mark away."""

    def doubt(self, view: str, night: str) -> None:
        """Marks the view as unfinished, so that it is filled anew."""

    def filling(self, view: FeatureView, night: str, whole: bool) -> AbstractContextManager[Filling]:
        """Opens a view to fill it; left without `finish`, nothing of it counts."""


def online_store(settings: Settings) -> OnlineStore:
    """The online store of these settings."""
    if settings.online_store is None:
        from feature_repo.sqlite_store import SqliteStore

        return SqliteStore(settings.feast_home / "online.db")
    from feature_repo.redis_store import RedisStore

    return RedisStore(settings.online_store)
