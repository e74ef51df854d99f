"""The catalogue of features as people read it: which models use what, and values in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from daybreak.contracts import ColumnType
from daybreak.features.declaration import Feature, FeatureView, RequestFeature
from daybreak.features.services import SERVICES
from daybreak.features.statistics import FeatureStats

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG_NUMBER = 1e12
FEWEST_THOUSANDS = 1_000


def services_using(view: FeatureView, feature: str | None = None) -> tuple[str, ...]:
    """The models that are given a feature of the view; without a feature, any of them."""
    return tuple(
        service.name
        for service in SERVICES.values()
        for chosen in service.chosen
        if chosen.view is view and (feature is None or feature in chosen.names)
    )


def services_computing(feature: RequestFeature) -> tuple[str, ...]:
    """The models that are given a feature of the moment of the request."""
    return tuple(service.name for service in SERVICES.values() if feature in service.on_request)


def takes_from(feature: RequestFeature, view: FeatureView) -> bool:
    """Whether a feature of the moment of the request is computed from one of the view."""
    return any(name.partition("__")[0] == view.name for name in feature.inputs)


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
        return (EPOCH + timedelta(seconds=value)).date().isoformat()
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
