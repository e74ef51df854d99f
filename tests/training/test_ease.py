"""What EASE lists is what its closed form gives, written out in numpy, for whom and of what may be listed."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from random import Random

import numpy as np
import pytest

from daybreak.datasets import ITEMS, USERS
from daybreak.errors import InputError
from daybreak.interest import WEIGHTS
from daybreak.lake import Lake, Window
from daybreak.learning import EASE_CANDIDATES, ITEM, USER
from daybreak.settings import Settings
from tests.lake import put
from tests.tiny import Row, day, event
from tests.training.homes import copy_of, run_night
from tests.training.worlds import put_counted
from training.models.graph_filter import FOR_GOOD, MOST_DENSE_ITEMS

DAYS, NIGHT = 12, 8
USER_NAMES, ITEM_NAMES = [f"u{number:02d}" for number in range(25)], [f"i{number:02d}" for number in range(30)]
IDLE, GONE, RETIRED = "u23", "u24", "i00"
Lists = dict[tuple[str, str], list[Row]]


def events(random: Random, night: int) -> list[Row]:
    """What a night delivers: of its own day and the one before, of users who keep to some of the items."""
    rows = []
    for number in range(60):
        user = random.choice([*USER_NAMES[:23], GONE])
        item = ITEM_NAMES[min(int(random.paretovariate(0.6)) + int(user[1:]) % 3 * 3 - 1, 28)]
        happened = day(max(night - random.choice([0, 0, 1]), 0))
        rows.append(event(f"{night}-{number}", happened, user, item, random.choice([*WEIGHTS, "impression"])))
    return [*rows, event(f"{night}-idle", day(night), IDLE, "i03", "impression")]


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Twelve nights of wants; a user who left, one who wants nothing, an item that is gone and one that nobody wants.
    Who changes it changes a copy."""
    settings = Settings(home=tmp_path_factory.mktemp("wanted"))
    lake, random, since = Lake.of(settings), Random(4), f"{day(0)}T00:00:00Z"
    states = {GONE: "deactivated", RETIRED: "deactivated"}
    put(lake, USERS, day(0), [_state("user_id", name, since, states) for name in USER_NAMES])
    put(lake, ITEMS, day(0), [{**_state("item_id", name, since, states), "title": name} for name in ITEM_NAMES])
    put_counted(lake, {night: events(random, night) for night in range(DAYS)})
    run_night(settings, NIGHT, "ids")
    return settings


def _state(key: str, name: str, since: str, states: dict[str, str]) -> Row:
    return {key: name, "updated_ts": since, "status": states.get(name, "active")}


@pytest.fixture
def home(wanted: Settings, tmp_path: Path) -> Settings:
    return copy_of(wanted, tmp_path)


def listed(settings: Settings) -> Lists:
    """Each list, in the order of its ranks."""
    rows = Lake.of(settings).table(EASE_CANDIDATES).read(Window(day(NIGHT), day(NIGHT))).to_pylist()
    lists: Lists = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["rank"]):
        lists[row["query"], row["query_id"]].append(row)
    return dict(lists)


def names_of(lists: Lists, query: str) -> set[str]:
    return {name for of, name in lists if of == query}


class Plain:
    """EASE by the book over the wants that the night had been told of."""

    def __init__(self) -> None:
        random = Random(4)
        told = [row for night in range(NIGHT + 1) for row in events(random, night) if row["event_type"] in WEIGHTS]
        self.weights, self.last = np.zeros((25, 30)), np.full((25, 30), -1.0)
        for row in told:
            place = USER_NAMES.index(row["user_id"]), ITEM_NAMES.index(row["item_id"])
            number = next(number for number in range(DAYS) if day(number) == row["event_ts"][:10])
            self.weights[place] += WEIGHTS[row["event_type"]]
            self.last[place] = max(self.last[place], number + 0.5)
        self.has = self.weights > 0
        self.unwanted = {name for name, wanted in zip(ITEM_NAMES, self.has.any(0), strict=True) if not wanted}
        self.ages = np.where(self.has, NIGHT + 1 - self.last, 0)
        counts = np.where(self.has, 0.5 ** (self.ages / FOR_GOOD), 0)
        together = counts.T @ counts
        inverse = np.linalg.inv(together + 0.05 * np.linalg.eigvalsh(together)[-1] * np.eye(30))
        self.ties = -inverse / np.diag(inverse)
        np.fill_diagonal(self.ties, 0)

    def lift(self, trend: float) -> np.ndarray:
        """What each item was wanted lately, over what it was wanted before."""
        ages = np.sort(self.ages[self.has])
        since = np.searchsorted(ages, self.ages) / len(ages)
        recent, usual = np.where(self.has, 0.5 ** (since / 0.2), 0).sum(0), self.has.sum(0)
        prior = 0.1 * recent.sum() / 30
        return ((recent + prior) / (usual * recent.sum() / usual.sum() + prior)) ** trend

    def for_user(self, user: int) -> np.ndarray:
        """What the history of a user asks for: what is new and weighs more than its others asks for more."""
        has, logs = self.has[user], np.log1p(self.weights[user])
        strength = np.maximum(1 + 0.5 * (logs - logs[has].mean()), 0) * 0.5 ** (self.ages[user] / 30)
        return self._given(np.where(has, strength, 0), has)

    def for_item(self, item: int) -> np.ndarray:
        asked = np.arange(30) == item
        return self._given(asked.astype(float), asked)

    def _given(self, asked: np.ndarray, has: np.ndarray) -> np.ndarray:
        given = np.maximum(asked @ self.ties, 0)
        return given / (given[~has].sum() / 30)


@pytest.mark.parametrize("trend", [0.0, 1.0])
def test_lists_are_those_of_the_closed_form(home, trend):
    """For every user, and beside every item: the scores that numpy works out, best first, of what has any."""
    run_night(home, NIGHT, "ease", trend=trend)
    plain, lists = Plain(), listed(home)
    lift = plain.lift(trend)
    queries = {(USER, name): plain.for_user(row) for row, name in enumerate(USER_NAMES) if name not in (IDLE, GONE)}
    queries |= {
        (ITEM, name): plain.for_item(row)
        for row, name in enumerate(ITEM_NAMES)
        if name not in {RETIRED, *plain.unwanted}
    }
    assert lists.keys() == queries.keys()
    for query, scores in queries.items():
        expected = {name: score for name, score in zip(ITEM_NAMES, scores * lift, strict=True) if score > 1e-5}
        expected.pop(RETIRED, None)
        made = {row["item_id"]: row["score"] for row in lists[query]}
        assert made == pytest.approx(expected, rel=1e-4, abs=2e-5), query


def test_ranks_count_from_0_by_score_and_nothing_stands_twice(home):
    """In every list; and no item stands beside itself."""
    assert run_night(home, NIGHT, "ease")["ease"] == {"rows": sum(map(len, listed(home).values())), "items": 30}
    for (_, name), rows in listed(home).items():
        assert [row["rank"] for row in rows] == list(range(len(rows)))
        assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
        assert len({row["item_id"] for row in rows} | {name}) == len(rows) + 1


def test_what_is_wanted_more_lately_is_lifted(home):
    """With the trend, items whose wants are new stand higher on the whole than without."""
    plain = Plain()
    rising = {ITEM_NAMES[row] for row in np.argsort(-plain.lift(1.0))[:5]} - {RETIRED}

    def mean_rank(trend: float) -> float:
        run_night(home, NIGHT, "ease", trend=trend)
        ranks = [row["rank"] for rows in listed(home).values() for row in rows if row["item_id"] in rising]
        return math.fsum(ranks) / len(ranks)

    assert mean_rank(1.0) < mean_rank(0.0)


def test_who_wants_nothing_or_left_is_given_nothing(home):
    """No rows for them; the item that is gone is in no list and has none, as one that nobody has wanted."""
    run_night(home, NIGHT, "ease")
    lists, never = listed(home), {RETIRED, *Plain().unwanted}
    assert ITEM_NAMES[-1] in never
    assert names_of(lists, USER) == {*USER_NAMES} - {IDLE, GONE}
    assert names_of(lists, ITEM) == {*ITEM_NAMES} - never
    assert not never & {row["item_id"] for rows in lists.values() for row in rows}


def test_lists_are_as_long_as_they_are_told_to_be(home):
    """For users and beside items; the first of the longer lists."""
    run_night(home, NIGHT, "ease")
    whole = listed(home)
    run_night(home, NIGHT, "ease", a_user=5, an_item=2)
    lengths = {USER: 5, ITEM: 2}
    assert listed(home) == {query: rows[: lengths[query[0]]] for query, rows in whole.items()}


def test_blocks_change_nothing(home):
    """Worked on a few at a time, everybody has the same list."""
    run_night(home, NIGHT, "ease")
    whole = listed(home)
    run_night(home, NIGHT, "ease", block=4)
    cut = listed(home)
    assert cut.keys() == whole.keys()
    for query, rows in whole.items():
        assert {row["item_id"]: row["score"] for row in cut[query]} == pytest.approx(
            {row["item_id"]: row["score"] for row in rows}, rel=1e-4
        )


def test_a_second_run_lists_the_same(home):
    """Also after a later night was landed again, which told late of days gone by."""
    run_night(home, NIGHT, "ease")
    table = Lake.of(home).table(EASE_CANDIDATES)
    before = table.digest(day(NIGHT))
    put_counted(Lake.of(home), {NIGHT + 1: [event(n, day(NIGHT), f"u{n:02d}", "i05") for n in range(20)]})
    run_night(home, NIGHT, "ease")
    assert table.digest(day(NIGHT)) == before


def test_too_many_items_for_a_matrix_list_nothing(home):
    """The table is written, empty, and the summary says why."""
    run_night(home, NIGHT, "ease")
    summary = run_night(home, NIGHT, "ease", most_items=29)["ease"]
    assert summary == {"rows": 0, "because": "30 items are more than 29, the most that EASE is fitted on"}
    assert not listed(home)
    assert run_night(home, NIGHT, "ease", most_items=30)["ease"]["rows"] > 0


def test_more_items_than_a_matrix_holds_cannot_be_asked_for(home):
    """The option has the bound of the filter itself."""
    with pytest.raises(Exception, match="most_items"):
        run_night(home, NIGHT, "ease", most_items=MOST_DENSE_ITEMS + 1)


def test_where_nobody_wanted_anything_nothing_is_listed(home):
    """Impressions are no wants, nor is what was wanted before the days that count; the summary says so."""
    only = {night: [event(f"{night}", day(night), "u01", "i05", "impression")] for night in range(NIGHT + 1)}
    only[NIGHT].append(event("late", day(NIGHT - 3), "u01", "i05"))
    put_counted(Lake.of(home), only)
    summary = run_night(home, NIGHT, "ease", history_days=2)["ease"]
    assert summary == {"rows": 0, "because": "nobody has wanted anything in 2 days"}
    assert Lake.of(home).table(EASE_CANDIDATES).was_written(day(NIGHT))
    assert not listed(home)
    assert run_night(home, NIGHT, "ease", history_days=4)["ease"]["items"] == 30


def test_a_night_without_numbers_is_refused(home):
    """One whose ids were not numbered stops with a sentence, and nothing is written."""
    with pytest.raises(InputError, match="training/id_rows has no day"):
        run_night(home, NIGHT + 1, "ease")
    assert not Lake.of(home).table(EASE_CANDIDATES).was_written(day(NIGHT + 1))
