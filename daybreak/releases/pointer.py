"""The pointer that says which release is live, and what was live before."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from daybreak import clock
from daybreak.errors import ReleaseError
from daybreak.files import write_atomically
from daybreak.releases.manifest import day_of

HISTORY_LENGTH = 200


@dataclass(frozen=True)
class Flip:
    """One change of what is live."""

    sequence: int
    release: str
    action: str
    reason: str
    at: str
    token: int = 0


@dataclass(frozen=True)
class Pointer:
    """What is live; `pinned` means no night moves it. Each flip tells which attempt made it."""

    release: str
    pinned: bool
    history: tuple[Flip, ...]

    @property
    def sequence(self) -> int:
        return self.history[-1].sequence

    @property
    def before_current(self) -> list[str]:
        """Releases published before the one that is live, the latest first, each once; without those that a rollback
        left behind and nobody has made live since."""
        published, abandoned = [], set[str]()
        live = ""
        for flip in self.history:
            if flip.action == "publish":
                published.append(flip.release)
            elif flip.action == "rollback" and _came_before(flip.release, live, published):
                abandoned.add(live)
            abandoned.discard(flip.release)
            live = flip.release
        until = _last(self.release, published) if self.release in published else len(published)
        left = abandoned | {self.release}
        return [release for release in dict.fromkeys(reversed(published[:until])) if release not in left]

    @property
    def were_live(self) -> set[str]:
        """Every release that is live or was, as far back as is remembered."""
        return {flip.release for flip in self.history}

    def newest_attempt_at(self, ds: str) -> int:
        """The newest attempt that published a release of day `ds`; 0 where none did."""
        return max((flip.token for flip in self.history if day_of(flip.release) == ds), default=0)

    def flipped(self, release: str, action: str, reason: str, token: int = 0) -> Pointer:
        """The pointer after one more change."""
        flip = Flip(self.sequence + 1, release, action, reason, clock.stamp(), token)
        return replace(self, release=release, history=(*self.history, flip)[-HISTORY_LENGTH:])

    @classmethod
    def first(cls, release: str, reason: str, token: int) -> Pointer:
        flip = Flip(1, release, "publish", reason, clock.stamp(), token)
        return cls(release=release, pinned=False, history=(flip,))

    @classmethod
    def read(cls, path: Path) -> Pointer | None:
        """The pointer at `path`; None where nothing was ever published."""
        try:
            document = json.loads(path.read_bytes())
            history = tuple(Flip(**flip) for flip in document["history"])
            if not isinstance(document["release"], str):
                raise TypeError(f"its release is {document['release']!r}")
            return cls(document["release"], document["pinned"], history)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ReleaseError(
                f"the pointer {path} cannot be read: {error}; move it away, then `daybreak releases publish RELEASE`"
                " makes a new one"
            ) from None

    def write(self, path: Path) -> None:
        """Flips: after this returns the new pointer is on disk; a crash before leaves the old one."""
        write_atomically(path, json.dumps(asdict(self), indent=2).encode() + b"\n")


def _came_before(release: str, other: str, published: list[str]) -> bool:
    return release in published and other in published and _last(release, published) < _last(other, published)


def _last(release: str, published: list[str]) -> int:
    """The place at which it was published last."""
    return len(published) - 1 - published[::-1].index(release)
