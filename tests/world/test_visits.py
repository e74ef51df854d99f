"""Visits look like people's: a funnel, a rhythm, an eye that starts at the top, and clients that come late."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from tests.world.conftest import DAYS, Delivered

DISTINCT_EVENTS = "(SELECT DISTINCT ON (event_id) * FROM events)"


def test_the_day_is_as_busy_as_asked(delivered: Delivered) -> None:
    """A mean day has the events asked for, within a tenth."""
    whole_weeks = [day.events - day.duplicates for day in delivered.ledgers[1:15]]
    assert len(whole_weeks) == 14
    assert abs(sum(whole_weeks) / 14 / delivered.world.events_per_day - 1) < 0.1


def test_the_funnel_is_in_order(delivered: Delivered) -> None:
    """Whoever opens an item was shown it before; carts follow views, purchases carts, ratings purchases."""
    steps = ["impression", "view", "cart", "purchase", "rating"]
    for before, after in pairwise(steps):
        orphans, disorder, kept = delivered.one(
            f"SELECT count(*) FILTER (a.event_id IS NULL), count(*) FILTER (a.event_ts >= b.event_ts), "
            f"count(*) FILTER (a.event_ts < b.event_ts) FROM {DISTINCT_EVENTS} b LEFT JOIN {DISTINCT_EVENTS} a "
            f"ON a.session_id = b.session_id AND a.surface = b.surface AND a.item_id = b.item_id "
            f"AND a.event_type = '{before}' WHERE b.event_type = '{after}'"
        )
        assert (orphans, disorder) == (0, 0)
        assert kept > 100


def test_fewer_go_on_at_every_step(delivered: Delivered) -> None:
    """Impressions outnumber views, views carts, carts purchases, purchases ratings; some are dismissed."""
    types: dict[str, int] = dict(
        delivered.tables.execute("SELECT event_type, count(*) FROM events GROUP BY event_type").fetchall()
    )
    order = ["impression", "view", "cart", "purchase", "rating"]
    assert sorted(order, key=lambda name: -types[name]) == order
    assert types["dismiss"] > 0


def test_late_events_come_one_to_three_days_late(delivered: Delivered) -> None:
    """About three in a hundred events are late, by each of one, two and three days."""
    lags = dict(
        delivered.tables.execute(
            "SELECT lag, count(*) FROM "
            "(SELECT min(ds) - any_value(event_ts)::DATE AS lag FROM events GROUP BY event_id) GROUP BY lag"
        ).fetchall()
    )
    assert set(lags) == {0, 1, 2, 3}
    assert 0.02 < (lags[1] + lags[2] + lags[3]) / sum(lags.values()) < 0.04


def test_weekends_are_busier_and_nights_are_quiet(delivered: Delivered) -> None:
    """The rhythm of the week and of the day shows in when events happen."""
    happened = dict(
        delivered.tables.execute(f"SELECT event_ts::DATE, count(*) FROM {DISTINCT_EVENTS} GROUP BY 1").fetchall()
    )
    saturday, tuesday = happened[date(2026, 10, 24)], happened[date(2026, 10, 27)]
    assert saturday > 1.15 * tuesday
    night, evening = delivered.one(
        "SELECT count(*) FILTER (hour(event_ts) BETWEEN 2 AND 4), count(*) FILTER (hour(event_ts) BETWEEN 19 AND 21) "
        "FROM events"
    )
    assert evening > 8 * night


def test_the_top_of_a_shelf_is_seen_most(delivered: Delivered) -> None:
    """The share of shown items that are opened falls from the first place to the fifth."""
    rates = delivered.tables.execute(
        "SELECT position, count(*) FILTER (event_type = 'view') / count(*) FILTER (event_type = 'impression') "
        "FROM events WHERE surface = 'for_you' AND position < 6 GROUP BY position ORDER BY position"
    ).fetchall()
    assert rates[0][1] > 1.2 * rates[1][1] > 1.2 * rates[3][1]
    assert rates[0][1] > 2 * rates[5][1]


def test_a_shelf_shows_an_item_once_and_places_count_up(delivered: Delivered) -> None:
    """No item twice on one shelf of a visit, and no gap between places."""
    repeated, gaps = delivered.one(
        "SELECT count(*) FILTER (n > items), count(*) FILTER (n <> top + 1) FROM (SELECT count(*) AS n, "
        f"count(DISTINCT item_id) AS items, max(position) AS top FROM {DISTINCT_EVENTS} "
        "WHERE event_type = 'impression' GROUP BY session_id, surface)"
    )
    assert (repeated, gaps) == (0, 0)


def test_few_items_get_most_of_the_attention(delivered: Delivered) -> None:
    """Popularity is skewed as in life: the first tenth of items has over a third of the impressions, not nearly all."""
    shown = [
        count
        for (count,) in delivered.tables.execute(
            "SELECT count(*) AS n FROM events WHERE event_type = 'impression' GROUP BY item_id ORDER BY n DESC"
        ).fetchall()
    ]
    assert 0.33 < sum(shown[: len(shown) // 10]) / sum(shown) < 0.8


def test_only_those_who_are_there_act_on_what_is_there(delivered: Delivered) -> None:
    """Nobody acts before joining or on the day of leaving, and nothing is shown before its launch or once retired."""
    early, gone = delivered.one(
        f"SELECT count(*) FILTER (e.event_ts < u.joined), count(*) FILTER (e.event_ts >= u.left_on) "
        f"FROM {DISTINCT_EVENTS} e JOIN (SELECT user_id, min(signup_ts) AS joined, "
        "min(updated_ts::DATE) FILTER (status = 'deactivated') AS left_on FROM users GROUP BY user_id) u "
        "USING (user_id)"
    )
    assert (early, gone) == (0, 0)
    unlaunched, retired = delivered.one(
        f"SELECT count(*) FILTER (e.event_ts < i.launched), count(*) FILTER (e.event_ts >= i.retired) "
        f"FROM {DISTINCT_EVENTS} e JOIN (SELECT item_id, min(launched_ts) AS launched, max(retired_ts) AS retired "
        "FROM items GROUP BY item_id) i USING (item_id)"
    )
    assert (unlaunched, retired) == (0, 0)
    unknown, known = delivered.one(
        "SELECT count(*) FILTER (u.user_id IS NULL), count(*) FILTER (u.user_id IS NOT NULL) "
        "FROM events e LEFT JOIN (SELECT DISTINCT user_id FROM users) u USING (user_id)"
    )
    assert unknown == 0
    assert known > DAYS * 10_000
