"""Which code made something: a hash of the source files that are installed, so that an uncommitted edit counts too."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from daybreak.steps import FOLDERS

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def code_version() -> str:
    """A short hash over every module of the platform."""
    digest = hashlib.sha256()
    for folder in ("daybreak", "feature_repo", *FOLDERS):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
