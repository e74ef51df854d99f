"""The catalogue of features as a page: every view and feature, what it means, how it is spread, and who uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daybreak.features.catalogue import FeatureFacts, ViewFacts, catalogue, request_facts
from daybreak.features.statistics import BINS, FeatureStats, in_hours
from daybreak.features.views import VIEWS
from daybreak.features.words import spread_in_words, ttl_in_words, value_in_words, window_in_words
from validation.report.page import rendered

FEATURES_PAGE = "features.html"
TALLEST = 24.0
WIDTH = 120
SHORTEST = 1.0
TOP_SHOWN = 5


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in the units of its drawing."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class FeatureCard:
    """One feature as the page shows it."""

    facts: FeatureFacts
    stats: FeatureStats

    @property
    def window(self) -> str:
        return window_in_words(self.facts.feature)

    @property
    def spread(self) -> str:
        return spread_in_words(self.stats)

    @property
    def extremes(self) -> str:
        """Where the values begin and end."""
        if self.stats.min is None:
            return ""
        return " to ".join(value_in_words(value, self.stats.type) for value in (self.stats.min, self.stats.max))

    @property
    def mean(self) -> str:
        return value_in_words(self.stats.mean, self.stats.type)

    @property
    def bars(self) -> list[Bar]:
        """The histogram: the highest bar is as tall as the drawing, and no bin with values is invisible."""
        shares = self.stats.histogram or []
        unit = TALLEST / max(shares, default=1.0)
        step = WIDTH / BINS
        heights = [max(SHORTEST, share * unit) if share else 0.0 for share in shares]
        return [
            Bar(round(place * step, 2), round(TALLEST - height, 2), step - 1, round(height, 2))
            for place, height in enumerate(heights)
            if height
        ]

    @property
    def top(self) -> list[tuple[str, float]]:
        """The most frequent values with their shares."""
        return list(zip(self.stats.top_values or [], self.stats.top_shares or [], strict=True))[:TOP_SHOWN]


@dataclass(frozen=True)
class ViewCard:
    """One view as the page shows it."""

    facts: ViewFacts

    @property
    def features(self) -> list[FeatureCard]:
        return [FeatureCard(facts, facts.stats) for facts in self.facts.features if facts.stats]

    @property
    def ttl(self) -> str:
        return ttl_in_words(self.facts.view)

    @property
    def age(self) -> str:
        freshness = self.facts.freshness
        return in_hours(freshness.age) if freshness and freshness.age is not None else "–"


def render_features(ds: str, night_due: str, stats: Sequence[FeatureStats]) -> bytes:
    """The page, as of a night."""
    views = [ViewCard(facts) for facts in catalogue(list(VIEWS.values()), stats, ds, night_due)]
    size = {"width": WIDTH, "height": TALLEST}
    return rendered("features.html.j2", ds=ds, views=views, on_request=request_facts(), drawing=size)
