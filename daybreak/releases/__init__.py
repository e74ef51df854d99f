"""Releases: what is served is one immutable, checksummed folder, made live by flipping one pointer.

Reading and writing them needs the standard library alone, so the reader shares this code with the night.
"""

from daybreak.releases.manifest import FileEntry, Manifest
from daybreak.releases.pointer import Pointer
from daybreak.releases.release import Check, Draft, Release
from daybreak.releases.store import ReleaseStore

__all__ = ["Check", "Draft", "FileEntry", "Manifest", "Pointer", "Release", "ReleaseStore"]
