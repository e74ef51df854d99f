"""The catalogue of features: each declaration beside what a night told of it and the models that are given it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daybreak.features.declaration import Feature, FeatureView, RequestFeature
from daybreak.features.on_request import ON_REQUEST
from daybreak.features.services import SERVICES
from daybreak.features.statistics import FeatureStats, Freshness


@dataclass(frozen=True)
class FeatureFacts:
    """A feature, the models that are given it, and how its values are spread, where a night told it."""

    feature: Feature
    used_by: tuple[str, ...]
    stats: FeatureStats | None


@dataclass(frozen=True)
class ViewFacts:
    """A view with its features, and how fresh it was. `stats` are those of any feature, which tell of the view too."""

    view: FeatureView
    features: tuple[FeatureFacts, ...]
    used_by: tuple[str, ...]
    stats: FeatureStats | None
    freshness: Freshness | None

    @property
    def null_share(self) -> float | None:
        """The share of all values of the view that are null."""
        told = [facts.stats for facts in self.features if facts.stats]
        values = sum(stats.rows for stats in told)
        return sum(stats.nulls for stats in told) / values if values else None

    @property
    def stale(self) -> str | None:
        return self.freshness.why_stale(self.view) if self.freshness else None


@dataclass(frozen=True)
class RequestFacts:
    """A feature of the moment of a request, and the models that are given it."""

    feature: RequestFeature
    used_by: tuple[str, ...]


def catalogue(
    views: Sequence[FeatureView], stats: Iterable[FeatureStats], night: str | None, night_due: str
) -> list[ViewFacts]:
    """What there is to know of these views, as the night told it; without a night, their declarations alone."""
    told = {(row.view, row.feature): row for row in stats}
    return [_view_facts(view, told, night, night_due) for view in views]


def _view_facts(
    view: FeatureView, told: dict[tuple[str, str], FeatureStats], night: str | None, night_due: str
) -> ViewFacts:
    features = tuple(
        FeatureFacts(feature, _models_given(view, feature.name), told.get((view.name, feature.name)))
        for feature in view.features
    )
    stats = next((facts.stats for facts in features if facts.stats), None)
    freshness = stats.freshness(night, night_due) if stats and night else None
    return ViewFacts(view, features, _models_given(view), stats, freshness)


def request_facts(view: FeatureView | None = None) -> list[RequestFacts]:
    """The features of the moment of a request: all, or those that are computed from a view."""
    return [
        RequestFacts(feature, tuple(name for name, service in SERVICES.items() if feature in service.on_request))
        for feature in ON_REQUEST
        if view is None or any(given.view == view.name for given in feature.inputs)
    ]


def _models_given(view: FeatureView, feature: str | None = None) -> tuple[str, ...]:
    """The models that are given a feature of the view; without a feature, any of them."""
    return tuple(
        service.name
        for service in SERVICES.values()
        for chosen in service.chosen
        if chosen.view is view and (feature is None or feature in chosen.names)
    )
