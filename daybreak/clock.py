"""The only place that asks what time it is: to stamp logs and to tell how old something is, never to decide what to
compute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from daybreak.errors import InputError

DAY_US = 86_400_000_000
"""The microseconds of a day."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamp() -> str:
    """This moment, for a log line."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def seconds_since_end_of(ds: str) -> float:
    """How long ago day `ds` ended in UTC; negative while it still runs."""
    return (datetime.now(UTC) - end_of(ds)).total_seconds()


def hours_since_change(path: Path) -> float:
    """How long ago a file or folder was last changed."""
    return (datetime.now(UTC).timestamp() - path.stat().st_mtime) / 3600


def parse_day(ds: str) -> date:
    """The day that `ds` names, as YYYY-MM-DD and nothing else."""
    try:
        day = date.fromisoformat(ds)
    except ValueError:
        raise InputError(f"'{ds}' is no day: write it as YYYY-MM-DD, such as 2026-11-20") from None
    if day.isoformat() != ds:
        raise InputError(f"'{ds}' is no day: write it as YYYY-MM-DD, such as {day.isoformat()}")
    return day


def end_of(ds: str) -> datetime:
    """The first moment after day `ds`, in UTC."""
    return datetime.combine(parse_day(ds) + timedelta(days=1), datetime.min.time(), tzinfo=UTC)


def due(ds: str, night_due: str) -> datetime:
    """When the night of day `ds` is promised to be done: at the time of day `night_due` of the next day, in UTC."""
    return end_of(ds) + time_of_day(night_due)


def time_of_day(written: str) -> timedelta:
    """How long after midnight `HH:MM` is."""
    hours, minutes = map(int, written.split(":"))
    return timedelta(hours=hours, minutes=minutes)


def moment_of(micros: int) -> datetime:
    """The moment so many microseconds after 1970 began."""
    return EPOCH + timedelta(microseconds=micros)


def days_before(ds: str, days: int) -> str:
    """The day that lies `days` before `ds`."""
    return (parse_day(ds) - timedelta(days=days)).isoformat()


def days_between(first: str, last: str) -> list[str]:
    """Every day from `first` to `last`, both included."""
    start, count = parse_day(first), (parse_day(last) - parse_day(first)).days + 1
    return [(start + timedelta(days=number)).isoformat() for number in range(count)]
