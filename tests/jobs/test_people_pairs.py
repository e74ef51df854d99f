"""People nearby: every measure and every rule against plain loops over small graphs, and what nobody may learn."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from daybreak.candidates import PEOPLE_PAIRS
from daybreak.datasets import EDGES, USERS
from daybreak.lake import Lake, Window
from daybreak.lake.schemas import full_schema
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.sorted_keys import in_order
from daybreak.steps import step_named
from jobs import near_people
from jobs.near_people import MEASURES, ranges
from jobs.people_graph import PeopleGraph
from jobs.people_pairs import PairsListing, PeoplePairsConfig
from jobs.tie_arrays import KINDS, deactivated, ties_known
from tests.lake import put_days
from tests.tiny import Row, day

NIGHTS = 3
NOW = day(NIGHTS)
EVERYBODY = 1_000
"""So many are more than any small graph has."""
ALL = {"per_measure": EVERYBODY, "most_reached": EVERYBODY}
Pair = tuple[str, str]


class Tie(NamedTuple):
    """One telling of a tie: by which night, and the hour since the first night began from which it holds."""

    src: str
    dst: str
    kind: str
    night: int = 0
    hour: int = 12
    ended: bool = False

    @property
    def row(self) -> Row:
        moment = f"{day(self.hour // 24)}T{self.hour % 24:02d}:00:00+00:00"
        return {"src_user_id": self.src, "dst_user_id": self.dst, "edge_type": self.kind, "updated_ts": moment,
                "status": "deactivated" if self.ended else "active"}  # fmt: skip


def user_row(user: str, status: str, hour: int = 0) -> Row:
    return {"user_id": user, "updated_ts": f"{day(0)}T{hour:02d}:00:00+00:00", "status": status}


def edges_of(ties: Iterable[Tie]) -> pa.Table:
    rows = [{**tie.row, "updated_ts": datetime.fromisoformat(tie.row["updated_ts"]), "ds": day(tie.night)}
            for tie in ties]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=full_schema(EDGES))


def listing_of(ties: Iterable[Tie], gone: Iterable[str] = (), **options) -> PairsListing:
    known = ties_known(edges_of(ties), pa.array(list(gone), pa.string()))
    reach = PeoplePairsConfig(ds=NOW, **options).reach
    return PairsListing(PeopleGraph.of(known, reach), known.ids, reach)


def table_of(ties: Iterable[Tie], gone: Iterable[str] = (), work: int = 5_000_000, **options) -> pa.Table:
    """What is written of these ties."""
    listing = listing_of(ties, gone, **options)
    batches = [listing.listed(*block) for block in listing.blocks(work)]
    return pa.Table.from_batches(batches, batches[0].schema) if batches else pa.table({})


def pairs_of(ties: Iterable[Tie], gone: Iterable[str] = (), **options) -> dict[Pair, Row]:
    return by_pair(table_of(ties, gone, **options))


def by_pair(table: pa.Table) -> dict[Pair, Row]:
    rows = {(row.pop("user_id"), row.pop("candidate_id")): row for row in table.to_pylist()}
    assert len(rows) == table.num_rows, "a pair is told twice"
    assert list(rows) == sorted(rows), "pairs are not in order"
    return rows


class Oracle:
    """The same by plain loops over sets."""

    def __init__(self, ties: Iterable[Tie], gone: Iterable[str] = (), most_ties: int = 500,
                 half_life_days: float = 30.0, restart: float = 0.3, steps: int = 5, **_) -> None:  # fmt: skip
        self.most, self.half_life, self.restart, self.steps = most_ties, half_life_days, restart, steps
        told: dict[tuple[str, str, str], list[tuple]] = defaultdict(list)
        for tie in ties:
            if tie.src != tie.dst and not {tie.src, tie.dst} & set(gone):
                told[tie.src, tie.dst, tie.kind].append((tie.hour, tie.night, not tie.ended))
        held = {key: min(rows)[0] for key, rows in told.items() if max(rows)[2]}
        of_kind = {kind: {(a, b): hour for (a, b, k), hour in held.items() if k == kind} for kind in KINDS}
        self.blocked = {pair for a, b in of_kind["block"] for pair in ((a, b), (b, a))}
        free = {kind: {pair: hour for pair, hour in pairs.items() if pair not in self.blocked}
                for kind, pairs in of_kind.items()}  # fmt: skip
        self.dismissed, self.contacts = set(of_kind["dismiss"]), set(free["contact"])
        self.users = sorted({user for tie in ties for user in (tie.src, tie.dst)} - set(gone))
        self.friends: dict[str, dict[str, int]] = defaultdict(dict)
        self.follows: dict[str, dict[str, int]] = defaultdict(dict)
        self.followers: dict[str, dict[str, int]] = defaultdict(dict)
        for (a, b), hour in free["friend"].items():
            self.friends[a][b] = self.friends[b][a] = min(hour, self.friends[a].get(b, hour))
        for (a, b), hour in free["follow"].items():
            self.follows[a][b] = self.followers[b][a] = hour

    def newest(self, of: dict[str, int], most: int | None = None) -> list[str]:
        return sorted(of, key=lambda other: (-of[other], other))[: self.most if most is None else most]

    def may_see(self, user: str, other: str) -> bool:
        tied = {*self.friends[user], *self.follows[user], user}
        return other not in tied and (user, other) not in self.blocked | self.dismissed

    def shares(self, user: str) -> dict[str, float]:
        """How likely each other is the next step of a walk."""
        hours: dict[str, list[int]] = defaultdict(list)
        for ties in (self.friends[user], self.follows[user], self.followers[user]):
            for other, hour in ties.items():
                hours[other].append(hour)
        end = 24 * (NIGHTS + 1)
        weights = {other: sum(0.5 ** ((end - hour) / 24 / self.half_life) for hour in hours[other])
                   for other in self.newest({other: max(told) for other, told in hours.items()})}  # fmt: skip
        return {other: weight / sum(weights.values()) for other, weight in weights.items()}

    def walked(self, at: dict[str, float]) -> dict[str, float]:
        onward: dict[str, float] = defaultdict(float)
        for place, weight in at.items():
            for other, share in self.shares(place).items():
                onward[other] += weight * share
        return onward

    def measures(self, user: str) -> dict[str, dict[str, float]]:
        """Each measure of everybody whom the user may see."""
        found: dict[str, dict[str, float]] = {name: defaultdict(float) for name in MEASURES}
        for friend in self.newest(self.friends[user]):
            known = len(self.friends[friend])
            for other in self.newest(self.friends[friend]):
                found["common"][other] += 1
                found["adamic_adar"][other] += 1 / math.log(max(known, 2))
                found["allocation"][other] += 1 / known
        found["walk"] = self.walked(self.walked({user: 1.0}))
        at = {user: 1.0}
        for _ in range(self.steps):
            at = {other: (1 - self.restart) * weight for other, weight in self.walked(at).items()}
            at[user] = at.get(user, 0) + self.restart
        found["pagerank"] = at
        both = Counter(other for one in self.newest(self.follows[user]) for other in self.newest(self.followers[one]))
        anybody = sum(bool(follows) for follows in self.follows.values())
        for other, count in both.items():
            chance = len(self.follows[user]) * len(self.follows[other]) / anybody
            found["follow_pmi"][other] = max(0, math.log(count / chance)) * count / (count + 2)
        return {name: {other: value for other, value in values.items() if round(value, 9) and self.may_see(user, other)}
                for name, values in found.items()}  # fmt: skip

    def besides(self, user: str, most: int) -> set[str]:
        """Who is shown whatever they measure: the newest who follow the user, and the user's contacts."""
        follow = {other: hour for other, hour in self.followers[user].items() if self.may_see(user, other)}
        contacts = {other for one, other in self.contacts if one == user and self.may_see(user, other)}
        return {*self.newest(follow, most), *contacts}

    def rows(self, user: str) -> dict[Pair, Row]:
        """All that there is to tell of a user."""
        found = self.measures(user)
        others = {other for values in found.values() for other in values} | self.besides(user, EVERYBODY)
        return {
            (user, other): {
                **{name: values.get(other, 0.0) for name, values in found.items()},
                "follows": other in self.follows and user in self.follows[other],
                "contact": (user, other) in self.contacts,
            }
            for other in others
        }

    def everything(self) -> dict[Pair, Row]:
        return {pair: row for user in self.users for pair, row in self.rows(user).items()}


def assert_told(found: dict[Pair, Row], expected: dict[Pair, Row]) -> None:
    """The same pairs, and the same of each but for what rounding leaves."""
    assert found.keys() == expected.keys()
    for pair, row in expected.items():
        assert found[pair] == pytest.approx(row, abs=2e-9), pair
        assert all(round(found[pair][name], 9) == found[pair][name] for name in MEASURES)


@st.composite
def graphs(draw: st.DrawFn, users: int = 9) -> tuple[list[Tie], set[str]]:
    """Ties of all kinds among a few users, told by several nights, some late, again, or as ended; and who is gone."""
    user = st.sampled_from([f"u{number}" for number in range(draw(st.integers(2, users)))])
    mixed = (*KINDS, "friend", "friend", "friend", "follow", "follow")
    kind = st.sampled_from(draw(st.sampled_from([mixed, mixed, ("follow",), ("friend", "follow", "follow", "follow")])))
    told = st.tuples(user, user, kind, st.integers(0, NIGHTS), st.integers(0, 2 * NIGHTS + 1), st.integers(0, 5))
    most = draw(st.sampled_from([3, 12, 40, 80]))
    ties = draw(st.lists(told, min_size=min(most // 4, 8), max_size=most, unique_by=lambda row: row[:4]))
    gone = draw(st.sets(user, max_size=2)) if draw(st.booleans()) else set()
    return [Tie(*row[:4], min(12 * row[4], 24 * row[3] + 12), row[5] == 0) for row in ties], gone


def reaches() -> st.SearchStrategy[dict]:
    """Also caps that bite."""
    return st.fixed_dictionaries({
        "most_ties": st.sampled_from([1, 2, 3, EVERYBODY]), "half_life_days": st.sampled_from([1.0, 2.5, 30.0]),
        "restart": st.sampled_from([0.15, 0.3]), "steps": st.integers(1, 5),
    })  # fmt: skip


# What is told


def test_measures_that_follow_by_hand():
    """Two friends in common, of two and of three friends; and of five who follow anybody, two who follow the same."""
    friends = [("a", "b"), ("b", "c"), ("a", "d"), ("d", "c"), ("d", "e")]
    rows = pairs_of([Tie(*pair, "friend") for pair in friends])
    assert {other for user, other in rows if user == "a"} == {"c", "e"}
    told = rows["a", "c"]
    assert (told["common"], rows["a", "e"]["common"]) == (2, 1)
    assert told["adamic_adar"] == pytest.approx(1 / math.log(2) + 1 / math.log(3), abs=1e-9)
    assert told["allocation"] == pytest.approx(1 / 2 + 1 / 3, abs=1e-9)
    assert told["walk"] == pytest.approx(1 / 2 * 1 / 2 + 1 / 2 * 1 / 3, abs=1e-9)
    two = pairs_of([Tie(*pair, "friend") for pair in friends], steps=2)["a", "c"]["pagerank"]
    assert two == pytest.approx(0.7**2 * told["walk"], abs=1e-9)
    follows = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z"), ("x", "y"), ("y", "z"), ("z", "a")]
    rows = pairs_of([Tie(*pair, "follow") for pair in follows])
    assert rows["a", "b"]["follow_pmi"] == pytest.approx(math.log(5 / (2 * 2)) / 3, abs=1e-9)
    assert [rows["x", other]["follows"] for other in ("a", "b")] == [True, True]
    assert not rows["a", "b"]["follows"]


def test_only_the_newest_follows_are_walked_over():
    """What is common to older ones goes unseen; each side is held to its cap."""
    ties = [Tie("a", "x", "follow", 0, 1), Tie("b", "x", "follow", 0, 5), Tie("a", "y", "follow", 0, 3)]
    ties += [Tie("c", "d", "follow"), Tie("d", "c", "follow")]
    assert pairs_of(ties, most_ties=2)["a", "b"]["follow_pmi"] > 0
    assert pairs_of(ties, most_ties=2)["b", "a"]["follow_pmi"] > 0
    assert not any(row["follow_pmi"] for row in pairs_of(ties, most_ties=1).values())


@given(graphs(), reaches())
def test_all_measures_and_rules_equal_those_of_plain_loops(drawn, options):
    """Of every pair, with caps that hold ties back and without: who is named, each measure, who follows, contacts."""
    assert_told(pairs_of(*drawn, **options, **ALL), Oracle(*drawn, **options).everything())


@given(graphs(), reaches(), st.integers(1, 4))
def test_the_best_by_each_measure_are_kept_and_the_lower_id_goes_first(drawn, options, most):
    """Beside them who follows, newest first, and all contacts; of whoever is kept, everything is told."""
    everything, oracle = pairs_of(*drawn, **options, **ALL), Oracle(*drawn, **options)
    kept = set()
    for user in oracle.users:
        rows = {other: row for (one, other), row in everything.items() if one == user}
        for name in MEASURES:
            ranked = sorted((other for other in rows if rows[other][name]), key=lambda o: (-rows[o][name], o))
            kept.update((user, other) for other in ranked[:most])
        kept.update((user, other) for other in oracle.besides(user, most))
    found = pairs_of(*drawn, **options, per_measure=most, most_reached=EVERYBODY)
    assert found == {pair: everything[pair] for pair in sorted(kept)}


@given(graphs(), reaches(), st.integers(1, 5_000), st.integers(1, 60))
def test_blocks_of_any_size_give_the_same_rows(drawn, options, work, at_once):
    """However much is looked at together, to the last bit, also where walks are kept to a few."""
    options = {**options, "per_measure": 2, "most_reached": 3}
    whole = table_of(*drawn, **options)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(near_people, "STEPS_AT_ONCE", at_once)
        assert table_of(*drawn, **options, work=work).equals(whole)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 20))
def test_ranges_cover_everything_once_and_only_single_users_cost_more(work, most):
    """Each is as long as it may be."""
    found = list(ranges(np.array(work, np.int64), most))
    assert [place for start, stop in found for place in range(start, stop)] == list(range(len(work)))
    for start, stop in found:
        assert sum(work[start:stop]) <= most or stop == start + 1
        assert stop == len(work) or sum(work[start : stop + 1]) > most


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.sampled_from([0, 1 << 40, 1 << 62]))
def test_equal_numbers_stay_in_order_however_large_they_are(numbers, step):
    """Also where a number and its place do not fit into one."""
    keys = np.array([number + step * (number > 2) for number in numbers], np.int64)
    ordered, order = in_order(keys)
    expected = sorted(range(len(numbers)), key=lambda place: keys[place])
    assert order.tolist() == expected
    assert ordered.tolist() == keys[expected].tolist()


def clusters(users: int = 240, size: int = 24, ties: int = 1_400) -> list[Tie]:
    """Friends and follows, most of them within clusters, of many ages."""
    random, found = Random(7), {}
    for _ in range(ties):
        src = random.randrange(users)
        near = src // size * size + random.randrange(size)
        dst = near if random.random() < 0.7 else random.randrange(users)
        kind = random.choice(["friend", "friend", "follow"])
        found[src, dst, kind] = Tie(f"u{src:03}", f"u{dst:03}", kind, NIGHTS, random.randrange(24 * NIGHTS))
    return list(found.values())


def test_walks_kept_to_the_strongest_tell_too_little_and_find_the_same_people():
    """Never more than the exact walk on a dense matrix, and the ten best so found are nearly as good as the ten best;
    where no more are reached than are kept, the two are equal."""
    ties = clusters()
    oracle = Oracle(ties, half_life_days=2.0)
    place = {user: number for number, user in enumerate(oracle.users)}
    onward = np.zeros((len(place), len(place)))
    for user in oracle.users:
        for other, share in oracle.shares(user).items():
            onward[place[user], place[other]] = share
    exact = start = np.eye(len(place))
    for _ in range(5):
        exact = 0.3 * start + 0.7 * exact @ onward
    options = {"per_measure": 10, "half_life_days": 2.0}
    for most, least in ((EVERYBODY, 1.0), (60, 0.99)):
        found, best = 0.0, 0.0
        rows = pairs_of(ties, **options, most_reached=most)
        for user in oracle.users:
            mine = sorted(((row["pagerank"], other) for (one, other), row in rows.items() if one == user), reverse=True)
            true = [exact[place[user], place[other]] for _, other in mine]
            assert all(told <= value + 1e-9 for (told, _), value in zip(mine, true, strict=True))
            if most == EVERYBODY:
                assert [told for told, _ in mine] == pytest.approx(true, abs=1e-9)
            found += sum(true[:10])
            allowed = [exact[place[user], place[other]] for other in oracle.users if oracle.may_see(user, other)]
            best += sum(sorted(allowed, reverse=True)[:10])
        assert found >= least * best - 1e-6


@pytest.mark.parametrize("most", [31, 12])
def test_ties_of_a_user_take_nobodys_place_among_the_strongest(most):
    """Who has as many ties as are kept is shown as many others all the same; on the way the user takes one place."""
    ties = [Tie("a", f"b{number}", "friend") for number in range(30)]
    ties += [Tie(f"b{number}", f"c{number}", "friend") for number in range(30)]
    rows = pairs_of(ties, most_reached=most)
    assert sum(row["pagerank"] > 0 for (user, _), row in rows.items() if user == "a") == most - 1


# What nobody may learn


@given(graphs(), st.data(), st.integers(1, 3))
def test_a_contact_is_told_to_who_uploaded_it_and_changes_nothing_else(drawn, data, most):
    """One more contact: every other pair stays as it was, and so do the measures of that pair where it was told."""
    ties, gone = drawn
    src, dst = (data.draw(st.sampled_from([f"u{number}" for number in range(11)])) for _ in range(2))
    others = [tie for tie in ties if (tie.src, tie.dst, tie.kind) != (src, dst, "contact")]
    before = pairs_of(others, gone, per_measure=most)
    after = pairs_of([*others, Tie(src, dst, "contact")], gone, per_measure=most)
    if (src, dst) in after:
        assert after[src, dst].pop("contact")
    if (src, dst) in before:
        assert not before[src, dst].pop("contact")
        assert before.pop((src, dst)) == after.pop((src, dst))
    after.pop((src, dst), None)
    assert after == before


def test_a_contact_without_any_tie_has_a_row_with_no_measure():
    """It is all that the user has; the other side sees nothing, and a contact who is tied already is no candidate."""
    rows = pairs_of([Tie("a", "b", "contact"), Tie("a", "c", "contact"), Tie("c", "a", "friend")])
    assert rows == {("a", "b"): {**dict.fromkeys(MEASURES, 0), "follows": False, "contact": True}}


@given(graphs(), st.data())
def test_a_block_removes_both_from_each_others_rows(drawn, data):
    """Whoever blocked whom, and as if the two had never been tied."""
    ties, gone = drawn
    one, other = (data.draw(st.sampled_from([f"u{number}" for number in range(9)])) for _ in range(2))
    if one == other:
        return
    apart = [tie for tie in ties if {tie.src, tie.dst} != {one, other}]
    blocked = pairs_of([*ties, Tie(one, other, "block", NIGHTS, 24 * NIGHTS + 23)], gone, **ALL)
    assert {(one, other), (other, one)}.isdisjoint(blocked)
    expected = pairs_of(apart, gone, **ALL)
    for pair in ((one, other), (other, one)):
        expected.pop(pair, None)
    assert blocked == expected


@given(graphs(), st.data())
def test_a_dismissal_removes_one_from_the_others_rows_and_nothing_else(drawn, data):
    """The one dismissed may still see the other, and all measures stay."""
    ties, gone = drawn
    src, dst = (data.draw(st.sampled_from([f"u{number}" for number in range(9)])) for _ in range(2))
    others = [tie for tie in ties if (tie.src, tie.dst, tie.kind) != (src, dst, "dismiss")]
    expected = pairs_of(others, gone, **ALL)
    expected.pop((src, dst), None)
    assert pairs_of([*others, Tie(src, dst, "dismiss")], gone, **ALL) == expected


@given(graphs())
def test_who_is_deactivated_appears_nowhere(drawn):
    """The rows are those of a graph in which such users never were."""
    ties, gone = drawn
    rest = [tie for tie in ties if not {tie.src, tie.dst} & gone]
    rows = pairs_of(ties, gone, **ALL)
    assert rows == pairs_of(rest, **ALL)
    assert not gone & {user for pair in rows for user in pair}


# Hubs


def test_a_hub_costs_no_more_than_its_newest_ties():
    """Of a hub of 5,000 ties fifty are walked over: the work of every user is bounded, and the rows are those of plain
    loops over the capped ties. The hub itself, tied to everybody, has nobody left to be shown."""
    random, users = Random(3), 5_000
    ties = [Tie("hub", f"u{number:04}", "friend", 0, random.randrange(24)) for number in range(users)]
    ties += [Tie(f"u{number:04}", "hub", "follow", 0, random.randrange(24)) for number in range(0, users, 2)]
    ties += [Tie(f"u{number:04}", f"u{random.randrange(users):04}", "friend", 1, 30) for number in range(0, users, 5)]
    most = 50
    listing = listing_of(ties, most_ties=most, **ALL)
    assert listing.graph.work.max() <= 3 * most**2 + EVERYBODY + users
    assert listing.graph.friends.counts_of(np.arange(users)).max() == most
    oracle = Oracle(ties, most_ties=most)
    for user in ("hub", *(f"u{random.randrange(users):04}" for _ in range(8))):
        number = oracle.users.index(user)
        found = by_pair(pa.Table.from_batches([listing.listed(number, number + 1)]))
        assert_told(found, oracle.rows(user))
        assert bool(found) == (user != "hub")


# Nights of the lake


def build(settings: Settings, ds: str = NOW, **options) -> dict:
    return run_steps([step_named("jobs.people_pairs")], ds, settings, overrides=options)[0].summary


def land_ties(lake: Lake, ties: Iterable[Tie], users: Iterable[Row] = ()) -> None:
    """Each tie with the night that told it, the users with the first."""
    by_night = {day(night): [tie.row for tie in ties if tie.night == night] for night in range(NIGHTS + 1)}
    put_days(lake, EDGES, by_night)
    put_days(lake, USERS, {day(0): users})


def written(settings: Settings, ds: str = NOW) -> pa.Table:
    table = Lake.of(settings).table(PEOPLE_PAIRS).read(Window(ds, ds)).drop_columns("ds")
    return table.sort_by([("user_id", "ascending"), ("candidate_id", "ascending")])


def files_of(settings: Settings) -> list[bytes]:
    table = Lake.of(settings).table(PEOPLE_PAIRS)
    folder, _ = table.local_paths(table.files(Window(NOW, NOW)))
    return [Path(folder, file.path).read_bytes() for file in table.files(Window(NOW, NOW))]


def night_ties() -> list[Tie]:
    """Ties of all kinds among forty users, told on four nights."""
    random, found = Random(11), {}
    for _ in range(420):
        src, dst = f"u{random.randrange(40):02}", f"u{random.randrange(40):02}"
        kind, night = random.choice((*KINDS, "friend", "friend", "follow")), random.randrange(NIGHTS + 1)
        tie = Tie(src, dst, kind, night, random.randrange(24 * (night + 1)), random.random() < 0.2)
        found[tie[:4]] = tie
    return list(found.values())


USER_ROWS = [user_row("u01", "deactivated"), user_row("u02", "active"), user_row("nobody", "active")]


def test_a_night_writes_what_plain_loops_find_in_its_tables(settings, lake):
    """The newest telling of a tie decides, not the one delivered last; what later nights tell is not known yet."""
    ties = night_ties()
    land_ties(lake, ties, USER_ROWS)
    for night in range(NIGHTS + 1):
        known = [tie for tie in ties if tie.night <= night]
        summary = build(settings, day(night), **ALL)
        expected = Oracle(known, {"u01"}).everything()
        assert_told(by_pair(written(settings, day(night))), expected)
        assert summary["rows"] == len(expected) > 100
        assert summary["blocks"] == 1


def test_the_same_night_gives_the_same_bytes(settings, lake):
    """A second run replaces the files with equal ones."""
    land_ties(lake, night_ties(), USER_ROWS)
    build(settings, per_measure=3)
    before = files_of(settings)
    build(settings, per_measure=3)
    assert files_of(settings) == before
    assert len(before) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("ship", [False, True])
def test_sparks_workers_write_what_one_process_writes(settings, lake, ship):
    """A task for each block, with the graph mapped where it lies or brought to the workers."""
    land_ties(lake, night_ties(), USER_ROWS)
    options = {"per_measure": 3, "most_reached": 8, "block_work": 1_200}
    here = build(settings, **options)
    digest, rows = lake.table(PEOPLE_PAIRS).digest(NOW), written(settings)
    there = build(settings, **options, engine="spark", ship=ship)
    assert there == here
    assert here["blocks"] > 2
    assert lake.table(PEOPLE_PAIRS).digest(NOW) == digest
    assert written(settings).equals(rows)


@pytest.mark.parametrize("ties", [[], [Tie("a", "b", "friend", 0), Tie("a", "b", "friend", 1, 30, ended=True)]])
def test_a_night_without_ties_writes_an_empty_table_and_says_so(settings, lake, ties):
    """Before anything was told, and after every tie has ended."""
    if ties:
        land_ties(lake, ties)
    assert build(settings) == {"graph": "no ties between active users yet", "rows": 0}
    assert lake.table(PEOPLE_PAIRS).was_written(NOW)
    assert written(settings).num_rows == 0


def test_a_graph_without_some_kinds_of_ties_is_saved_and_opened_whole(tmp_path):
    """Files of nothing can be mapped too, and what is opened lists what was saved."""
    for number, kind in enumerate(("contact", "follow", "friend")):
        listing = listing_of([Tie("a", "b", kind), Tie("b", "c", kind), Tie("d", "c", kind)])
        folder = tmp_path / str(number)
        folder.mkdir()
        listing.graph.save(folder)
        opened = PairsListing(PeopleGraph.opened(folder), listing.ids, listing.reach)
        assert opened.listed(0, 4).equals(listing.listed(0, 4))
        assert listing.listed(0, 4).num_rows


def test_states_of_users_that_are_not_active_are_the_newest_ones(settings, lake):
    """Who came back is there again, who left is not."""
    ties = [Tie("a", "b", "friend"), Tie("b", "c", "friend")]
    put_days(lake, EDGES, {day(0): [tie.row for tie in ties]})
    put_days(lake, USERS, {day(0): [user_row("a", "deactivated"), user_row("c", "active")],
                           day(1): [user_row("a", "active", hour=1), user_row("c", "deactivated", hour=1)],
                           day(2): [user_row("c", "active", hour=2)]})  # fmt: skip
    found = []
    for night in range(3):
        build(settings, day(night))
        found.append(set(by_pair(written(settings, day(night)))))
    assert found == [set(), set(), {("a", "c"), ("c", "a")}]


def test_the_states_are_read_from_the_newest_row_of_each_user():
    """A user without a row is active."""
    states = pa.table({"user_id": ["a", "b"], "status": ["active", "deactivated"]})
    assert deactivated(states).to_pylist() == ["b"]


def test_half_lives_make_new_ties_count_for_more():
    """Of two ties a day apart, at a half-life of a day, the newer is taken twice as often."""
    ties = [Tie("a", "old", "friend", 0, 0), Tie("a", "new", "friend", 1, 24), Tie("b", "a", "friend", 1, 24)]
    rows = pairs_of(ties, half_life_days=1.0)
    assert [rows["b", other]["walk"] for other in ("old", "new")] == pytest.approx([0.2, 0.4], abs=1e-9)


@trials(max_examples=20)
@given(graphs())
def test_the_order_of_tellings_does_not_matter(drawn):
    """The same rows shuffled give the same bytes."""
    ties, gone = drawn
    assert table_of(reversed(ties), gone).equals(table_of(ties, gone))
