"""What a person and a program see of the features: what there is, how fresh and how spread it is, who uses it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from daybreak.cli.console import console
from daybreak.clock import days_before, end_of
from daybreak.features.catalogue import catalogue
from daybreak.features.declaration import FeatureView
from daybreak.features.on_request import ON_REQUEST
from daybreak.features.statistics import FEATURE_STATS, FeatureStats
from daybreak.features.views import VIEWS
from daybreak.lake import Lake
from tests.daybreak.command_line import Command
from tests.lake import put

DS = "2026-11-20"
BEFORE = days_before(DS, 1)
NOTHING_YET = "No night has told yet how the values are spread"
LONG_BEFORE = days_before(DS, 2)
OLD: dict[str, Any] = {"newest_night": LONG_BEFORE, "newest_event_ts": end_of(LONG_BEFORE)}
HISTOGRAM = [0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.001, 0.249]
NUMBERS: dict[str, Any] = {
    "min": 0, "max": 12_345, "p05": 0.5, "median": 41.25, "p95": 1_234.5, "mean": 60, "bins_from": 0.5,
    "bins_to": 1_234.5, "histogram": HISTOGRAM, "distinct": 40,
}  # fmt: skip


def told_of(view: str, feature: str, kind: str, **more: Any) -> FeatureStats:
    """A row of the table, of a night on which nothing was amiss."""
    rows = more.pop("rows", 2_000)
    usual = {"nulls": 0, "null_share": 0.0, "distinct": 0, "newest_night": DS, "newest_event_ts": end_of(DS)}
    return FeatureStats(view, feature, kind, rows=rows, entities=rows, looked_at=rows, **{**usual, **more})


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


@pytest.fixture
def told(lake: Lake) -> None:
    """The statistics of some features: of a night, and others of the night before it."""
    days = {**NUMBERS, "p05": 1.7e9, "median": 1.75e9, "p95": 1.76e9}
    words = {"top_values": ["[/red]\x1b[2J", "US", "FR", "GB"], "top_shares": [0.5, 0.25, 0.15, 0.1], "distinct": 12}
    rows = [
        told_of("user_activity", "views_7d", "int64", nulls=1, null_share=0.0005, **NUMBERS),
        told_of("user_activity", "views_28d", "int64", nulls=999, null_share=0.4995, distinct=1),
        told_of("user_profile", "country", "string", **words),
        told_of("user_profile", "signup_ts", "timestamp", **days),
        told_of("user_item", "views_28d", "int64", rows=0, null_share=None, **OLD),
    ]
    put(lake, FEATURE_STATS, BEFORE, [asdict(told_of("user_graph", "friends", "int64"))])
    put(lake, FEATURE_STATS, DS, [asdict(row) for row in rows])


@pytest.mark.usefixtures("told")
def test_all_views_are_shown_with_their_freshness(daybreak: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the newest night told of, others by dashes; why a view is stale; what is computed on request."""
    monkeypatch.setattr(console, "width", 100)
    shown = [line.split() for line in lines(daybreak("features").out)]
    assert ["user_brand", "user", "and", "brand", "3", "recommendations", "ranker"] in shown
    assert ["user_activity", DS, "2026-11-21", "00:00", "6", "h", "7", "days", "2,000", "25.0%"] in shown
    assert ["user_item", LONG_BEFORE, BEFORE, "00:00", "54", "h", "28", "days", "0", "–"] in shown
    assert ["user_graph", "–", "–", "–", "7", "days", "–", "–"] in shown
    stale = [line for line in shown if line[:1] == ["stale"]]
    assert [" ".join(line) for line in stale] == [
        f"stale user_item: its newest night is {LONG_BEFORE}, 54 h old when this night was due, and may be 30 h"
    ]
    assert ["account_age_days", "user_profile__signup_ts", "ranker,", "two_tower,", "people"] in shown


@pytest.mark.usefixtures("told")
def test_a_view_tells_each_feature(daybreak: Command) -> None:
    """Type, window, meaning, nulls, the spread in one line, the models; and what is computed from it on request."""
    shown = lines(daybreak("features", "user_activity").out)
    assert shown[:3] == [
        f"user_activity: {VIEWS['user_activity'].doc}",
        "Of user; made by jobs.user_activity; owner recommendations; a row counts for 7 days.",
        f"2,000 rows on the night of {DS}, the newest up to 2026-11-21 00:00, 6 h before the night was due.",
    ]
    place = shown.index("views_7d  int64, 7 days: view events")
    assert shown[place + 1] == "nulls < 0.1%; 41.2 [0.5..1,234] █▅      ▁▄; used by ranker, two_tower"
    place = shown.index("views_28d  int64, 28 days: view events")
    assert shown[place + 1] == "nulls 50.0%; used by ranker, two_tower"
    place = shown.index("last_event_ts  timestamp: when the last event happened")
    assert shown[place + 1] == "used by ranker, two_tower, people"
    place = shown.index("hours_since_last_event  float64, on request: hours since the user's last known event")
    assert shown[place + 1] == "from user_activity__last_event_ts; used by ranker, two_tower, people"


@pytest.mark.usefixtures("told")
def test_values_steer_nothing(daybreak: Command) -> None:
    """The most frequent words are shown as they were delivered; moments are shown as days."""
    shown = lines(daybreak("features", "user_profile").out)
    assert (
        "nulls 0%; [/red]\N{REPLACEMENT CHARACTER}[2J 50.0%, US 25.0%, FR 15.0%, … 12 values;"
        " used by ranker, two_tower, people" in shown
    )
    assert any("2025-06-15 [2023-11-14..2025-10-09]" in line for line in shown)


@pytest.mark.usefixtures("told")
def test_a_program_is_told_the_same(daybreak: Command) -> None:
    """Everything that is declared, with the numbers as the table has them."""
    document = daybreak("features", "--json").json
    views = {view["view"]: view for view in document["views"]}
    assert (document["night"], list(views)) == (DS, list(VIEWS))
    activity = views["user_activity"]
    told = ("features", "rows", "newest_night", "newest_event_ts", "age_hours", "stale", "ttl_days", "null_share")
    assert [activity[name] for name in told] == [26, 2_000, DS, "2026-11-21T00:00:00+00:00", 6.0, None, 7.0, 0.25]
    assert views["user_profile"]["ttl_days"] is None
    assert [views["user_graph"][name] for name in told[1:6]] == [None] * 5
    on_request = [(feature["feature"], feature["inputs"]) for feature in document["on_request"]]
    assert on_request == [(feature.name, [given.name for given in feature.inputs]) for feature in ON_REQUEST]
    whole = daybreak("features", "user_activity", "--json").json
    features = {feature["feature"]: feature for feature in whole["features"]}
    assert list(features) == list(VIEWS["user_activity"].feature_names)
    views_7d = features["views_7d"]
    assert (views_7d["type"], views_7d["window_days"], views_7d["used_by"]) == ("int64", 7, ["ranker", "two_tower"])
    assert views_7d["values"]["median"] == 41.25
    assert views_7d["values"]["histogram"] == pytest.approx(HISTOGRAM)
    assert features["carts_7d"]["values"] is None
    assert [feature["feature"] for feature in whole["on_request"]] == ["hours_since_last_event"]


def test_before_the_first_night_the_features_are_there_without_numbers(daybreak: Command, lake: Lake) -> None:
    """And what to type is said."""
    for arguments in (("features",), ("features", "user_graph")):
        shown = daybreak(*arguments).out
        assert f"{NOTHING_YET}; after a night, this does: `daybreak run validation.feature_stats --ds DAY`" in shown
    assert "pagerank  float64: PageRank over ties" in daybreak("features", "user_graph").out
    document = daybreak("features", "--json").json
    assert document["night"] is None
    assert {view["rows"] for view in document["views"]} == {None}


def test_an_unknown_view_is_one_sentence(daybreak: Command) -> None:
    """With the names there are."""
    outcome = daybreak("features", "user_activty")
    assert outcome.code == 3
    assert outcome.sentence == f"no feature view is called 'user_activty'; there are: {', '.join(VIEWS)}"


@pytest.mark.parametrize("view", VIEWS.values(), ids=lambda view: view.name)
def test_every_feature_is_given_to_a_model(view: FeatureView) -> None:
    """One that no service chooses costs one column per night and helps nobody."""
    [facts] = catalogue([view], [], None, "06:00")
    assert [each.feature.name for each in facts.features if not each.used_by] == []
