"""What is known of wants on a night is what had been delivered by then, and histories are what they add up to."""

from __future__ import annotations

import math
from datetime import datetime
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.clock import end_of
from daybreak.errors import InputError
from daybreak.interest import WEIGHTS
from tests.jobs.feature_nights import random_events
from tests.lake import io_of
from tests.tiny import day, event
from tests.training.worlds import put_counted
from training.data.histories import Histories, histories_at, of_items
from training.data.ids import IdMap
from training.data.tower_nights import new_wants, remembered_weights
from training.data.wants import Wants, day_of, number_of, wants_of

NIGHTS, FIRST = 8, number_of(day(0))
USERS = IdMap([f"u{n}" for n in range(11)])
ITEMS = IdMap([f"i{n}" for n in range(1, 15)])
"""One user and one item of the events are in no map."""
N_USERS, N_ITEMS = 4, 5
EVENTS = {night: random_events(Random(night), night, most=120) for night in range(NIGHTS)}

pairs = st.lists(
    st.tuples(
        st.integers(0, N_USERS - 1),
        st.integers(0, N_ITEMS - 1),
        st.integers(0, 11).map(lambda quarter: quarter / 4),
        st.integers(1, 5),
        st.integers(0, 2),
    ),
    max_size=30,
)
"""User, item, moment, weight, and by how many nights it came late."""


def wants(told, n_users: int = N_USERS, n_items: int = N_ITEMS) -> Wants:
    columns = [np.array([row[place] for row in told], np.float64) for place in range(5)]
    users, items, late = (columns[place].astype(np.int64) for place in (0, 1, 4))
    known = np.floor(columns[2]).astype(np.int64) + late
    return Wants.of(users, items, columns[2], columns[3].astype(np.float32), n_users, n_items, known=known)


def found_at(settings, night: int, history_days: int = 90) -> Wants:
    return wants_of(io_of("training.gnn", settings, day(night)), USERS, ITEMS, history_days)


def rows_of(found: Wants) -> list[tuple]:
    """User, item, moment, night and weight of each want, as they stand."""
    return [
        (USERS.ids[int(user)].as_py(), ITEMS.ids[int(item)].as_py(), moment, day_of(int(known)), weight)
        for user, item, moment, known, weight in zip(
            found.users, found.items, found.moments, found.known, found.weights, strict=True
        )
    ]


def plain(night: int, history_days: int) -> list[tuple]:
    """What the events of the nights tell, event by event."""
    last: dict[tuple[str, str, str, str], datetime] = {}
    weights: dict[tuple[str, str, str, str], int] = {}
    for landed in range(night + 1):
        for row in EVENTS[landed]:
            key = (row["user_id"], row["item_id"], row["event_ts"][:10], day(landed))
            if row["event_type"] in WEIGHTS:
                moment = datetime.fromisoformat(row["event_ts"])
                last[key] = max(last.get(key, moment), moment)
                weights[key] = weights.get(key, 0) + WEIGHTS[row["event_type"]]
    since = day(max(night - history_days + 1, -90))
    rows = [
        (user, item, number_of(happened) + (last[key] - datetime.fromisoformat(f"{happened}T00:00:00+00:00")).seconds
         / 86_400, landed, weights[key])
        for key in last
        for user, item, happened, landed in [key]
        if user in USERS.ids.to_pylist() and item in ITEMS.ids.to_pylist() and happened >= since and landed >= since
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (USERS.ids.to_pylist().index(row[0]), row[2]))


@pytest.mark.parametrize(("night", "history_days"), [(NIGHTS - 1, 90), (NIGHTS - 1, 3), (4, 90)])
def test_wants_are_what_events_tell_counted_one_by_one(settings, lake, night, history_days):
    """By user, item and day of each night's delivery, of the last days alone, in order of user and moment."""
    put_counted(lake, EVENTS)
    found, expected = rows_of(found_at(settings, night, history_days)), plain(night, history_days)
    assert len(found) > 20
    assert [(row[0], round(row[2], 9)) for row in found] == [(row[0], round(row[2], 9)) for row in expected]
    assert sorted((*row[:2], round(row[2], 9), *row[3:]) for row in found) == sorted(
        (*row[:2], round(row[2], 9), *row[3:]) for row in expected
    )


def test_a_late_event_is_not_known_before_the_night_that_delivered_it(settings, lake):
    """Neither to that night, nor to a later night that looks back on it."""
    late = event("late", day(0), "u1", "i1")
    put_counted(lake, {0: [event("first", day(0), "u2", "i2")], 1: [], 2: [late]})
    assert len(found_at(settings, 1)) == 1
    found = found_at(settings, 2)
    assert len(found) == 2
    assert [len(found.known_by(FIRST + night)) for night in range(3)] == [1, 1, 2]
    assert histories_at(FIRST, found).sizes[:3].tolist() == [0, 0, 1]
    assert histories_at(FIRST + 2, found).sizes[:3].tolist() == [0, 1, 1]


def test_the_last_moment_of_a_day_belongs_to_that_day(settings, lake):
    """A want in the last microsecond is known on its night, and is nothing new on the next day."""
    told = {**event("last", day(0), "u1", "i1"), "event_ts": f"{day(0)}T23:59:59.999999Z"}
    put_counted(lake, {0: [told]})
    found = found_at(settings, 0)
    assert found.days.tolist() == [FIRST]
    assert len(found.known_by(FIRST)) == 1
    assert len(found.after(FIRST)) == 0


@pytest.mark.parametrize("events", [[], [event("old", day(0), "u1", "i1")], [event(1, day(5), "u1", "i1", "dismiss")]])
def test_where_nobody_wants_anything_one_sentence_says_so(settings, lake, events):
    """Whether nothing came, or only what happened too long ago, or what tells of no interest."""
    put_counted(lake, {5: events})
    with pytest.raises(
        InputError, match=f"partials/pair_days tells of no interest from {day(3)} to {day(5)}"
    ) as caught:
        found_at(settings, 5, history_days=3)
    assert "\n" not in str(caught.value)


def rows_at(histories: Histories) -> list[list[tuple[int, float, float]]]:
    columns = (histories.items.tolist(), histories.weights.tolist(), histories.ages.tolist())
    rows = list(zip(*columns, strict=True))
    return [rows[start:end] for start, end in zip(histories.starts, histories.starts[1:], strict=False)]


@given(told=pairs, night=st.integers(0, 4), more=st.integers(0, 2))
def test_histories_are_what_a_plain_loop_adds_up(told, night, more):
    """Each item once, with the sum of its weights and the days since its last want, of what the night knew."""
    expected = []
    for user in range(N_USERS + more):
        mine: dict[int, list[tuple[float, int]]] = {}
        for who, item, moment, weight, late in told:
            if who == user and int(moment) + late <= night and moment < night + 1:
                mine.setdefault(item, []).append((moment, weight))
        expected.append([(i, sum(w for _, w in mine[i]), night + 1 - max(m for m, _ in mine[i])) for i in sorted(mine)])
    assert rows_at(histories_at(night, wants(told), N_USERS + more)) == expected


@given(told=pairs, chosen=st.lists(st.integers(0, N_USERS - 1), max_size=6))
def test_some_rows_of_histories_are_those_rows(told, chosen):
    """In the order asked for, also one user twice or nobody."""
    histories = histories_at(2, wants(told))
    expected = [rows_at(histories)[user] for user in chosen]
    assert rows_at(histories.of_rows(np.array(chosen, np.int64))) == expected


@given(told=pairs, night=st.integers(-1, 3), days=st.integers(1, 3))
def test_new_wants_are_what_a_plain_loop_finds(told, night, days):
    """Each pair once, with its weights added up: wanted in the days after the night, and not known by then."""
    before = {
        (user, item) for user, item, moment, _, late in told if moment < night + 1 and int(moment) + late <= night
    }
    expected: dict[tuple[int, int], int] = {}
    for user, item, moment, weight, _ in told:
        if night + 1 <= moment < night + 1 + days and (user, item) not in before:
            expected[user, item] = expected.get((user, item), 0) + weight
    known = wants(told)
    users, items, weights = new_wants(night, known, histories_at(night, known), days)
    found = list(zip(zip(users.tolist(), items.tolist(), strict=True), weights.tolist(), strict=True))
    assert found == sorted(expected.items())


@given(told=pairs, half_life=st.sampled_from([0.5, 3.0]))
def test_memory_fades_with_age_and_with_how_much_there_is(told, half_life):
    """An entry counts 0.5 to the power of its half-lives, more by half of what the logarithm of its weight lies above
    the user's mean, over the root of what all entries of the user count."""
    histories = histories_at(2, wants(told))
    expected = []
    for row in rows_at(histories):
        logs = [math.log1p(weight) for _, weight, _ in row]
        usual = sum(logs) / max(len(logs), 1)
        fresh = [
            0.5 ** (age / half_life) * max(1 + (log - usual) / 2, 0.0)
            for (_, _, age), log in zip(row, logs, strict=True)
        ]
        expected += [value / sum(fresh) ** 0.5 for value in fresh]
    assert remembered_weights(histories, half_life).tolist() == pytest.approx(expected, rel=1e-5)


def test_histories_become_a_matrix_of_users_and_items():
    """With a value for each entry, in its place."""
    histories = histories_at(0, wants([(0, 1, 0.0, 2, 0), (2, 4, 0.5, 3, 0), (2, 0, 0.5, 1, 0)]))
    expected = np.zeros((N_USERS, N_ITEMS))
    expected[0, 1], expected[2, 4], expected[2, 0] = 2, 3, 1
    np.testing.assert_array_equal(histories.matrix(histories.weights).toarray(), expected)
    np.testing.assert_array_equal(of_items(3).matrix(of_items(3).weights).toarray(), np.eye(3))


def test_days_and_their_numbers_go_both_ways():
    """The number of a day is one more than that of the day before; its end is the next one's beginning."""
    assert [day_of(FIRST + number) for number in range(3)] == [day(0), day(1), day(2)]
    assert number_of(end_of(day(0)).date().isoformat()) == FIRST + 1
