"""What an import came to, for a person and for a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DatasetSummary:
    """What was delivered of one dataset."""

    name: str
    rows: int
    days: int
    first_day: str
    last_day: str
    skipped: int


@dataclass(frozen=True)
class ImportSummary:
    """What was delivered, and what became of the days that were there before."""

    format: str
    landing: str
    datasets: tuple[DatasetSummary, ...]
    users: int
    items: int
    new_days: int
    unchanged_days: int
    replaced_days: int
    encodings: dict[str, str]
    notes: tuple[str, ...]

    @property
    def first_day(self) -> str:
        """The first day of the events; of whatever was delivered where there are none."""
        return self.datasets[0].first_day

    @property
    def last_day(self) -> str:
        return self.datasets[0].last_day

    @property
    def next_command(self) -> str:
        return f"daybreak nightly --ds {self.last_day}"

    def as_json(self) -> dict[str, Any]:
        """The summary as plain values."""
        return {
            "format": self.format,
            "landing": self.landing,
            "first_day": self.first_day,
            "last_day": self.last_day,
            "users": self.users,
            "items": self.items,
            "datasets": {dataset.name: _without_name(dataset) for dataset in self.datasets},
            "days": {"new": self.new_days, "unchanged": self.unchanged_days, "replaced": self.replaced_days},
            "encodings": self.encodings,
            "notes": list(self.notes),
            "next": self.next_command,
        }


def _without_name(dataset: DatasetSummary) -> dict[str, Any]:
    return {name: value for name, value in vars(dataset).items() if name != "name"}
