"""What is told of features, as people read it: times, shares and values in words."""

from __future__ import annotations

from datetime import timedelta

from daybreak.clock import moment_of
from daybreak.contracts import ColumnType
from daybreak.features.declaration import Feature, FeatureView
from daybreak.features.statistics import FeatureStats

LONG_NUMBER = 1e12
FEWEST_THOUSANDS = 1_000


def window_in_words(feature: Feature) -> str:
    """How far back the feature looks; nothing where it does not say."""
    days = feature.window_days
    return "" if days is None else f"{days} day" if days == 1 else f"{days} days"


def ttl_in_words(view: FeatureView) -> str:
    """How long a row of the view counts."""
    return "until the next row" if view.ttl is None else f"{view.ttl / timedelta(days=1):g} days"


def value_in_words(value: float | None, kind: str) -> str:
    """A number with three digits that tell something, or the day of a moment."""
    if value is None:
        return "–"
    if kind == ColumnType.TIMESTAMP:
        return moment_of(round(value * 1e6)).date().isoformat()
    if abs(value) >= LONG_NUMBER:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= FEWEST_THOUSANDS else f"{value:.3g}"


def share_in_words(share: float | None) -> str:
    """A share in percent; one that is not quite none or all does not read as none or all."""
    if share is None:
        return "–"
    if 0 < share < 0.001:
        return "< 0.1%"
    if 0.999 < share < 1:
        return "> 99.9%"
    return f"{share:.1%}" if 0 < share < 1 else f"{share:.0%}"


def spread_in_words(stats: FeatureStats) -> str:
    """The values in one line: the middle of numbers with the 90% around it, the length of lists; the rest has none."""
    if stats.median is not None:
        middle, low, high = (value_in_words(value, stats.type) for value in (stats.median, stats.p05, stats.p95))
        return f"{middle} [{low}..{high}]"
    if stats.mean_length is not None:
        return f"{value_in_words(stats.mean_length, ColumnType.FLOAT64)} long on average"
    return ""
