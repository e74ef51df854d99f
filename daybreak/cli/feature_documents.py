"""What `daybreak features --json` prints: the catalogue as documents."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from daybreak.features.catalogue import FeatureFacts, RequestFacts, ViewFacts, request_facts

Document = dict[str, Any]
TOLD_OF_THE_VIEW = ("view", "feature", "type", "rows", "entities", "newest_night", "newest_event_ts")


def view_document(facts: ViewFacts) -> Document:
    """The view, with how many features it has."""
    view, stats = facts.view, facts.stats
    age = facts.freshness.age if facts.freshness else None
    return {
        "view": view.name,
        "about": view.doc,
        "entities": [entity.name for entity in view.entities],
        "features": len(view.features),
        "owner": view.owner,
        "job": view.made_by,
        "nightly": view.nightly,
        "ttl_days": view.ttl and view.ttl / timedelta(days=1),
        "used_by": facts.used_by,
        "rows": stats and stats.rows,
        "null_share": facts.null_share,
        "newest_night": stats and stats.newest_night,
        "newest_event_ts": stats and stats.newest_event_ts and stats.newest_event_ts.isoformat(),
        "age_hours": None if age is None else age / timedelta(hours=1),
        "stale": facts.stale,
    }


def whole_view_document(facts: ViewFacts) -> Document:
    """The view with each of its features, and those that are computed from them on request."""
    return {
        **view_document(facts),
        "features": [_feature_document(each) for each in facts.features],
        "on_request": [request_document(each) for each in request_facts(facts.view)],
    }


def request_document(facts: RequestFacts) -> Document:
    feature = facts.feature
    return {
        "feature": feature.name,
        "type": feature.type,
        "about": feature.doc,
        "inputs": [given.name for given in feature.inputs],
        "used_by": facts.used_by,
    }


def _feature_document(facts: FeatureFacts) -> Document:
    told = asdict(facts.stats) if facts.stats else None
    return {
        "feature": facts.feature.name,
        "type": facts.feature.type,
        "about": facts.feature.doc,
        "window_days": facts.feature.window_days,
        "used_by": facts.used_by,
        "values": told and {name: value for name, value in told.items() if name not in TOLD_OF_THE_VIEW},
    }
