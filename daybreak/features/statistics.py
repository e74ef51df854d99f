"""What is told each night of every feature: how many values there are, how they are spread, how fresh they are.

Numbers, and moments as seconds since 1970, have quantiles and a histogram; words have their most frequent values; lists
have a mean length. What does not apply to a type, or has no value to be told of, is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from daybreak.clock import due, time_of_day
from daybreak.contracts import AT_LEAST_0, SHARE, Column, ColumnType, Dataset
from daybreak.features.declaration import FeatureView

STRING, INT64, FLOAT64 = ColumnType.STRING, ColumnType.INT64, ColumnType.FLOAT64
NUMBERS = (ColumnType.INT32, ColumnType.INT64, ColumnType.FLOAT64, ColumnType.TIMESTAMP)
WORDS = (ColumnType.STRING, ColumnType.BOOL, ColumnType.DATE)
LISTS = (ColumnType.STRINGS, ColumnType.VECTOR)
BINS = 10
MOST_FREQUENT = 10


def _number(name: str, doc: str) -> Column:
    return Column(name, FLOAT64, doc, nullable=True)


FEATURE_STATS = Dataset(
    name="validation/feature_stats",
    doc="Each feature on a night: of nightly views that night's rows, of states the newest of each entity by then.",
    columns=(
        Column("view", STRING, "the feature view"),
        Column("feature", STRING, "the feature"),
        Column("type", STRING, "its type"),
        Column("rows", INT64, "rows of the view", rules=AT_LEAST_0),
        Column("entities", INT64, "entities that the rows are about", rules=AT_LEAST_0),
        Column("nulls", INT64, "rows without a value", rules=AT_LEAST_0),
        Column("null_share", FLOAT64, "share of the rows without a value", nullable=True, rules=SHARE),
        _number("min", "the lowest value"),
        _number("max", "the highest value"),
        Column("looked_at", INT64, "rows that all that follows was taken from: all, or a sample", rules=AT_LEAST_0),
        Column("distinct", INT64, "different values", rules=AT_LEAST_0),
        _number("p05", "the value that 5% reach at most"),
        _number("median", "the value that half reach at most"),
        _number("p95", "the value that 95% reach at most"),
        _number("mean", "the mean value"),
        _number("bins_from", "where the bins begin: at p05, or at the lowest value where that is p95 too"),
        _number("bins_to", "where the bins end: at p95, or at the highest value where that is p05 too"),
        Column(
            "histogram",
            ColumnType.VECTOR,
            f"share of the values in each of {BINS} equal bins; the outer two hold what lies beyond",
            nullable=True,
        ),
        Column(
            "top_values", ColumnType.STRINGS, "the most frequent values, the first the most frequent", nullable=True
        ),
        Column("top_shares", ColumnType.VECTOR, "the share of each of them among the values", nullable=True),
        _number("mean_length", "mean length of the lists"),
        Column(
            "newest_night", STRING, "the newest night that made the view; of states, that brought any", nullable=True
        ),
        Column(
            "newest_event_ts",
            ColumnType.TIMESTAMP,
            "the moment up to which the view tells of its entities",
            nullable=True,
        ),
    ),
    key=("view", "feature"),
)


@dataclass(frozen=True)
class FeatureStats:
    """One row of the table."""

    view: str
    feature: str
    type: str
    rows: int
    entities: int
    nulls: int
    null_share: float | None
    looked_at: int
    distinct: int
    min: float | None = None
    max: float | None = None
    p05: float | None = None
    median: float | None = None
    p95: float | None = None
    mean: float | None = None
    bins_from: float | None = None
    bins_to: float | None = None
    histogram: list[float] | None = None
    top_values: list[str] | None = None
    top_shares: list[float] | None = None
    mean_length: float | None = None
    newest_night: str | None = None
    newest_event_ts: datetime | None = None

    def freshness(self, ds: str, night_due: str) -> Freshness:
        """How fresh the view was on night `ds`, that of this row."""
        return Freshness(ds, night_due, self.newest_night, self.newest_event_ts)


@dataclass(frozen=True)
class Freshness:
    """How fresh a view is on a night, which is due at a moment of the next day. One that was never made is empty."""

    ds: str
    night_due: str
    newest_night: str | None
    newest_event_ts: datetime | None

    @property
    def age(self) -> timedelta | None:
        """How long before the night was due the moment lies up to which the view tells of its entities."""
        return None if self.newest_event_ts is None else due(self.ds, self.night_due) - self.newest_event_ts

    def why_stale(self, view: FeatureView) -> str | None:
        """What makes the view stale on this night: it was made longer ago than its declaration allows. None where it is
        fresh or empty."""
        if self.age is None or view.fresh_within is None:
            return None
        oldest = view.fresh_within + time_of_day(self.night_due)
        if self.age <= oldest:
            return None
        return (
            f"its newest night is {self.newest_night}, {in_hours(self.age)} old when this night was due,"
            f" and may be {in_hours(oldest)}"
        )


def in_hours(age: timedelta) -> str:
    """A span of time as people say it: in hours, from three days on in days."""
    hours = round(age / timedelta(hours=1))
    return f"{hours} h" if abs(hours) < 72 else f"{round(hours / 24):,} days"
