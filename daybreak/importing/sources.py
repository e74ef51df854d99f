"""What an import is made of: for each dataset its files, the rules of its columns and the rows wanted."""

from __future__ import annotations

from dataclasses import dataclass, field

from daybreak.contracts import Dataset
from daybreak.importing.column_rules import Rule
from daybreak.importing.row_filters import Wanted
from daybreak.importing.source_files import SourceFile


@dataclass(frozen=True)
class Source:
    """Where one dataset comes from. `nulls` are the texts that mean that there is no value."""

    dataset: Dataset
    files: tuple[SourceFile, ...]
    rules: dict[str, Rule]
    nulls: tuple[str, ...] = ("",)
    where: dict[str, Wanted] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every source column that is read, each once."""
        used = [column for rule in self.rules.values() for column in rule.columns]
        return tuple(dict.fromkeys([*used, *self.where]))


@dataclass(frozen=True)
class ImportPlan:
    """All sources of an import, what they were recognised as, and what a person should know about them."""

    format: str
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()
