"""What a night knows of users and items, and of what ties them."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from hypothesis import Phase, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from daybreak.clock import days_between
from daybreak.datasets import EDGE_TYPES, EDGES, EVENT_TYPES, EVENTS, ITEMS, USERS
from daybreak.interest import WEIGHTS
from daybreak.lake import Lake
from daybreak.sources import Entity
from serving_export.names import Names, Pairs
from serving_export.night import MUTUAL, TYING, Night, Range
from tests.lake import put, put_days
from tests.serving_export.homes import home_in, opened_night
from tests.serving_export.nights import NIGHT
from tests.tiny import Row, day, event

Triples = dict[tuple[str, str], float]
EVERYBODY = Range(0, 1_000)
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
"""An example writes tables: what fails is told as it was found."""


def active(settings, entity: Entity, ds: str = NIGHT) -> set[str]:
    with opened_night(settings, ds) as night:
        return set(night.names[entity].of(night.active(entity)).to_pylist())


def told(pairs: Pairs, queries: Names, others: Names) -> Triples:
    """Pairs by id, with their weights; they must come in order, each once."""
    keys = list(zip(pairs.queries.tolist(), pairs.others.tolist(), strict=True))
    assert keys == sorted(set(keys))
    ids = zip(queries.of(pairs.queries).to_pylist(), others.of(pairs.others).to_pylist(), strict=True)
    return dict(zip(ids, pairs.weights.tolist(), strict=True))


def user(name: str, moment: str, status: str = "active", **more) -> Row:
    return {"user_id": name, "updated_ts": moment, "status": status, **more}


def item(name: str, **more) -> Row:
    return {"item_id": name, "updated_ts": f"{day(0)}T00:00:00+00:00", "title": name, "status": "active", **more}


def test_the_newest_state_of_a_user_wins(settings, lake):
    """Whoever was deactivated later is out, whoever came back is in, however the rows are spread over deliveries."""
    put(lake, USERS, day(0), [user("gone", f"{day(0)}T01:00:00Z"), user("back", f"{day(0)}T01:00:00Z", "deactivated")])
    put(lake, USERS, day(2), [user("gone", f"{day(2)}T01:00:00Z", "deactivated"), user("back", f"{day(2)}T01:00:00Z")])
    put(lake, USERS, day(3), [user("back", f"{day(1)}T01:00:00Z", "deactivated")])
    assert active(settings, Entity.USER) == {"back"}
    assert active(settings, Entity.USER, day(1)) == {"gone"}


def test_only_items_that_may_be_shown_that_day_are_active(settings, lake):
    """Deactivated, retired and not yet launched items are out; on another night the same item may be in."""
    put(
        lake,
        ITEMS,
        day(0),
        [
            item("plain"),
            item("off", status="deactivated"),
            item("retired", retired_ts=f"{day(2)}T10:00:00Z"),
            item("coming", launched_ts=f"{day(4)}T00:00:00Z"),
            item("launched", launched_ts=f"{day(3)}T23:59:59Z"),
        ],
    )
    assert active(settings, Entity.ITEM) == {"plain", "launched"}
    assert active(settings, Entity.ITEM, day(1)) == {"plain", "retired"}
    assert active(settings, Entity.ITEM, day(4)) == {"plain", "launched", "coming"}


def test_who_is_known_by_events_alone_has_lists_but_no_item_beside_a_catalogue(settings, lake):
    """A user that no delivery names is active all the same; an item that a catalogue does not name is not."""
    put(lake, EVENTS, day(0), [event(1, day(0), "u1", "i1"), event(2, day(0), "u2", "i2", "purchase")])
    assert active(settings, Entity.USER) == {"u1", "u2"}
    assert active(settings, Entity.ITEM) == {"i1", "i2"}
    put(lake, USERS, day(0), [user("u2", f"{day(0)}T00:00:00Z", "deactivated")])
    put(lake, ITEMS, day(0), [item("i1")])
    assert active(settings, Entity.USER) == {"u1"}
    assert active(settings, Entity.ITEM) == {"i1"}


def test_being_shown_something_makes_nobody_known(settings, lake):
    """Impressions and dismissals say nothing of interest: alone they number neither user nor item."""
    put(lake, EVENTS, day(0), [event(1, day(0), "u1", "i1", "impression"), event(2, day(0), "u2", "i2", "dismiss")])
    assert active(settings, Entity.USER) == active(settings, Entity.ITEM) == set()


def test_states_stand_at_the_numbers_of_their_names(settings, lake):
    """Names are in order, and what is told of each stands at its number; nothing where nothing is told."""
    put(lake, USERS, day(0), [user("u3", f"{day(0)}T00:00:00Z", country="DE"), user("u1", f"{day(0)}T00:00:00Z")])
    put(lake, EVENTS, day(0), [event(1, day(0), "u2", "i1")])
    with opened_night(settings, NIGHT) as night:
        assert night.users.ids.to_pylist() == ["u1", "u2", "u3"]
        assert night.states[Entity.USER]["user_id"].to_pylist() == ["u1", None, "u3"]
        assert night.states[Entity.USER]["country"].to_pylist() == [None, None, "DE"]
        assert night.users.numbers(night.users.ids).tolist() == [0, 1, 2]
        assert [night.users.number(name) for name in ("u3", "nobody")] == [2, -1]


def test_what_is_owned_lasts_and_what_is_wanted_fades(settings, lake):
    """Purchases are met for ever; interest counts within the history only, halved every 14 days."""
    put(lake, EVENTS, day(0), [event(1, day(0), "u1", "old", "purchase"), event(2, day(0), "u1", "seen", "impression")])
    put(lake, EVENTS, day(14), [event(3, day(14), "u1", "rated", "rating"), event(4, day(14), "u1", "old")])
    put(lake, EVENTS, day(28), [event(5, day(28), "u1", "old"), event(6, day(28), "u1", "old", "cart")])
    with opened_night(settings, day(28)) as night:
        names = (night.users, night.items)
        assert set(told(night.met(("purchase", "rating"), EVERYBODY), *names)) == {("u1", "old"), ("u1", "rated")}
        for days, old, rated in ((15, 1 + 3 + 0.5, 1.5), (29, 1 + 3 + 0.5 + 5 / 4, 1.5)):
            wanted = told(night.wanted(days, EVERYBODY), *names)
            assert list(wanted) == [("u1", "old"), ("u1", "rated")]
            np.testing.assert_allclose(list(wanted.values()), [old, rated])
        assert set(told(night.wanted(14, EVERYBODY), *names)) == {("u1", "old")}


def test_a_night_sees_nothing_of_later_days(settings, lake):
    """Rows of later days, and rows that landed later, are not there for an earlier night."""
    put(lake, EVENTS, day(0), [event(1, day(0), "u1", "i1")])
    put(lake, EVENTS, day(2), [event(2, day(1), "u2", "late"), event(3, day(2), "u3", "next")])
    for ds, known in ((day(1), ["i1"]), (day(2), ["i1", "late", "next"])):
        with opened_night(settings, ds) as night:
            assert night.items.ids.to_pylist() == known


def test_an_empty_world_is_known_to_be_empty(settings):
    """Nothing landed gives no users, no items and no ties, and no error."""
    with opened_night(settings, NIGHT) as night:
        assert [len(night.users), len(night.items)] == [0, 0]
        assert [len(night.active(entity)) for entity in Entity] == [0, 0]
        ties = [night.wanted(30, EVERYBODY), night.met(("purchase",), EVERYBODY), night.tied("friend", mutual=MUTUAL)]
        assert [len(pairs.queries) for pairs in ties] == [0, 0, 0]
        assert night.bought(EVERYBODY).num_rows == night.bought_again().num_rows == 0
        assert [len(found) for found in (night.wanted_by(30), *night.shown(28))] == [0, 0, 0]


DAYS, LAST = 20, 15
USER_IDS, ITEM_IDS = ("u1", "u2", "u3"), ("a", "b", "c")
HAPPENING = st.tuples(
    st.integers(0, DAYS - 1),
    st.integers(0, 3),
    st.integers(0, 86_399),
    st.sampled_from(USER_IDS),
    st.sampled_from(ITEM_IDS),
    st.sampled_from(EVENT_TYPES),
)


def put_happenings(lake: Lake, happenings: list[tuple]) -> None:
    """Events in the day they happened on, each delivered so many days later."""
    nights: dict[str, list[Row]] = {ds: [] for ds in days_between(day(0), day(DAYS + 3))}
    for number, (at, late, second, user_id, item_id, kind) in enumerate(happenings):
        moment = datetime.fromisoformat(f"{day(at)}T00:00:00+00:00") + timedelta(seconds=second)
        row = event(number, day(at), user_id, item_id, kind)
        nights[day(at + late)].append({**row, "event_ts": moment.isoformat()})
    put_days(lake, EVENTS, nights)


def landed(happenings: list[tuple]) -> list[tuple[str, str, str, int]]:
    """User, item, kind and age in days of what the night of day LAST can know."""
    there = [row for row in happenings if row[0] + row[1] <= LAST]
    return [(user_id, item_id, kind, LAST - at) for at, _, _, user_id, item_id, kind in there]


def seen(happenings: list[tuple]) -> list[tuple[str, str, str, int]]:
    """The same of those whom it knows."""
    known = landed(happenings)
    users = {user_id for user_id, _, kind, _ in known if kind in WEIGHTS}
    items = {item_id for _, item_id, kind, _ in known if kind in WEIGHTS}
    return [row for row in known if row[0] in users and row[1] in items]


@with_settings(max_examples=15, phases=QUICK)
@given(
    happenings=st.lists(HAPPENING, max_size=60),
    days=st.integers(1, DAYS),
    first=st.integers(0, 2),
    count=st.integers(1, 3),
)
def test_what_ties_users_to_items_is_what_a_plain_count_gives(happenings, days, first, count):
    """Wants, meetings, purchases and showings, of any range of users and any number of days, late rows among them. An
    item was also shown to those whom nothing else makes known."""
    with tempfile.TemporaryDirectory() as folder:
        settings = home_in(Path(folder))
        put_happenings(Lake.of(settings), happenings)
        with opened_night(settings, day(LAST)) as night:
            _same_as_counted(night, seen(happenings), days, Range(first, first + count))
            for counted, kind in zip(night.shown(days), ("impression", "view"), strict=True):
                plain = Counter(row[1] for row in landed(happenings) if row[2] == kind and row[3] < days)
                assert counted.tolist() == [plain[name] for name in night.items.ids.to_pylist()]


def _same_as_counted(night: Night, rows: list[tuple[str, str, str, int]], days: int, among: Range) -> None:
    users, items = night.users, night.items
    mine = [row for row in rows if among.first <= users.number(row[0]) < among.stop]
    wanted: Counter = Counter()
    for user_id, item_id, kind, age in mine:
        if kind in WEIGHTS and age < days:
            wanted[user_id, item_id] += WEIGHTS[kind] * 0.5 ** (age / 14)
    found = told(night.wanted(days, among), users, items)
    assert list(found) == sorted(wanted)
    np.testing.assert_allclose(list(found.values()), [wanted[key] for key in found])

    for kinds, recent in ((("purchase", "rating"), None), (("impression",), days), (("dismiss",), None)):
        met = {row[:2] for row in mine if row[2] in kinds and (recent is None or row[3] < recent)}
        assert set(told(night.met(kinds, among, recent), users, items)) == met

    bought = night.bought(among).to_pylist()
    ids = {(users.ids[row["query"]].as_py(), items.ids[row["other"]].as_py(), row["age"]) for row in bought}
    assert ids == {(row[0], row[1], row[3]) for row in mine if row[2] == "purchase"}
    assert len(ids) == len(bought)

    assert _bought_again(night) == _bought_again_plainly(rows)
    wanting = {(row[1], row[0]) for row in rows if row[2] in WEIGHTS and row[3] < days}
    assert night.wanted_by(days).tolist() == [sum(key[0] == name for key in wanting) for name in items.ids.to_pylist()]


def _bought_again(night: Night) -> dict[str, tuple[int, int, int, int]]:
    rows = night.bought_again().to_pylist()
    found = {night.items.ids[row.pop("number")].as_py(): row for row in rows}
    assert len(found) == len(rows)
    return {name: (row["buyers"], row["repeaters"], row["span"], row["gaps"]) for name, row in found.items()}


def _bought_again_plainly(rows: list[tuple[str, str, str, int]]) -> dict[str, tuple[int, int, int, int]]:
    days: dict[str, dict[str, set[int]]] = {}
    for user_id, item_id, kind, age in rows:
        if kind == "purchase":
            days.setdefault(item_id, {}).setdefault(user_id, set()).add(age)
    return {
        name: (
            len(buyers),
            sum(len(ages) > 1 for ages in buyers.values()),
            sum(max(ages) - min(ages) for ages in buyers.values()),
            sum(len(ages) - 1 for ages in buyers.values()),
        )
        for name, buyers in days.items()
    }


PEOPLE = ("u1", "u2", "u3", "u4")
TIE = st.tuples(
    st.sampled_from(PEOPLE),
    st.sampled_from([*PEOPLE, "stranger"]),
    st.sampled_from(EDGE_TYPES),
    st.sampled_from(["active", "deactivated"]),
)


@with_settings(max_examples=15, phases=QUICK)
@given(changes=st.lists(TIE, max_size=25), kinds=st.sets(st.sampled_from(EDGE_TYPES), min_size=1), both=st.booleans())
def test_who_is_tied_to_whom_is_what_the_newest_states_say(changes, kinds, both):
    """Of each tie the newest state counts, both ways where the kind is mutual; nobody to oneself or to a stranger."""
    moments = [datetime.fromisoformat(f"{day(0)}T00:00:00+00:00") + timedelta(hours=n) for n in range(len(changes))]
    nights: dict[str, list[Row]] = {}
    for (maker, other, kind, status), moment in zip(changes, moments, strict=True):
        row = {"src_user_id": maker, "dst_user_id": other, "edge_type": kind, "status": status, "updated_ts": moment}
        nights.setdefault(moment.date().isoformat(), []).append(row)
    mutual = sorted(kinds)[:1] if both else []
    newest = {change[:3]: change[3] for change in changes}
    expected = set()
    for (maker, other, kind), status in newest.items():
        if status == "active" and kind in kinds and maker != other and other in PEOPLE:
            expected |= {(maker, other)} | ({(other, maker)} if kind in mutual else set())
    with tempfile.TemporaryDirectory() as folder:
        settings = home_in(Path(folder))
        lake = Lake.of(settings)
        put(lake, USERS, day(0), [user(name, f"{day(0)}T00:00:00Z") for name in PEOPLE])
        if nights:
            put_days(lake, EDGES, nights)
        with opened_night(settings, NIGHT) as night:
            found = told(night.tied(*kinds, mutual=mutual), night.users, night.users)
    assert set(found) == expected
    assert set(found.values()) <= {1.0}


def test_a_tie_of_a_later_day_does_not_hold_yet(settings, lake):
    """What a later delivery says of a tie is not known on the night before."""
    put(lake, USERS, day(0), [user(name, f"{day(0)}T00:00:00Z") for name in ("u1", "u2")])
    tie = {"src_user_id": "u1", "dst_user_id": "u2", "edge_type": "friend"}
    put(lake, EDGES, day(2), [{**tie, "updated_ts": f"{day(2)}T05:00:00Z", "status": "active"}])
    put(lake, EDGES, day(3), [{**tie, "updated_ts": f"{day(3)}T05:00:00Z", "status": "deactivated"}])
    for ds, holds in ((day(1), set()), (day(2), {("u1", "u2"), ("u2", "u1")}), (day(3), set())):
        with opened_night(settings, ds) as night:
            assert set(told(night.tied(*TYING, mutual=MUTUAL), night.users, night.users)) == holds
