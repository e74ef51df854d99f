"""Whom a server runs as when it refuses to be root: an ordinary user starts it as himself, root as somebody else.

Where root's own folders are closed to others (a clone below /root, say), dropping root would lose the way to the data.
Then the server keeps exactly one of root's capabilities, to pass through closed folders, and nothing else of root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from daybreak.errors import NightError

NOBODY = 65534


@dataclass(frozen=True)
class RunAs:
    """The user a process is started as (None: whoever starts it), and what to put before its command line."""

    user: int | None = None
    owner: int | None = None
    prefix: tuple[str, ...] = ()

    @property
    def groups(self) -> list[int] | None:
        return None if self.user is None else []

    @property
    def cwd(self) -> str | None:
        """Another user may not be allowed into the folder we work in."""
        return None if self.owner is None else "/"

    def own(self, path: Path) -> None:
        """Gives `path` to that user."""
        if self.owner is not None:
            os.chown(path, self.owner, self.owner)


MYSELF = RunAs()


def run_as(data: Path, folders: Sequence[Path]) -> RunAs:
    """Who runs a server on `data` that has to reach `folders`."""
    if os.geteuid() != 0:
        return MYSELF
    user = _owner(data)
    if all(map(_open_to_all, folders)):
        return RunAs(user=user, owner=user)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        closed = ", ".join(str(folder) for folder in folders if not _open_to_all(folder))
        raise NightError(
            f"PostgreSQL cannot run as root, and other users cannot enter {closed}: "
            "install util-linux (for setpriv), open the folders on that path (chmod o+x), or be another user"
        )
    who = ("--reuid", str(user), "--regid", str(user), "--clear-groups")
    keep = ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    return RunAs(owner=user, prefix=(setpriv, *who, *keep, "--"))


def _owner(data: Path) -> int:
    """Who owns the data already, else the user that owns nothing."""
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return NOBODY


def _open_to_all(path: Path) -> bool:
    """Whether every user may walk into `path`."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))
