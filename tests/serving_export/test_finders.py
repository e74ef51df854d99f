"""Each way of finding gives the lists that a plain reading of it gives, less what the rules bar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_export.sources.finders import Everyone, Groups, Listed, Neighbours, ties_of
from serving_export.sources.found import Finder
from tests.serving_export.blocks import (
    ASKED,
    ITEM,
    ITEMS,
    NO_RULES,
    PAIR,
    QUERIES,
    QUERY,
    QUOTA,
    RULES,
    WEIGHT,
    Rules,
    best_first,
    block_of,
    fractions,
    in_blocks,
    lists_of,
    numbers,
    pairs_of,
)

THINGS, GROUPS = 5, 3
Scores = dict[int, dict[int, float]]


def expected(scores: Scores, asked: frozenset[int], rules: Rules, quota: int) -> dict[int, list[int]]:
    """The best of each query that is asked for, among those that the rules allow."""
    open_ = {q: {c: score for c, score in scores.get(q, {}).items() if rules.allow(q, c)} for q in sorted(asked)}
    return {query: best_first(mine, quota) for query, mine in open_.items() if mine}


def listed(rows: dict[tuple[int, int], int], order: list[tuple[int, int]]) -> Listed:
    return Listed(numbers(q for q, _ in order), numbers(c for _, c in order), fractions(rows[row] for row in order))


def everyone(scores: dict[int, int]) -> Everyone:
    return Everyone(numbers(scores), fractions(scores.values()))


def groups(group_of: tuple[int, ...], rows: dict[tuple[int, int], int]) -> Groups:
    keys = list(rows)
    return Groups(numbers(group_of), numbers(g for g, _ in keys), numbers(c for _, c in keys), fractions(rows.values()))


def neighbours(
    held: dict[tuple[int, int], int], near: dict[tuple[int, int], int], things: int, *, named: bool = True
) -> Neighbours:
    keys = list(near)
    ties = ties_of(numbers(t for t, _ in keys), numbers(c for _, c in keys), fractions(near.values()), (things, ITEMS))
    return Neighbours(pairs_of(held), ties, named=named)


ROWS = st.dictionaries(PAIR, WEIGHT, max_size=40)
OF_ALL = st.dictionaries(ITEM, WEIGHT)
GROUP_OF = st.tuples(*[st.integers(-1, GROUPS - 1)] * QUERIES)
OF_GROUPS = st.dictionaries(st.tuples(st.integers(0, GROUPS - 1), ITEM), WEIGHT, max_size=30)
THING = st.integers(0, THINGS - 1)
HELD = st.dictionaries(st.tuples(QUERY, THING), WEIGHT, max_size=15)
NEAR = st.dictionaries(st.tuples(THING, ITEM), WEIGHT, max_size=30)


@given(rows=ROWS, shuffled=st.randoms(use_true_random=False), asked=ASKED, rules=RULES, quota=QUOTA)
def test_what_is_listed_for_a_query_comes_best_first_less_what_is_barred(rows, shuffled, asked, rules, quota):
    """In whatever order the rows came: by falling score, ties by number, no more than the quota, for nobody else."""
    order = list(rows)
    shuffled.shuffle(order)
    found = listed(rows, order).find(block_of(asked, rules), quota)
    scores: Scores = {}
    for (query, candidate), score in rows.items():
        scores.setdefault(query, {})[candidate] = score
    assert lists_of(found) == expected(scores, asked, rules, quota)
    assert found.scores.tolist() == [rows[q, c] for q, c in zip(found.queries, found.candidates, strict=True)]


@given(scores=OF_ALL, asked=ASKED, rules=RULES, quota=QUOTA)
def test_everyone_gets_the_same_order_less_what_is_barred(scores, asked, rules, quota):
    """Each query has the first `quota` that are not barred for it, however many are barred before them."""
    found = everyone(scores).find(block_of(asked, rules), quota)
    assert lists_of(found) == expected(dict.fromkeys(asked, scores), asked, rules, quota)


@given(group_of=GROUP_OF, rows=OF_GROUPS, asked=ASKED, rules=RULES, quota=QUOTA)
def test_a_group_shares_an_order_and_who_is_in_none_gets_nothing(group_of, rows, asked, rules, quota):
    """Queries of one group are proposed the group's candidates and no others."""
    of_groups: Scores = {}
    for (group, candidate), score in rows.items():
        of_groups.setdefault(group, {})[candidate] = score
    scores = {query: of_groups.get(group_of[query], {}) for query in asked if group_of[query] >= 0}
    found = groups(group_of, rows).find(block_of(asked, rules), quota)
    assert lists_of(found) == expected(scores, asked, rules, quota)


@given(held=HELD, near=NEAR, asked=ASKED, rules=RULES, quota=QUOTA, named=st.booleans())
def test_what_is_near_what_a_query_holds_is_summed_by_weight(held, near, asked, rules, quota, named):
    """A score is the sum over held things of weight times tie; the strongest tie is named, ties by number."""
    finder = neighbours(held, near, THINGS, named=named)
    found = finder.find(block_of(asked, rules), quota)
    shares: dict[tuple[int, int], dict[int, float]] = {}
    for (query, thing), weight in held.items():
        for (left, right), tie in near.items():
            if left == thing:
                shares.setdefault((query, right), {})[thing] = weight * tie
    scores: Scores = {}
    for (query, candidate), mine in shares.items():
        scores.setdefault(query, {})[candidate] = sum(mine.values())
    assert lists_of(found) == expected(scores, asked, rules, quota)
    rows = list(zip(found.queries.tolist(), found.candidates.tolist(), strict=True))
    assert found.scores.tolist() == [scores[query][candidate] for query, candidate in rows]
    led_by = finder.led_by(found.queries, found.candidates)
    assert led_by.tolist() == [best_first(shares[row], 1)[0] if named else -1 for row in rows]


@given(
    rows=ROWS,
    scores=OF_ALL,
    group_of=GROUP_OF,
    of_groups=OF_GROUPS,
    held=HELD,
    near=NEAR,
    asked=ASKED,
    rules=RULES,
    quota=QUOTA,
    size=st.integers(1, QUERIES),
)
def test_a_block_of_any_size_finds_the_same(rows, scores, group_of, of_groups, held, near, asked, rules, quota, size):
    """Queries found for one at a time, in twos or all at once: candidates and scores are equal."""
    finders: list[Finder] = [
        listed(rows, list(rows)),
        everyone(scores),
        groups(group_of, of_groups),
        neighbours(held, near, THINGS),
    ]
    for finder in finders:
        assert in_blocks(finder, asked, rules, size, quota) == in_blocks(finder, asked, rules, QUERIES, quota)


def test_what_led_to_a_candidate_is_the_strongest_of_many_ties():
    """By weight times tie, neither alone: among things that are held much and tied little, and the other way round."""
    draw = np.random.default_rng(9)
    held = {(q, t): float(draw.random()) for q in range(QUERIES) for t in range(THINGS)}
    near = {(t, c): float(draw.random()) for t in range(THINGS) for c in range(ITEMS)}
    queries, candidates = np.divmod(np.arange(QUERIES * ITEMS), ITEMS)
    strongest = [
        max(range(THINGS), key=lambda thing: held[query, thing] * near[thing, candidate])
        for query, candidate in zip(queries.tolist(), candidates.tolist(), strict=True)
    ]
    assert neighbours(held, near, THINGS).led_by(queries, candidates).tolist() == strongest
    shuffled = draw.permutation(len(queries))
    found = neighbours(held, near, THINGS).led_by(queries[shuffled], candidates[shuffled])
    assert found.tolist() == [strongest[at] for at in shuffled]


def test_fractions_add_up_alike_whatever_block_they_are_in():
    """Sums of fractions that no machine adds exactly are equal to the last bit in blocks of any size."""
    draw = np.random.default_rng(5)
    held = {(q, t): float(draw.random()) for q in range(QUERIES) for t in range(THINGS)}
    near = {(t, c): float(draw.random()) for t in range(THINGS) for c in range(ITEMS)}
    finder = neighbours(held, near, THINGS)
    whole = in_blocks(finder, range(QUERIES), NO_RULES, QUERIES, ITEMS)
    assert len(whole) == QUERIES * ITEMS
    assert all(in_blocks(finder, range(QUERIES), NO_RULES, size, ITEMS) == whole for size in (1, 2, 4, 5))


def test_a_long_list_is_searched_to_its_end_for_whom_much_is_barred():
    """One query may see only the last of all, another the first: both get their quota, the one that can."""
    barred = frozenset((0, item) for item in range(ITEMS - 2))
    rules = Rules(frozenset(), {"owned": barred}, (-1,) * QUERIES, {})
    found = everyone({item: ITEMS - item for item in range(ITEMS)}).find(block_of({0, 1}, rules), 3)
    assert lists_of(found) == {0: [ITEMS - 2, ITEMS - 1], 1: [0, 1, 2]}


NOTHING_KNOWN: dict[str, Callable[[], Finder]] = {
    "listed": lambda: listed({}, []),
    "everyone": lambda: everyone({}),
    "groups": lambda: groups((0,) * QUERIES, {}),
    "no ties": lambda: neighbours({(0, 0): 1}, {}, THINGS),
    "no history": lambda: neighbours({}, {(0, 0): 1}, THINGS),
}


@pytest.mark.parametrize("kind", NOTHING_KNOWN)
def test_a_source_that_knows_nothing_proposes_nothing(kind):
    """Empty tables give empty answers and no error, and so do no queries."""
    found = NOTHING_KNOWN[kind]().find(block_of(range(QUERIES), NO_RULES), 3)
    assert lists_of(found) == {}
    assert lists_of(everyone({1: 1}).find(block_of((), NO_RULES), 3)) == {}


@given(rules=RULES)
def test_a_rulebook_bars_and_explains_alike(rules):
    """What may not be shown is exactly what some rule is named for, as a plain reading of the rules says."""
    barred = rules.book.of(numbers(range(QUERIES)))
    for query in range(QUERIES):
        allowed = barred.allows(np.full(ITEMS, query), np.arange(ITEMS))
        for item in range(ITEMS):
            reasons = rules.book.reasons(query, item)
            assert len(reasons) == len(set(reasons))
            assert set(reasons) == rules.reasons(query, item)
            assert bool(allowed[item]) is not bool(reasons)


@given(rules=RULES)
def test_a_rule_that_does_not_stand_bars_nothing_and_leaves_the_others(rules):
    """As for a source that may propose what is owned: only that rule is lifted."""
    others = {name: pairs for name, pairs in rules.apart.items() if name != "owned"}
    lifted = Rules(rules.hidden, others, rules.countries, rules.kept_to)
    barred = rules.book.of(numbers(range(QUERIES))).without("owned")
    queries, items = np.divmod(np.arange(QUERIES * ITEMS), ITEMS)
    expected_flags = [lifted.allow(int(q), int(c)) for q, c in zip(queries, items, strict=True)]
    assert barred.allows(queries, items).tolist() == expected_flags
