"""The catalogue page has each view and feature, needs nothing beside it, and shows what was delivered as text."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from daybreak.clock import end_of
from daybreak.contracts import ColumnType
from daybreak.features.catalogue import FeatureFacts
from daybreak.features.on_request import ON_REQUEST
from daybreak.features.statistics import FeatureStats
from daybreak.features.views import VIEWS
from daybreak.lake import Lake
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import land
from tests.validation.test_report_page import EVIL, Reader
from validation.report.features import FeatureCard, render_features

DS = "2026-11-20"
NUMBERS = (ColumnType.INT32, ColumnType.INT64, ColumnType.FLOAT64, ColumnType.TIMESTAMP)
TOLD_OF_NUMBERS = FeatureStats(
    view="", feature="", type="", rows=1_234, entities=1_234, nulls=617, null_share=0.5, looked_at=1_234, distinct=40,
    min=-3.0, p05=1.0, median=41.5, p95=230.0, max=98_765.0, mean=60.25, bins_from=1.0, bins_to=230.0,
    histogram=[0.5, 0.25, 0.125, 0.1, 0.0, 0.0001, 0.0, 0.0, 0.0, 0.0249],
    newest_night=DS, newest_event_ts=end_of(DS),
)  # fmt: skip
TOLD_OF_WORDS = replace(
    TOLD_OF_NUMBERS, min=None, p05=None, median=None, p95=None, max=None, mean=None, histogram=None,
    top_values=[EVIL + "\u202e\x07", "web"], top_shares=[0.75, 0.25], distinct=2,
)  # fmt: skip
TOLD_OF_LISTS = replace(TOLD_OF_WORDS, top_values=None, top_shares=None, mean_length=18.5)


def stats() -> list[FeatureStats]:
    """One row per feature, by its type."""
    by_type = {ColumnType.STRING: TOLD_OF_WORDS, **dict.fromkeys(NUMBERS, TOLD_OF_NUMBERS)}
    return [
        replace(by_type.get(feature.type, TOLD_OF_LISTS), view=view.name, feature=feature.name, type=feature.type)
        for view in VIEWS.values()
        for feature in view.features
    ]


@pytest.fixture
def page() -> str:
    return render_features(DS, "06:00", stats()).decode()


def test_every_view_and_feature_is_on_it(page: str) -> None:
    """With its meaning, owner, job and models; and those that are computed on request, with their inputs."""
    read = Reader(page)
    for view in VIEWS.values():
        section = Reader(_section(page, view.name)).text
        for words in (view.doc, f"Owner {view.owner}", f"Made by {view.made_by}", f"{DS}, 6 h", "Rows 1,234"):
            assert words in section, words
        for feature in view.features:
            assert f"{feature.name} {feature.type} {feature.doc}" in section
        assert view.name in read.ids
    for computed in ON_REQUEST:
        assert (
            f"{computed.name} {computed.type} {computed.doc} {', '.join(given.name for given in computed.inputs)}"
            in read.text
        )
    assert (
        "click_rate_7d float64 views per impression; of few impressions, drawn towards the rate over all 7 days 50.0%"
        in read.text
    )


def test_values_are_drawn_by_their_type(page: str) -> None:
    """A histogram with the middle and the range of numbers, shares of words, the length of lists."""
    profile, sessions = (Reader(_section(page, name)) for name in ("user_profile", "user_sessions"))
    assert "web 25.0% ranker, two_tower, people" in profile.text
    assert "41.5 [1..230] -3 to 98,765, mean 60.2 ranker, two_tower" in sessions.text
    assert "18.5 long on average" in sessions.text
    numbers = sum(feature.type in NUMBERS for view in VIEWS.values() for feature in view.features)
    assert page.count('<svg class="histogram"') == numbers
    assert page.count("<rect ") == 6 * numbers


def test_bars_are_as_tall_as_their_shares() -> None:
    """The fullest bin fills the drawing, an empty one is not drawn, and a nearly empty one can be seen."""
    card = FeatureCard(FeatureFacts(VIEWS["user_sessions"].features[0], (), TOLD_OF_NUMBERS), TOLD_OF_NUMBERS)
    assert [bar.height for bar in card.bars] == [24.0, 12.0, 6.0, 4.8, 1.0, 1.2]
    assert [bar.x for bar in card.bars] == [0, 12, 24, 36, 60, 108]
    assert all(bar.y + bar.height == pytest.approx(24) for bar in card.bars)


def test_it_needs_nothing_beside_it_and_runs_nothing(page: str) -> None:
    """No script, no address outside, no id twice; what was delivered stays text."""
    read = Reader(page)
    assert EVIL in read.text
    assert "script" not in read.elements
    assert not [letter for letter in read.text if letter in "\u202e\x07"]
    assert {link for link in read.links if not link.startswith("#")} == {"index.html"}
    assert {link[1:] for link in read.links if link.startswith("#")} <= set(read.ids)
    assert not re.search(r"@import|url\((?!#)|https?://", page)
    assert len(read.ids) == len(set(read.ids))


def test_a_stale_view_says_why() -> None:
    """Beside the fresh ones."""
    old = end_of(DS) - timedelta(hours=40)
    rows = [replace(row, newest_event_ts=old) if row.view == "user_item" else row for row in stats()]
    page = render_features(DS, "06:00", rows).decode()
    assert (
        f"stale its newest night is {DS}, 46 h old when this night was due, and may be 30 h"
        in Reader(_section(page, "user_item")).text
    )
    assert Reader(page).text.count(" stale ") == 2


def test_the_page_of_the_night_links_to_it_once_it_is_there(settings: Settings, lake: Lake) -> None:
    """A link that leads nowhere is not shown."""
    report, features = step_named("validation.report"), step_named("validation.feature_stats")
    found = []
    land(lake, DS)
    for steps in ([report], [features, report]):
        run_steps(steps, DS, settings)
        found.append("features.html" in Reader((settings.reports / f"{DS}.html").read_text(encoding="utf-8")).links)
    assert found == [False, True]
    empty = Reader((settings.reports / "features.html").read_text(encoding="utf-8"))
    assert empty.text.count(" empty ") == len(VIEWS)
    assert "fresh" not in empty.text


def _section(page: str, name: str) -> str:
    start = page.index(f'<section id="{name}">')
    return page[start : page.index("</section>", start) + len("</section>")]
