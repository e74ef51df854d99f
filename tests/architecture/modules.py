"""Every module of the house, as a syntax tree."""

from __future__ import annotations

import ast
import gc
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("daybreak", "jobs", "validation", "serving_export", "dags", "training", "indexing", "feature_repo")


@dataclass(frozen=True)
class Module:
    """One file of ours."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def tree(self) -> ast.Module:
        source = self.path.read_text(encoding="utf-8")
        gc.disable()  # Python 3.11 fails where a destructor that runs meanwhile, such as py4j's, recurses
        try:
            return ast.parse(source, str(self.path))
        finally:
            gc.enable()


def modules() -> list[Module]:
    """All of them, in order."""
    return [Module(path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
