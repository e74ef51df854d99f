"""What a night landed, as numbers: the account of each delivery, the earlier days it changed, and the days before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.datasets import DELIVERED, EVENT_TYPES


@dataclass(frozen=True)
class Account:
    """What became of the rows of one dataset's delivery."""

    dataset: str
    files: int
    rows_in: int
    accepted: int
    quarantined: int
    duplicates: int
    late: int

    @property
    def adds_up(self) -> bool:
        return self.rows_in == self.accepted + self.quarantined + self.duplicates

    @property
    def refused_share(self) -> float:
        return self.quarantined / self.rows_in if self.rows_in else 0.0


@dataclass(frozen=True)
class ChangedDay:
    """An earlier day that late rows of this night were added to."""

    dataset: str
    day: str
    rows: int


@dataclass(frozen=True)
class EventDays:
    """Events by the day they happened on: for each type its counts, day by day."""

    days: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class RefusedDays:
    """The refused share of what each day delivered; None for a day that delivered nothing."""

    days: tuple[str, ...]
    shares: tuple[float | None, ...]

    @property
    def is_known(self) -> bool:
        """Whether any of the days delivered something."""
        return any(share is not None for share in self.shares)


def last_days(ds: str, count: int) -> list[str]:
    """The days up to `ds`, the oldest first."""
    return [days_before(ds, back) for back in reversed(range(count))]


def accounts(deliveries: pa.Table) -> list[Account]:
    """The account of each dataset that a day delivered, in the order the datasets are declared."""
    found = {row["dataset"]: row for row in deliveries.drop_columns([DS]).to_pylist()}
    declared = [dataset.name for dataset in DELIVERED]
    order = [name for name in declared if name in found] + sorted(set(found) - set(declared))
    return [Account(**found[name]) for name in order]


def total(accounts_of_day: Iterable[Account]) -> Account:
    """All datasets of a day as one account."""
    parts = list(accounts_of_day)

    def summed(name: str) -> int:
        return sum(getattr(part, name) for part in parts)

    return Account(
        dataset="all",
        files=summed("files"),
        rows_in=summed("rows_in"),
        accepted=summed("accepted"),
        quarantined=summed("quarantined"),
        duplicates=summed("duplicates"),
        late=summed("late"),
    )


def changed_days(landings: pa.Table, ds: str) -> list[ChangedDay]:
    """The earlier days that a night's landing added rows to, the newest first."""
    earlier = landings.filter(pc.less(landings["event_day"], ds))
    ordered = earlier.sort_by([("event_day", "descending"), ("dataset", "ascending")])
    return [ChangedDay(row["dataset"], row["event_day"], row["accepted"]) for row in ordered.to_pylist()]


def event_days(days: Sequence[str], types_by_day: Iterable[pa.ChunkedArray]) -> EventDays:
    """Counts the event types of each day. Types that never occur are left out."""
    per_day = [_value_counts(types) for types in types_by_day]
    known = [*EVENT_TYPES, *sorted({kind for counts in per_day for kind in counts} - set(EVENT_TYPES))]
    counts = {kind: tuple(day.get(kind, 0) for day in per_day) for kind in known}
    return EventDays(tuple(days), {kind: numbers for kind, numbers in counts.items() if any(numbers)})


def refused_days(days: Sequence[str], deliveries: pa.Table) -> RefusedDays:
    """The share of refused rows in what each day delivered, all datasets together."""
    sums = deliveries.group_by(DS).aggregate([("rows_in", "sum"), ("quarantined", "sum")]).to_pylist()
    shares = {row[DS]: row["quarantined_sum"] / row["rows_in_sum"] for row in sums if row["rows_in_sum"]}
    return RefusedDays(tuple(days), tuple(shares.get(day) for day in days))


def _value_counts(values: pa.ChunkedArray) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(values).to_pylist()}
