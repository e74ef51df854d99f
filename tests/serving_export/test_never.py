"""Whatever the world, no list holds what its rules forbid, and no list is shorter than it could be."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from daybreak.candidates import (
    BM25,
    CO_PURCHASE,
    CO_VIEW,
    CONTENT,
    COOCCURRENCE,
    LIVELY_PEOPLE,
    PEOPLE_PAIRS,
    POPULARITY,
    SEGMENTS,
    TRENDING,
)
from daybreak.datasets import EDGES, EVENTS, ITEMS, LISTS, USERS
from daybreak.features.described import ITEM_TEXT, USER_GRAPH
from daybreak.lake import Lake, Window
from daybreak.learning import CHAMPIONS, EASE_CANDIDATES, GNN_CANDIDATES, PEOPLE_CANDIDATES, TIE_ORDER, TOWER_CANDIDATES
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import put
from tests.serving_export.nights import tie_order
from tests.tiny import Row, day, event

NIGHT = day(3)
SHELVES = """
for_you:
  query: user
  length: 5
  reserve: 2
  sources:
    two_tower: {{quota: 20}}
    cooccurrence: {{quota: 20, evidence: much}}
    content: {{quota: 10, fallback: trending}}
    segment: {{quota: 10, evidence: little}}
    rebuy: {{quota: 3}}
    fresh: {{quota: 5}}
    trending: {{quota: 5}}
    popular: {{quota: 30}}
  rules: {{seen_days: 2, conditions: [{{column: price, at_most: 50}}]}}
  caps: {{category: {category}, variants: {variants}}}
  diversity: {{method: {method}, strength: 0.5}}
  exploration: {{slots: [2], pool: 5}}
  gates: {{min_length: 1}}
similar_items:
  query: item
  length: 4
  sources: {{cooccurrence: {{}}, content: {{evidence: little}}, popular: {{}}}}
  caps: {{variants: 1}}
  gates: {{min_length: 1}}
people_you_may_know:
  query: user
  candidate: user
  length: 4
  sources: {{people: {{}}, pagerank: {{}}, contacts: {{}}, school: {{}}, lively: {{}}, well_known: {{}}}}
  rank: {{by: ties, fusion: 0}}
  caps: {{company: 2}}
  gates: {{min_length: 1}}
"""


class World:
    """A few users and items with everything that rules ask about, drawn by a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.users = [f"u{n}" for n in range(self.draw.randint(3, 9))]
        self.items = [f"i{n}" for n in range(self.draw.randint(4, 14))]
        self.user_rows = [self._user(user) for user in self.users]
        self.item_rows = [self._item(item) for item in self.items]
        self.events = [self._event(number) for number in range(self.draw.randint(0, 60))]
        self.edges = self._edges()

    def _user(self, user: str) -> Row:
        choice = self.draw.choice
        return {
            "user_id": user,
            "updated_ts": f"{day(0)}T00:00:00Z",
            "signup_ts": f"{day(0)}T00:00:00Z",
            "status": choice(["active"] * 5 + ["deactivated"]),
            "country": choice(["FR", "DE", None]),
            "segment": choice(["a", "b", None]),
            "school": choice(["s1", "s2", None]),
            "company": choice(["c1", "c2", None]),
        }

    def _item(self, item: str) -> Row:
        choice = self.draw.choice
        return {
            "item_id": item,
            "updated_ts": f"{day(0)}T00:00:00Z",
            "title": item,
            "status": choice(["active"] * 6 + ["deactivated"]),
            "category": choice(["x", "y", None]),
            "price": choice([10.0, 40.0, 90.0, None]),
            "variant_of": choice([None, None, "p1", self.items[0]]),
            "in_stock": choice([True, None, False]),
            "regions": choice([None, None, "FR", "DE FR"]),
            "launched_ts": choice([None, f"{day(2)}T00:00:00Z", f"{day(5)}T00:00:00Z"]),
            "retired_ts": choice([None, None, f"{day(1)}T00:00:00Z"]),
        }

    def _event(self, number: int) -> Row:
        choice, when = self.draw.choice, day(self.draw.randint(0, 3))
        kind = choice(["impression", "view", "view", "cart", "purchase", "rating", "dismiss"])
        return event(number, when, choice(self.users), choice(self.items), kind)

    def _edges(self) -> list[Row]:
        rows = {}
        for _ in range(self.draw.randint(0, 20)):
            src, dst = self.draw.sample(self.users, 2)
            kind = self.draw.choice(["friend", "follow", "block", "contact", "dismiss"])
            rows[src, dst, kind] = {
                "src_user_id": src,
                "dst_user_id": dst,
                "edge_type": kind,
                "updated_ts": f"{day(1)}T00:00:00Z",
                "status": self.draw.choice(["active"] * 4 + ["deactivated"]),
            }
        return list(rows.values())

    def put(self, lake: Lake) -> None:
        put(lake, USERS, day(0), self.user_rows)
        put(lake, ITEMS, day(0), self.item_rows)
        put(lake, EDGES, day(1), self.edges)
        for number in range(4):
            put(lake, EVENTS, day(number), [each for each in self.events if each["event_ts"].startswith(day(number))])
        scored = [{"item_id": item, "score": self.draw.random(), "events": 1} for item in self.items]
        put(lake, POPULARITY, NIGHT, scored)
        put(lake, TRENDING, NIGHT, scored[::2])
        put(lake, SEGMENTS, NIGHT, [{**row, "segment": "a"} for row in scored[1::2]])
        pairs = [(a, b) for a in self.items for b in self.items if a != b and self.draw.random() < 0.4]
        near = [{"item_id": a, "neighbour_id": b, "score": self.draw.random(), "users": 2} for a, b in pairs]
        put(lake, COOCCURRENCE, NIGHT, near)
        put(lake, CONTENT, NIGHT, [{k: v for k, v in row.items() if k != "users"} for row in near[::2]])
        listed = [
            {"query": "user", "query_id": user, "rank": rank, "item_id": item, "score": 1 / (1 + rank), "version": 1}
            for user in self.users
            for rank, item in enumerate(self.draw.sample(self.items, 4))
        ]
        put(lake, TOWER_CANDIDATES, NIGHT, listed)
        people = [(a, b) for a in self.users for b in self.users if a != b and self.draw.random() < 0.6]
        put(lake, PEOPLE_PAIRS, NIGHT, [self._pair(a, b) for a, b in people])
        whom = [
            {"user_id": a, "rank": n, "candidate_id": b, "score": 1.0, "version": 1} for n, (a, b) in enumerate(people)
        ]
        put(lake, PEOPLE_CANDIDATES, NIGHT, whom)
        counts = dict.fromkeys(("ties", "lately", "these_days", "just_now"), 1.0)
        put(lake, LIVELY_PEOPLE, NIGHT, [{"user_id": user, **counts} for user in self.users])
        put(lake, TIE_ORDER, NIGHT, tie_order(pagerank=1.0, school=self.draw.random()))
        stamps = {"event_ts": f"{NIGHT}T00:00:00Z", "available_ts": f"{NIGHT}T06:00:00Z"}
        put(lake, USER_GRAPH.dataset, NIGHT, [{"user_id": user, **stamps, "pagerank": 1.0} for user in self.users])
        put(lake, ITEM_TEXT.dataset, NIGHT, [self._text(item, stamps) for item in self.items])
        for empty in (BM25, CO_VIEW, CO_PURCHASE, GNN_CANDIDATES, EASE_CANDIDATES, CHAMPIONS):
            put(lake, empty, NIGHT, [])

    def _pair(self, user: str, other: str) -> Row:
        contact = any(
            (row["src_user_id"], row["dst_user_id"], row["edge_type"], row["status"])
            == (user, other, "contact", "active")
            for row in self.edges
        )
        measures = dict.fromkeys(("common", "adamic_adar", "allocation", "walk", "pagerank", "follow_pmi"), 1)
        return {"user_id": user, "candidate_id": other, **measures, "follows": False, "contact": contact}

    def _text(self, item: str, stamps: Row) -> Row:
        return {"item_id": item, **stamps, "text_vector": [self.draw.random() for _ in range(3)], "text_space": "s"}

    # What no list may hold

    def ever(self, user: str, *kinds: str, since: int = 0) -> set[str]:
        return {
            row["item_id"]
            for row in self.events
            if row["user_id"] == user and row["event_type"] in kinds and row["event_ts"] >= day(since)
        }

    def tied(self, *kinds: str) -> set[tuple[str, str]]:
        rows = [row for row in self.edges if row["edge_type"] in kinds and row["status"] == "active"]
        return {(row["src_user_id"], row["dst_user_id"]) for row in rows}

    def shown(self, item: Row) -> bool:
        launched, retired = item["launched_ts"], item["retired_ts"]
        return (
            item["status"] == "active"
            and (launched is None or launched < f"{day(4)}")
            and (retired is None or retired >= f"{day(4)}")
            and item["in_stock"] is not False
        )

    def forbidden_items(self, user: Row) -> set[str]:
        """Less what was bought before and may be proposed again, which the test looks at by its source."""
        name = user["user_id"]
        found = self.ever(name, "dismiss") | self.ever(name, "impression", since=2)
        for item in self.item_rows:
            elsewhere = item["regions"] is not None and user["country"] not in item["regions"].split()
            if not self.shown(item) or elsewhere or (item["price"] or 0) > 50:
                found.add(item["item_id"])
        return found

    def forbidden_people(self, user: str) -> set[str]:
        gone = {row["user_id"] for row in self.user_rows if row["status"] != "active"}
        blocked = self.tied("block")
        apart = {b for a, b in blocked if a == user} | {a for a, b in blocked if b == user}
        friends = self.tied("friend")
        known = {b for a, b in friends | self.tied("follow") | self.tied("dismiss") if a == user}
        return gone | apart | known | {a for a, b in friends if b == user} | {user}

    def variants(self) -> dict[str, str]:
        """The product that each item is a form of; forms of an item that is there are of one group with it."""
        return {row["item_id"]: row["variant_of"] or row["item_id"] for row in self.item_rows}


def lists_of(lake: Lake) -> dict[tuple[str, str], list[Row]]:
    lists: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in sorted(lake.table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist(), key=lambda row: row["rank"]):
        if row["audience"] == "query":
            lists[row["surface"], row["query_id"]].append(row)
    return lists


@pytest.mark.slow
@given(
    seed=st.integers(0, 1 << 30),
    category=st.integers(1, 4),
    variants=st.integers(1, 2),
    method=st.sampled_from(["none", "mmr", "dpp"]),
)
@hypothesis_settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_no_list_holds_what_its_rules_forbid(seed: int, category: int, variants: int, method: str) -> None:
    """Nothing blocked, own, owned, seen, dismissed, gone, out of stock, elsewhere or twice; caps hold; and what could
    still be listed is listed."""
    world = World(seed)
    with TemporaryDirectory() as folder:
        shelves = Path(folder) / "surfaces.yaml"
        shelves.write_text(SHELVES.format(category=category, variants=variants, method=method))
        settings = Settings(home=Path(folder) / "home", surfaces_file=shelves)
        lake = Lake.of(settings)
        world.put(lake)
        digests = []
        for block in (512, 2):
            run_steps(
                [step_named("serving_export.lists")], NIGHT, settings, overrides={"block": block, "at_once": 3 * block}
            )
            digests.append(lake.table(LISTS).digest(NIGHT))
        lists = lists_of(lake)
    assert digests[0] == digests[1]
    check_items(world, lists, category, variants)
    check_similar(world, lists)
    check_people(world, lists)


def check_items(world: World, lists: dict[tuple[str, str], list[Row]], category: int, variants: int) -> None:
    of_item = {row["item_id"]: row for row in world.item_rows}
    for user in world.user_rows:
        rows = lists.get(("for_you", user["user_id"]), [])
        held = [row["candidate_id"] for row in rows]
        if user["status"] != "active":
            assert not rows
            continue
        forbidden, owned = world.forbidden_items(user), world.ever(user["user_id"], "purchase", "rating")
        assert len(held) == len(set(held)) <= 7
        assert not forbidden & set(held)
        assert all("rebuy" in row["sources"].split("+") for row in rows if row["candidate_id"] in owned)
        kinds = Counter(of_item[item]["category"] for item in held if of_item[item]["category"])
        assert max(kinds.values(), default=0) <= category
        forms = Counter(world.variants()[item] for item in held)
        assert max(forms.values(), default=0) <= variants
        if len(held) < 7:
            left = [item for item in world.items if item not in forbidden | owned | set(held)]
            assert not [
                item
                for item in left
                if kinds[of_item[item]["category"]] < category and forms[world.variants()[item]] < variants
            ], "a candidate within all rules and caps was left out of a short list"


def check_similar(world: World, lists: dict[tuple[str, str], list[Row]]) -> None:
    of_item = {row["item_id"]: row for row in world.item_rows}
    for item in world.items:
        held = [row["candidate_id"] for row in lists.get(("similar_items", item), [])]
        assert item not in held
        assert len(held) == len(set(held)) <= 4
        assert all(world.shown(of_item[other]) for other in held)
        assert max(Counter(world.variants()[other] for other in held).values(), default=0) <= 1


def check_people(world: World, lists: dict[tuple[str, str], list[Row]]) -> None:
    company = {row["user_id"]: row["company"] for row in world.user_rows}
    contacts = world.tied("contact")
    for user in world.users:
        rows = lists.get(("people_you_may_know", user), [])
        held = [row["candidate_id"] for row in rows]
        assert len(held) == len(set(held)) <= 4
        assert not world.forbidden_people(user) & set(held)
        assert max(Counter(company[each] for each in held if company[each]).values(), default=0) <= 2
        told = {row["candidate_id"] for row in rows if "contacts" in row["sources"].split("+")}
        assert told <= {b for a, b in contacts if a == user}
