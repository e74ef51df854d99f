"""What `daybreak features` shows: the declarations beside the statistics of the newest night that has any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from daybreak.features.catalogue import services_computing, services_using, takes_from
from daybreak.features.declaration import Feature, FeatureView, RequestFeature
from daybreak.features.on_request import ON_REQUEST
from daybreak.features.statistics import FEATURE_STATS, FeatureStats, Freshness
from daybreak.settings import Settings

Document = dict[str, Any]
TOLD_OF_THE_VIEW = ("view", "feature", "type", "rows", "entities", "newest_night", "newest_event_ts")


@dataclass(frozen=True)
class FeatureFacts:
    """A feature, the models that are given it, and how its values are spread, where a night told it."""

    feature: Feature
    used_by: tuple[str, ...]
    stats: FeatureStats | None

    def document(self) -> Document:
        told = asdict(self.stats) if self.stats else None
        return {
            "feature": self.feature.name,
            "type": self.feature.type,
            "about": self.feature.doc,
            "window_days": self.feature.window_days,
            "used_by": self.used_by,
            "values": told and {name: value for name, value in told.items() if name not in TOLD_OF_THE_VIEW},
        }


@dataclass(frozen=True)
class ViewFacts:
    """A view with its features, and how fresh it was."""

    view: FeatureView
    features: tuple[FeatureFacts, ...]
    used_by: tuple[str, ...]
    freshness: Freshness | None

    @property
    def stats(self) -> FeatureStats | None:
        """Those of any feature, which also tell of the view as a whole."""
        return next((facts.stats for facts in self.features if facts.stats), None)

    @property
    def null_share(self) -> float | None:
        """The share of all values of the view that are null."""
        told = [facts.stats for facts in self.features if facts.stats]
        values = sum(stats.rows for stats in told)
        return sum(stats.nulls for stats in told) / values if values else None

    @property
    def stale(self) -> str | None:
        return self.freshness.why_stale(self.view) if self.freshness else None

    def document(self) -> Document:
        """The view, with how many features it has."""
        view, stats = self.view, self.stats
        age = self.freshness.age if self.freshness else None
        return {
            "view": view.name,
            "about": view.doc,
            "entities": [entity.name for entity in view.entities],
            "features": len(view.features),
            "owner": view.owner,
            "job": view.made_by,
            "nightly": view.nightly,
            "ttl_days": view.ttl and view.ttl / timedelta(days=1),
            "used_by": self.used_by,
            "rows": stats and stats.rows,
            "null_share": self.null_share,
            "newest_night": stats and stats.newest_night,
            "newest_event_ts": stats and stats.newest_event_ts and stats.newest_event_ts.isoformat(),
            "age_hours": None if age is None else age / timedelta(hours=1),
            "stale": self.stale,
        }

    def whole(self) -> Document:
        """The view with each of its features, and those that are computed from them on request."""
        return {
            **self.document(),
            "features": [facts.document() for facts in self.features],
            "on_request": [facts.document() for facts in request_facts(self.view)],
        }


@dataclass(frozen=True)
class RequestFacts:
    """A feature of the moment of a request, and the models that are given it."""

    feature: RequestFeature
    used_by: tuple[str, ...]

    def document(self) -> Document:
        feature = self.feature
        return {
            "feature": feature.name,
            "type": feature.type,
            "about": feature.doc,
            "inputs": feature.inputs,
            "used_by": self.used_by,
        }


def request_facts(view: FeatureView | None = None) -> list[RequestFacts]:
    """The features of the moment of a request: all, or those that are computed from a view."""
    chosen = [feature for feature in ON_REQUEST if view is None or takes_from(feature, view)]
    return [RequestFacts(feature, services_computing(feature)) for feature in chosen]


def newest_facts(settings: Settings, views: Sequence[FeatureView]) -> tuple[str | None, list[ViewFacts]]:
    """The views with the statistics of the newest night that has any, and this night."""
    from daybreak.lake import Lake, Window

    table = Lake.of(settings).table(FEATURE_STATS)
    night = max(table.days(), default=None)
    rows = table.read(Window(since=night, until=night), FEATURE_STATS.column_names).to_pylist() if night else []
    stats = {(row["view"], row["feature"]): FeatureStats(**row) for row in rows}
    return night, [_view_facts(view, stats, night, settings.night_due) for view in views]


def _view_facts(
    view: FeatureView, stats: dict[tuple[str, str], FeatureStats], night: str | None, night_due: str
) -> ViewFacts:
    features = tuple(
        FeatureFacts(feature, services_using(view, feature.name), stats.get((view.name, feature.name)))
        for feature in view.features
    )
    told = next((facts.stats for facts in features if facts.stats), None)
    return ViewFacts(view, features, services_using(view), told.freshness(night, night_due) if told and night else None)
