"""The truth that is kept aside is the one that users act on."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from daybreak.draws import Floats
from daybreak.errors import InputError
from daybreak.world.truth import Truth, open_truth
from tests.world.conftest import DAYS, Delivered

DAY = date(2026, 10, 29)


@pytest.fixture(scope="module")
def truth(delivered: Delivered) -> Truth:
    return open_truth(delivered.to.world)


def _shown_and_bought(delivered: Delivered, truth: Truth) -> tuple[Floats, Floats]:
    """For everything shown in the first days: the purchases expected, and those made."""
    expected, bought = [], []
    for offset in range(DAYS - 3):
        day = delivered.world.day(offset)
        rows = delivered.tables.execute(
            "SELECT user_id, item_id, position, count(*) FILTER (event_type = 'purchase') FROM "
            f"(SELECT DISTINCT ON (event_id) * FROM events WHERE event_ts::DATE = '{day}') "
            "GROUP BY session_id, surface, user_id, item_id, position"
        ).fetchall()
        users, items, positions, purchases = zip(*rows, strict=True)
        expected.append(truth.expected_value(users, items, day, positions))
        bought.append(np.array(purchases, dtype=np.float64))
    return np.concatenate(expected), np.concatenate(bought)


def test_the_truth_foretells_what_is_bought(delivered: Delivered, truth: Truth) -> None:
    """Expected and actual purchases agree within four deviations, over everything shown and by tenth of value."""
    expected, bought = _shown_and_bought(delivered, truth)
    for rows in (np.arange(expected.size), *np.array_split(np.argsort(expected), 10)):
        assert abs(bought[rows].sum() - expected[rows].sum()) < 4 * np.sqrt(expected[rows].sum()) + 1


def test_users_buy_what_truth_likes(delivered: Delivered, truth: Truth) -> None:
    """The best tenth of what was shown is bought far more often than the lower half."""
    expected, bought = _shown_and_bought(delivered, truth)
    order = np.argsort(expected)
    assert bought[order[-order.size // 10 :]].mean() > 10 * bought[order[: order.size // 2]].mean()


def test_lists_by_truth_are_worth_more_than_popular_ones(truth: Truth) -> None:
    """People differ: the best item of each user is worth more to them than the item best for all."""
    items = truth.offered(DAY)
    users = [f"u{n}" for n in range(1, 101)]
    values = np.array([truth.expected_value([user] * len(items), items, DAY) for user in users])
    assert values.max(axis=1).mean() > 1.5 * values.mean(axis=0).max()


def test_lower_places_are_worth_less(truth: Truth) -> None:
    """Value falls with the place, by the same factor for everyone."""
    top = truth.expected_value(["u1", "u2"], ["i1", "i2"], DAY)
    fifth = truth.expected_value(["u1", "u2"], ["i1", "i2"], DAY, 4)
    assert np.all(fifth < top)
    assert np.allclose(fifth / top, fifth[0] / top[0])


def test_what_is_not_there_is_worth_nothing(delivered: Delivered, truth: Truth) -> None:
    """A user who has left and an item that is retired have no value."""
    (gone,) = delivered.one("SELECT user_id FROM users WHERE status = 'deactivated' ORDER BY ds LIMIT 1")
    (retired,) = delivered.one("SELECT item_id FROM items WHERE status = 'deactivated' ORDER BY ds LIMIT 1")
    last = delivered.world.day(DAYS - 1)
    offered = truth.offered(last)
    assert str(retired) not in offered
    assert truth.expected_value([str(gone)], offered[:1], last)[0] == 0
    there = next(u for u in ("u1", "u2", "u3") if truth.expected_value([u], offered[:1], last)[0] > 0)
    assert truth.expected_value([there], [str(retired)], last)[0] == 0


@pytest.mark.parametrize(
    ("users", "items", "day", "said"),
    [
        (["u1"], ["i1", "i2"], DAY, "an item for each"),
        (["alice"], ["i1"], DAY, "an id of the simulated world"),
        (["5"], ["i1"], DAY, "u1 to u.* found '5'"),
        (["u1"], ["i0"], DAY, "i1 to i.* found 'i0'"),
        (["u999999"], ["i1"], DAY, "an id of the simulated world"),
        (["u1"], ["i1"], date(2026, 10, 21), "the world begins on"),
    ],
)
def test_questions_without_an_answer_are_refused(
    truth: Truth, users: list[str], items: list[str], day: date, said: str
) -> None:
    """Unequal lengths, ids of another world and days before the first are errors, not zeros."""
    with pytest.raises(InputError, match=said):
        truth.expected_value(users, items, day)


def test_a_home_without_a_world_has_no_truth(tmp_path: Path) -> None:
    """The message says how to get one."""
    with pytest.raises(InputError, match="daybreak simulate"):
        open_truth(tmp_path)
    for broken in ("{}", "[]", "", '{"seed": "x", "users": 2, "items": 1, "start": "2026-10-22", "drifts": [1]}'):
        (tmp_path / "world.json").write_text(broken)
        with pytest.raises(InputError, match=r"world\.json does not describe a world"):
            open_truth(tmp_path)
