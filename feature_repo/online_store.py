"""What any online store offers the night: views replaced whole or in part, and a mark of what each view holds.

Nothing half-written counts. SQLite does a view in one transaction; in Redis the mark of a view says from the first
write to the last that the view is unfinished, and an unfinished view is written anew.

Nights go online in their order, and attempts at a night in theirs. Who fills a view claims its mark first, as it was
found before its tables were looked at; an attempt whose claim is gone has been overtaken, and none of its writes is
carried out. `claimed` and `doubted` say what becomes of a mark, and each store sets it as one step.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import pyarrow as pa

from daybreak.errors import StaleAttempt
from daybreak.features.declaration import FeatureView
from daybreak.settings import Settings


@dataclass(frozen=True)
class Mark:
    """What a view holds online: the night it was filled for and by which attempt, from which files, in which shape,
    values of which features, and what that came to. An unfinished one has no outcome."""

    night: str
    attempt: int = 0
    since: str | None = None
    files: str = ""
    shape: str = ""
    features: tuple[str, ...] = ()
    outcome: dict[str, Any] | None = None

    def holds(self, night: str) -> bool:
        """Whether it says that the night is online, whole."""
        return self.night == night and self.outcome is not None

    def as_text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str | bytes) -> Mark:
        told = json.loads(text)
        return cls(**{**told, "features": tuple(told["features"])})


def night_after(night: str, marks: Mapping[str, Mark]) -> str | None:
    """The newest night that any view holds or is being given, where that is a later one."""
    newest = max((mark.night for mark in marks.values()), default="")
    return newest if newest > night else None


class MarkChanged(Exception):
    """The mark of a view is another than the one its filling was planned by. Nothing was written: plan anew."""


@dataclass(frozen=True)
class Turn:
    """An attempt's turn to fill a view, planned by the view's mark as it was `found`."""

    view: FeatureView
    night: str
    attempt: int
    found: Mark | None

    def claimed(self, now: Mark | None, place: str) -> Mark:
        """The mark while the view is filled: unfinished, with the features that it had before and will have."""
        if now != self.found:
            if now and (now.night, now.attempt) > (self.night, self.attempt):
                raise self.overtaken(now, place)
            raise MarkChanged(self.view.name)
        before = now.features if now else ()
        features = tuple(dict.fromkeys((*before, *self.view.feature_names)))
        return Mark(self.night, self.attempt, features=features)

    def overtaken(self, now: Mark | None, place: str) -> StaleAttempt:
        """What to raise where the mark is no longer this attempt's."""
        given = f"the newer night {now.night}" if now and now.night > self.night else "it by a newer attempt"
        return StaleAttempt(
            f"view {self.view.name}: night {self.night} withdraws, because {place} was given {given} meanwhile, which"
            " stands; there is nothing to do"
        )


def doubted(found: Mark | None, night: str) -> Mark:
    """The mark of a view whose values of a night are not to be trusted; that of a newer night stays as it is, and so
    does one that says already that the view is unfinished."""
    if found and (found.night > night or found.outcome is None):
        return found
    return Mark(night, features=found.features if found else ())


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
        """Removes every entity whose serialized key is not among `expected`, and the values of features that the view
        no longer has; counts the entities that are there."""

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
        """Marks the view as unfinished, so that it is filled anew; not where it holds a newer night."""

    def filling(self, turn: Turn, whole: bool) -> AbstractContextManager[Filling]:
        """Opens a view to fill it; left without `finish`, nothing of it counts. Refused where a newer attempt was here
        meanwhile; raises `MarkChanged` where an older one was."""


def online_store(settings: Settings) -> OnlineStore:
    """The online store of these settings."""
    if settings.online_store is None:
        from feature_repo.sqlite_store import SqliteStore

        return SqliteStore(settings.feast_home / "online.db")
    from feature_repo.redis_store import RedisStore

    return RedisStore(settings.online_store)
