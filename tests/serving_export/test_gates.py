"""Each gate lets a good night pass and stops the night it is there for."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from daybreak.datasets import GATES, ITEMS, LISTS, OVERRIDES, USERS
from daybreak.embeddings import EMBEDDING_RUNS, EMBEDDINGS
from daybreak.errors import GateError
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from daybreak.surfaces import load_surfaces
from serving_export.gates.step import judge
from serving_export.gates.verdicts import Verdict
from tests.lake import io_of, put
from tests.serving_export.good_nights import (
    EARLIER,
    FORMS,
    GERMAN,
    ITEMS_OF,
    LEFT,
    NIGHT,
    RETIRED,
    SOLD_OUT,
    SURFACES,
    USERS_OF,
    WORLD,
    put_good_nights,
    put_towers,
    segment,
)
from tests.serving_export.homes import copied, home_in, opened_night
from tests.tiny import Row, day

USER, OLD = "u1-5", [user for user in USERS_OF if segment(user) == "old"]
OWNED = "i1-1"
Change = Callable[[list[Row]], list[Row]]


def popular() -> str:
    """The item that most happened with on the newest day."""
    counts = Counter(row["item_id"] for row in WORLD.events(3))
    return min(counts, key=lambda item: (-counts[item], item))


def of(*queries: str, ranks: range = range(100)) -> Callable[[Row], bool]:
    """Which rows are of these queries, at these places."""
    return lambda row: row["query_id"] in queries and row["rank"] in ranks


def drop(which: Callable[[Row], bool]) -> Change:
    return lambda rows: [row for row in rows if not which(row)]


def change(which: Callable[[Row], bool], **values) -> Change:
    """Other values where the rows are such; a function is given the old value."""

    def changed(row: Row) -> Row:
        return {**row, **{name: new(row[name]) if callable(new) else new for name, new in values.items()}}

    return lambda rows: [changed(row) if which(row) else row for row in rows]


def place(query: str, rank: int, candidate: str) -> Change:
    """Puts a candidate at a place of a list."""
    return change(of(query, ranks=range(rank, rank + 1)), candidate_id=candidate)


def places(query: str, *candidates: str) -> Change:
    """Puts candidates at the first places of a list."""

    def changed(rows: list[Row]) -> list[Row]:
        for rank, candidate in enumerate(candidates):
            rows = place(query, rank, candidate)(rows)
        return rows

    return changed


def more(query: str, **values) -> Change:
    """One row more, like the first of the query."""
    return lambda rows: [*rows, {**next(row for row in rows if row["query_id"] == query), **values}]


def moved(item: str) -> str:
    """The item of the same number in the next group."""
    return WORLD.item((int(item[1]) + 1) % WORLD.groups, int(item.split("-")[1]))


def by_towers(row: Row) -> bool:
    return row["audience"] == "query" and "two_tower" in row["sources"].split("+")


def own(row: Row) -> bool:
    return row["audience"] == "query"


CORRUPTIONS: dict[str, tuple[str, Change]] = {
    "many too short": ("for_you coverage", drop(of(*USERS_OF[:8], ranks=range(7, 99)))),
    "too short in a segment": ("for_you coverage of old", drop(of(*OLD[:2], ranks=range(7, 99)))),
    "only what waits behind is long": ("for_you coverage", change(of(*USERS_OF[:8]), rank=lambda rank: rank + 4)),
    "one lost": ("for_you empty", drop(of(USER))),
    "one lost in a segment": ("for_you empty of old", drop(of(OLD[0]))),
    "no fallback": ("for_you fallback length", drop(of("", ranks=range(3, 99)))),
    "no fallback of a segment": ("for_you segment fallback length", drop(of("old", ranks=range(3, 99)))),
    "the same for all": ("for_you catalogue", change(own, candidate_id=lambda item: f"i1-{int(item[-1]) % 9}")),
    "popular alone": ("for_you popular", change(of(*USERS_OF, ranks=range(4)), candidate_id=popular())),
    "all moved": ("for_you churn", change(own, candidate_id=moved)),
    "a segment moved": ("for_you churn of old", change(of(*OLD), candidate_id=moved)),
    "one category alone": ("for_you mix shift", change(own, candidate_id=lambda item: f"i0-{item.split('-')[1]}")),
    "other scores": ("for_you score shift", change(own, score=lambda score: score * 2)),
    "shuffled ids": ("for_you exact", change(by_towers, candidate_id=moved)),
    "what nobody wants": ("for_you hits on the newest day", change(own, candidate_id=moved)),
    "bought": ("for_you owned", place(USER, 0, OWNED)),
    "a phantom for everyone": ("for_you unknown candidates", place("", 0, "phantom")),
    "beside other vectors": ("similar_items exact", change(by_towers, candidate_id=moved)),
    "items that are lost": ("similar_items empty of c1", drop(of("i1-2"))),
    "other people": ("people mix shift", change(own, candidate_id=lambda user: OLD[int(user[-1]) % len(OLD)])),
}
BROKEN: dict[str, list[tuple[str, str, str | None, Change]]] = {
    "for_you": [
        ("duplicates", "u1-11", "i1-2", places("u1-11", "i1-2", "i1-2")),
        ("duplicates", "", "i1-2", places("", "i1-2", "i1-2")),
        ("duplicates", "young", "i1-2", places("young", "i1-2", "i1-2", "i1-2")),
        ("order", "u0-4", None, drop(of("u0-4", ranks=range(3, 4)))),
        ("order", "u0-5", None, change(of("u0-5", ranks=range(3, 4)), rank=4)),
        ("order", "u0-9", None, drop(of("u0-9", ranks=range(1)))),
        ("scores", "u0-7", None, change(of("u0-7", ranks=range(1)), score=math.nan)),
        ("scores", "old", None, change(of("old", ranks=range(1)), score=math.inf)),
        ("unknown queries", "nobody", "i1-2", more(USER, query_id="nobody", candidate_id="i1-2")),
        ("unknown queries", LEFT, "i1-2", more(USER, query_id=LEFT, candidate_id="i1-2")),
        ("unknown candidates", "u0-8", "phantom", place("u0-8", 0, "phantom")),
        ("unknown candidates", "", "phantom", place("", 4, "phantom")),
        ("too long", "u0-6", "i1-2", more("u0-6", rank=14, candidate_id="i1-2")),
        ("owned", "u1-5", "i1-4", place("u1-5", 0, "i1-4")),
        ("owned", "u1-6", "i1-9", place("u1-6", 13, "i1-9")),
        ("dismissed", "u1-7", "i2-7", place("u1-7", 0, "i2-7")),
        ("inactive", "u1-8", RETIRED, place("u1-8", 0, RETIRED)),
        ("inactive", "", RETIRED, place("", 6, RETIRED)),
        ("out_of_stock", "u1-9", SOLD_OUT, place("u1-9", 0, SOLD_OUT)),
        ("out_of_stock", "old", SOLD_OUT, place("old", 1, SOLD_OUT)),
        ("regions", "u1-10", GERMAN, place("u1-10", 0, GERMAN)),
        ("regions", "u2-5", GERMAN, place("u2-5", 0, GERMAN)),
        ("regions", "", GERMAN, place("", 8, GERMAN)),
        ("cap variants", "u0-3", FORMS[0], places("u0-3", *FORMS)),
        ("cap variants", "old", FORMS[0], places("old", "i0-1", SOLD_OUT, *FORMS)),
    ],
    "lately": [
        ("seen", "u1-5", "i1-8", place("u1-5", 7, "i1-8")),
        ("seen", "u1-6", "i1-8", place("u1-6", 7, "i1-8")),
        ("condition price", "u1-7", "i2-10", place("u1-7", 0, "i2-10")),
        ("condition price", "", "i2-10", place("", 0, "i2-10")),
        ("condition brand", "u1-8", "i2-3", place("u1-8", 0, "i2-3")),
        ("cap category", "u1-9", "i0-0", places("u1-9", *(f"i0-{number}" for number in (0, 1, 2, 4, 5)))),
    ],
    "similar_items": [
        ("own", "i1-2", "i1-2", place("i1-2", 0, "i1-2")),
        ("inactive", "i1-3", RETIRED, place("i1-3", 0, RETIRED)),
        ("unknown queries", RETIRED, "i0-1", more("i1-4", query_id=RETIRED, candidate_id="i0-1")),
    ],
    "people": [
        ("own", "u1-5", "u1-5", place("u1-5", 0, "u1-5")),
        ("tied", "u1-6", "u1-7", place("u1-6", 0, "u1-7")),
        ("tied", "u1-7", "u1-6", place("u1-7", 0, "u1-6")),
        ("tied", "u1-8", "u1-11", place("u1-8", 0, "u1-11")),
        ("blocked", "u0-0", "u1-0", place("u0-0", 0, "u1-0")),
        ("blocked", "u1-0", "u0-0", place("u1-0", 0, "u0-0")),
        ("dismissed", "u0-1", "u1-1", place("u0-1", 0, "u1-1")),
        ("inactive", "u0-2", LEFT, place("u0-2", 0, LEFT)),
        ("inactive", "", LEFT, place("", 0, LEFT)),
        ("condition company", "u0-3", USERS_OF[-1], place("u0-3", 0, USERS_OF[-1])),
        ("unknown candidates", "u0-4", "i1-2", place("u0-4", 0, "i1-2")),
    ],
}
"""What no list may hold: the gate, the list that is corrupted, and the candidate that is told of it."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of two good nights, not to be changed."""
    settings = home_in(tmp_path_factory.mktemp("good"), SURFACES)
    put_good_nights(settings)
    return settings


@pytest.fixture(scope="module")
def night(good: Settings) -> list[Row]:
    """The lists of the good night."""
    return Lake.of(good).table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist()


@pytest.fixture
def home(good: Settings, tmp_path: Path) -> Settings:
    """A copy of the home, to be changed."""
    return copied(good, tmp_path)


def only(home: Settings, surface: str, **changes: dict) -> None:
    """Leaves one surface in the file, with some of its fields changed."""
    block = yaml.safe_load(SURFACES)[surface]
    for name, values in changes.items():
        block[name] = {**block.get(name, {}), **values}
    home.surfaces.write_text(yaml.safe_dump({surface: block}))


def put_lists(home: Settings, rows: list[Row], surface: str, corrupt: Change = lambda rows: rows) -> None:
    put(Lake.of(home), LISTS, NIGHT, corrupt([row for row in rows if row["surface"] == surface]))


def judge_night(home: Settings, ds: str = NIGHT) -> None:
    run_steps([step_named("serving_export.gates")], ds, home)


def judged(home: Settings, ds: str = NIGHT) -> list[Row]:
    return Lake.of(home).table(GATES).read(Window(ds, ds)).to_pylist()


def named(row: Row) -> str:
    return f"{row['surface']} {row['gate']}" + (f" of {row['segment']}" if row["segment"] else "")


def verdicts(home: Settings, surface: str) -> dict[str, Verdict]:
    """What all gates say of a surface, by gate and segment."""
    with opened_night(home, NIGHT, "serving_export.gates") as night:
        found = judge(surface, load_surfaces(home.surfaces)[surface], night, io_of("serving_export.gates", home, NIGHT))
    return {each.gate + (f" of {each.segment}" if each.segment else ""): each for each in found}


def test_every_gate_lets_a_good_night_pass(home):
    """All gates of all surfaces hold, each has a corruption below, and those that nobody may override are told."""
    judge_night(home)
    rows = judged(home)
    assert all(row["passed"] for row in rows)
    absolute = {gate for broken in BROKEN.values() for gate, *_ in broken}
    stopped = {gate.split(" ", 1)[1].partition(" of ")[0] for gate, _ in CORRUPTIONS.values()}
    assert {row["gate"] for row in rows} == stopped | absolute
    assert {row["gate"] for row in rows if row["absolute"]} == absolute
    assert all(row["detail"] == "" for row in rows if row["gate"] != "mix shift")


SENTENCES = {
    "too short in a segment": r"is 0\.666667 and must be >= 0\.8, the night before 1 \(u0-0, u0-1\)",
    "many too short": r"is 0\.777778 and must be >= 0\.8, the night before 1 \(u0-0, u0-1, u0-2\)",
    "one lost": rf"is 0\.0277778 and must be <= 0\.02 \({USER}\)",
    "no fallback": "is 3 and must be >= 8",
    "no fallback of a segment": r"is 3 and must be >= 8 \(old\)",
    "bought": rf"is 1 and must be <= 0 \({USER} → {OWNED}\)",
    "a phantom for everyone": r"is 1 and must be <= 0 \(fallback → phantom\)",
    "what nobody wants": r"is \d+ and must be >= 21\.6, the night before 36",
    "shuffled ids": r"is 0\.\d+ and must be >= 0\.9 \(u\S+ → i\S+, u\S+ → i\S+, u\S+ → i\S+\)",
    "one category alone": r"is 0\.\d+ and must be <= 0\.2 \(c0 \+0\.\d+, c\d -0\.\d+, c\d -0\.\d+\)",
}
"""What is said of some: the value, the bound, the night before where there is one to compare with, and examples."""


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_gate_stops_the_night_it_is_there_for(home, night, corruption):
    """The corrupted lists fail their gate by name, in a sentence that tells by how much, and the verdict is written."""
    gate, corrupt = CORRUPTIONS[corruption]
    surface = gate.split()[0]
    only(home, surface)
    put_lists(home, night, surface, corrupt)
    with pytest.raises(GateError) as caught:
        judge_night(home)
    told, failed = str(caught.value), caught.value.summary["failed"]
    rows = {named(row): row for row in judged(home)}
    assert "\n" not in told
    assert told.startswith(f"{failed} of {len(rows)} list gates failed on {NIGHT}: ")
    sentence = SENTENCES.get(corruption, r"is \S+ and must be [<>]= [^;]+")
    assert re.search(rf"(: |; ){gate} {sentence}(;|\. What was live stays live)", told), told
    assert [row["passed"] for row in rows.values()].count(False) == failed
    assert rows[gate]["passed"] is False


@pytest.mark.parametrize("surface", BROKEN)
def test_every_entry_that_breaks_a_rule_is_found_and_no_other(home, night, surface):
    """Many lists of a night are wrong, each in one way: every gate counts its own and tells examples of them."""
    only(home, surface)

    def corrupt(rows: list[Row]) -> list[Row]:
        for *_, corruption in BROKEN[surface]:
            rows = corruption(rows)
        return rows

    put_lists(home, night, surface, corrupt)
    expected: dict[str, list[tuple[str, str | None]]] = {}
    for gate, query, candidate, _ in BROKEN[surface]:
        expected.setdefault(gate, []).append((query, candidate))
    absolute = {gate: found for gate, found in verdicts(home, surface).items() if found.absolute}
    assert {gate: found.value for gate, found in absolute.items() if not found.passed} == {
        gate: len(broken) for gate, broken in expected.items()
    }
    for gate, broken in expected.items():
        told = [example.split(" → ") for example in absolute[gate].detail.split(", ")]
        wanted = sorted(broken, key=lambda pair: pair[0])[:3]
        assert [query for query, _ in told] == [query or "fallback" for query, _ in wanted]
        assert all(candidate in (None, of) for (_, candidate), (_, of) in zip(wanted, told, strict=True))


@pytest.mark.parametrize("corruption", ["bought", "one lost"])
def test_what_failed_a_gate_is_not_published(home, night, corruption):
    """Whether or not somebody could let it pass: nothing is built."""
    gate, corrupt = CORRUPTIONS[corruption]
    only(home, "for_you")
    put_lists(home, night, "for_you", corrupt)
    with pytest.raises(GateError):
        judge_night(home)
    with pytest.raises(GateError, match=f"failed their gates: .*{gate}.*; nothing was built"):
        run_steps([step_named("serving_export.publish")], NIGHT, home)
    assert not (Path(home.releases) / "lists").exists()


def test_no_more_examples_are_told_than_a_person_reads(home, night):
    """Of many that break a rule the number is told, and three of them."""
    only(home, "for_you")
    put_lists(home, night, "for_you", change(of(*USERS_OF, ranks=range(1)), candidate_id=RETIRED))
    found = verdicts(home, "for_you")["inactive"]
    assert (found.value, found.detail) == (36.0, ", ".join(f"u0-{number} → {RETIRED}" for number in (0, 1, 10)))


def test_a_candidate_that_stands_in_two_lists_is_no_repeat(home, night):
    """Only within a list, and beside a segment of the same name as a user, is each candidate there once."""
    only(home, "for_you")
    rows = [row for row in night if row["surface"] == "for_you"]
    twins = [{**row, "audience": "segment"} for row in rows if row["query_id"] == USER and row["audience"] == "query"]
    put(Lake.of(home), LISTS, NIGHT, [*rows, *twins])
    found = verdicts(home, "for_you")
    assert [found[gate].value for gate in ("duplicates", "order")] == [0.0, 0.0]


def test_a_deactivation_after_the_lists_were_made_is_noticed(home, night):
    """The gates read users and items anew: a list for a user deactivated since is one that must not be there."""
    gone = {"user_id": USER, "updated_ts": f"{NIGHT}T01:00:00Z", "status": "deactivated"}
    put(Lake.of(home), USERS, NIGHT, [gone])
    with pytest.raises(GateError, match=f"for_you unknown queries is 14 and must be <= 0 .{USER} →"):
        judge_night(home)


def test_bounds_are_those_of_the_surface(home, night):
    """The share that may be missing is exactly the one declared."""
    missing = 1 / len(USERS_OF)
    put_lists(home, night, "for_you", drop(of(USER)))
    for max_empty, holds in ((missing, True), (missing - 1e-9, False)):
        only(home, "for_you", gates={"max_empty": max_empty})
        assert verdicts(home, "for_you")["empty"].passed is holds


def test_a_segment_is_judged_by_itself_where_it_is_large_enough(home, night):
    """Six old users make no segment of seven."""
    put_lists(home, night, "for_you")
    for size, told in ((6, True), (7, False)):
        only(home, "for_you", gates={"segment_size": size})
        found = verdicts(home, "for_you")
        assert ("coverage of old" in found, "empty of old" in found, "churn of old" in found) == (told,) * 3
        assert "coverage of young" in found


def test_a_first_night_is_compared_with_nothing(home):
    """Where no earlier lists are, gates that need them are left out and the others are judged."""
    judge_night(home, EARLIER)
    rows = judged(home, EARLIER)
    compared = {"churn", "mix shift", "score shift", "hits on the newest day"}
    assert not compared & {row["gate"] for row in rows}
    assert {row["before"] for row in rows} == {None}
    assert {"coverage", "exact", "owned"} <= {row["gate"] for row in rows}


def test_a_new_model_may_move_more(home, night):
    """Another version of the towers: churn has its own bound, and scores are not compared with those of the old."""
    only(home, "for_you")
    put_lists(home, night, "for_you", change(of(*USERS_OF[:22]), candidate_id=moved))
    same = verdicts(home, "for_you")
    put_towers(Lake.of(home), NIGHT, version=4)
    new = verdicts(home, "for_you")
    assert 0.5 < same["churn"].value == new["churn"].value < 0.95
    assert [(found["churn"].bound, found["churn"].passed) for found in (same, new)] == [
        ("<= 0.5", False),
        ("<= 0.95", True),
    ]
    assert ("score shift" in same, "score shift" in new) == (True, False)


def test_a_surface_that_asks_no_model_is_not_excused_by_one(home):
    """Its churn is judged as on any night, whichever version of the towers there is."""
    put_towers(Lake.of(home), NIGHT, version=4)
    assert verdicts(home, "lately")["churn"].bound == "<= 0.7"


def test_vectors_of_other_ids_are_noticed(home, night):
    """Lists that are as good as ever, and vectors that were written under other ids: one of the two is wrong."""
    lake = Lake.of(home)
    rows = lake.table(EMBEDDINGS).read(Window(NIGHT, NIGHT)).to_pylist()
    mixed = [{**row, "entity_id": moved(row["entity_id"])} if row["entity"] == "item" else row for row in rows]
    put(lake, EMBEDDINGS, NIGHT, mixed)
    for surface in ("for_you", "similar_items"):
        assert not verdicts(home, surface)["exact"].passed


def test_without_towers_nothing_is_searched_exactly(home):
    """A night that has no vectors, and a surface that does not ask the towers, have no such gate."""
    assert "exact" not in verdicts(home, "people")
    put(Lake.of(home), EMBEDDING_RUNS, NIGHT, [])
    assert "exact" not in verdicts(home, "for_you")


def test_what_rules_hide_makes_no_entry_of_the_towers_wrong(home):
    """Where most of what lies nearest is sold out, the towers' entries lie further away, and are right all the same."""
    lake = Lake.of(home)
    sold = {"updated_ts": f"{NIGHT}T01:00:00Z", "title": "x", "status": "active", "in_stock": False}
    put(lake, ITEMS, NIGHT, [{"item_id": item, **sold} for item in ITEMS_OF if item[1] == "1" and item[-1] not in "34"])
    only(home, "for_you")
    run_steps([step_named("serving_export.lists")], NIGHT, home)
    found = verdicts(home, "for_you")["exact"]
    assert found.passed, f"{found.value} of the entries are found, such as not {found.detail}"


def test_hits_are_compared_where_there_were_enough_and_lists_may_repeat(home, night):
    """Not where the night before had few, nor where what was shown is left out, nor beside items or for people."""
    judge_night(home)
    (row,) = [row for row in judged(home) if row["gate"] == "hits on the newest day"]
    assert (row["surface"], row["before"]) == ("for_you", 36.0)
    lake = Lake.of(home)
    before = lake.table(LISTS).read(Window(EARLIER, EARLIER)).to_pylist()
    put(lake, LISTS, EARLIER, [row for row in before if row["query_id"] in USERS_OF[:29]])
    assert "hits on the newest day" not in verdicts(home, "for_you")


def test_every_verdict_of_a_night_has_a_name_of_its_own(home, night):
    """Also where a column is bounded on both sides: no two rows have the same surface, segment and gate."""
    bounds = [{"column": "price", "at_most": 10.5}, {"column": "price", "at_least": 0.5}]
    only(home, "lately", rules={"conditions": bounds})
    put_lists(home, night, "lately")
    judge_night(home)
    keys = Counter((row["surface"], row["segment"], row["gate"]) for row in judged(home))
    assert set(keys.values()) == {1}


@pytest.mark.parametrize("surface", ["lately", "people"])
def test_a_condition_on_the_id_itself_is_judged_like_any_other(home, night, surface):
    """A few candidates may be kept out by name: a list that holds one is stopped, others pass."""
    column, shown = ("item_id", "i2-8") if surface == "lately" else ("user_id", "u2-8")
    only(home, surface, rules={"conditions": [{"column": column, "none_of": ["nothing"]}]})
    put_lists(home, night, surface)
    judge_night(home)
    only(home, surface, rules={"conditions": [{"column": column, "none_of": [shown]}]})
    with pytest.raises(GateError, match=rf"{surface} condition {column} is \d+ and must be <= 0"):
        judge_night(home)


def test_a_night_with_nobody_to_list_for_is_refused_in_words(home):
    """Everybody left on the day: the night stops with a sentence that names the gate."""
    moment = f"{NIGHT}T01:00:00Z"
    gone = [{"user_id": user, "updated_ts": moment, "status": "deactivated"} for user in USERS_OF]
    put(Lake.of(home), USERS, NIGHT, gone)
    only(home, "for_you")
    run_steps([step_named("serving_export.lists")], NIGHT, home)
    with pytest.raises(GateError, match=r"for_you coverage is 0 and must be >= 0\.8"):
        judge_night(home)


def test_a_gap_of_nights_is_bridged(home, night):
    """After a night without lists, the newest before it is what tonight is compared with."""
    lake = Lake.of(home)
    later = day(5)
    put(lake, LISTS, later, [{**row, "ds": later, "made": later} for row in night if row["surface"] == "people"])
    only(home, "people")
    judge_night(home, later)
    assert {row["gate"]: row["value"] for row in judged(home, later) if not row["segment"]}["churn"] == 0.0


def test_a_gate_is_let_pass_in_all_segments(home, night):
    """Who lets a gate pass need not name them; another gate of the same lists still stops the night."""
    only(home, "for_you")
    put_lists(home, night, "for_you", drop(of(OLD[0])))
    with pytest.raises(GateError, match=r"2 of .*for_you empty is .*for_you empty of old is"):
        judge_night(home)
    why = {"surface": "for_you", "gate": "empty", "reason": "known", "lists_digest": judged(home)[0]["lists_digest"]}
    put(Lake.of(home), OVERRIDES, NIGHT, [why])
    judge_night(home)
    put_lists(home, night, "for_you", lambda rows: places(USER, OWNED)(drop(of(OLD[0]))(rows)))
    with pytest.raises(GateError, match="for_you owned is"):
        judge_night(home)
