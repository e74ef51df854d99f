"""Places that are given away by drawing: by the chances that are told, within the rules, and repeatably."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from daybreak.surfaces import Diversity, Exploration
from serving_export.arrays import Ints
from serving_export.rerank.exploration import Explored, Rates, Seeds, explore
from serving_export.rerank.selection import Cap, select
from serving_export.rerank.slate import Slate
from tests.serving_export.slates import listed, slate_of

DAY = ("for_you", "2026-11-20", 7)
POOL = 6
KNOWN_FROM = 1_000
LIST = 4


def words(prefix: str, count: int) -> np.ndarray:
    return np.array([xxhash.xxh3_64_intdigest(f"{prefix}{n}".encode()) for n in range(count)], np.uint64)


def seeds_of(queries: int, candidates: int, night: tuple = DAY) -> Seeds:
    return Seeds(night, words("u", queries), words("i", candidates))


def chosen_by_score(slate: Slate, length: int, caps: Sequence[Cap] = ()) -> Ints:
    return select(slate, length, caps, Diversity(), None)


def alike(users: int, candidates: int) -> Slate:
    """Every user has the same candidates in the same order."""
    line = [(candidate, float(candidates - candidate)) for candidate in range(candidates)]
    return slate_of(dict.fromkeys(range(users), line))


def drawn(
    shows: Sequence[int], clicks: Sequence[int], users: int, slots: tuple[int, ...] = (2,)
) -> tuple[Ints, Explored]:
    """What stands in the first slot of each user's list, where the listed are known and the pool is as given."""
    counts = [np.r_[np.full(LIST, KNOWN_FROM), shows], np.r_[np.full(LIST, KNOWN_FROM // 10), clicks]]
    rates = Rates.of(*(each.astype(np.int64) for each in counts), KNOWN_FROM)
    slate = alike(users, LIST + len(shows))
    settings = Exploration(slots=slots, pool=max(len(shows), 1), shown_below=KNOWN_FROM)
    found = explore(slate, chosen_by_score(slate, LIST), settings, rates, seeds_of(users, LIST + len(shows)), ())
    return slate.candidates[np.arange(users), found.chosen[:, slots[0]]], found


EVIDENCE: dict[str, tuple[list[int], list[int]]] = {
    "nothing known of any": ([0] * POOL, [0] * POOL),
    "little known of some": ([0, 5, 20, 60, 100, 40], [0, 1, 2, 1, 9, 4]),
    "one clicked much": ([50] * POOL, [2, 3, 2, 1, 2, 9]),
    "more clicks than showings": ([0, 10, 0, 20, 5, 5], [3, 30, 0, 10, 0, 9]),
    "much known of all": ([950] * POOL, [130, 135, 140, 145, 150, 155]),
    "much known and nearly alike": ([900] * POOL, [430, 440, 450, 460, 470, 455]),
}


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_each_candidate_takes_the_place_as_often_as_its_chance_says(evidence):
    """Over 8,000 users: what came of showing it is reckoned by this chance, so a wrong one makes all of that wrong."""
    users = 8_000
    entries, found = drawn(*EVIDENCE[evidence], users)
    candidates, first, back, observed = np.unique(entries, return_index=True, return_inverse=True, return_counts=True)
    told = found.chances[first, 2]
    np.testing.assert_allclose(found.chances[:, 2], told[back], rtol=1e-9)
    common = told * users >= 5
    left, rare = max(1.0 - told[common].sum(), 0.0), users - observed[common].sum()
    assert set(candidates[common]) <= set(range(LIST, LIST + POOL))
    assert rare <= users * left + 6 * (users * left) ** 0.5 + 6
    expected = told[common] / told[common].sum() * observed[common].sum()
    assert chisquare(observed[common], expected).pvalue > 1e-4


def test_a_second_place_is_drawn_anew():
    """Of the users who were given the same in the first place, each takes the second as often as its chance says: that
    another drew higher there says nothing of what is drawn here."""
    users = 8_000
    first, found = drawn([0, 0, 0, 0, 40, 40], [0, 0, 0, 0, 8, 1], users, slots=(2, 3))
    slate = alike(users, LIST + POOL)
    second = slate.candidates[np.arange(users), found.chosen[:, 3]]
    same = first == np.bincount(first[first != LIST + 4]).argmax()
    entries, at, observed = np.unique(second[same], return_index=True, return_counts=True)
    told = found.chances[same][at, 3]
    common = told * same.sum() >= 5
    expected = told[common] / told[common].sum() * observed[common].sum()
    assert len(entries) > 2
    assert same.sum() > 1_000
    assert chisquare(observed[common], expected).pvalue > 1e-4


@given(
    evidence=st.lists(st.tuples(st.integers(0, 999), st.floats(0, 1)), min_size=1, max_size=20),
    there=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_the_chances_of_a_pool_add_up_to_one(evidence, there):
    """Whatever is known of its candidates; who is not there has none, and who stands alone has all."""
    shows = np.array([number for number, _ in evidence], np.int64)
    clicks = np.array([int(number * rate) for number, rate in evidence], np.int64)
    rates = Rates.of(shows, clicks, KNOWN_FROM)
    flags = np.array([[True, *there[: len(evidence) - 1]]])
    chances = rates.chances(np.arange(len(evidence))[None], flags)[0]
    assert chances.sum() == pytest.approx(1.0)
    assert (chances >= 0).all()
    assert (chances[~flags[0]] == 0).all()
    assert flags.sum() > 1 or chances[0] == pytest.approx(1.0)


def test_chances_are_those_of_the_rates_that_are_left_open():
    """Beside a draw of a million rates from what showings leave open, which is a Beta distribution."""
    shows, clicks = EVIDENCE["little known of some"]
    told = Rates.of(np.array(shows), np.array(clicks), KNOWN_FROM).chances(
        np.arange(POOL)[None], np.ones((1, POOL), bool)
    )
    overall = (sum(clicks) + 1) / (sum(shows) + 20)
    hits, misses = np.array(clicks) + 20 * overall, np.array(shows) - np.array(clicks) + 20 * (1 - overall)
    best = np.random.default_rng(2).beta(hits, misses, (1_000_000, POOL)).argmax(axis=1)
    np.testing.assert_allclose(told[0], np.bincount(best, minlength=POOL) / 1_000_000, atol=0.004)


def test_more_clicks_for_as_many_showings_make_a_better_chance():
    """And of two that were clicked as seldom, the one of which less is known is tried more."""
    rates = Rates.of(np.array([100, 100, 100]), np.array([2, 5, 10]), KNOWN_FROM)
    chances = rates.chances(np.arange(3)[None], np.ones((1, 3), bool))[0]
    assert chances[0] < chances[1] < chances[2]
    seldom = Rates.of(np.array([40, 900, 900]), np.array([2, 45, 90]), KNOWN_FROM)
    less, more, _ = seldom.chances(np.arange(3)[None], np.ones((1, 3), bool))[0]
    assert less > more


def explored(night: tuple = DAY, users: int = 300, slots: tuple[int, ...] = (1, 3)) -> Explored:
    slate = alike(users, 20)
    none = np.zeros(20, np.int64)
    settings = Exploration(slots=slots, pool=10)
    return explore(slate, chosen_by_score(slate, 8), settings, Rates.of(none, none, 5), seeds_of(users, 20, night), ())


def test_the_same_user_day_and_seed_draw_the_same():
    """A night that is made again tries out the same, with the same chances."""
    first, second = explored(), explored()
    assert (first.chosen == second.chosen).all()
    assert (first.chances == second.chances).all()


@pytest.mark.parametrize("night", [("beside", *DAY[1:]), (DAY[0], "2026-11-21", DAY[2]), (*DAY[:2], 8)])
def test_another_shelf_day_or_seed_draws_anew(night):
    """About nine in ten users are given another candidate, as ten are drawn from with equal chances."""
    other, before = explored(night).chosen[:, 1], explored().chosen[:, 1]
    assert 0.8 < (other != before).mean() < 0.98


def test_users_and_places_draw_each_by_themselves():
    """Two places of a list, and two users, agree no more often than chance has it."""
    chosen = explored(users=2_000).chosen
    assert 0.05 < (chosen[1:, 1] == chosen[:-1, 1]).mean() < 0.15
    drawn_together = np.bincount(chosen[:, 1] * 20 + chosen[:, 3], minlength=400) / 2_000
    assert drawn_together.max() < 0.03


def test_a_draw_does_not_hang_on_the_block_it_is_made_in():
    """A user alone is given what the user is given among others."""
    together = explored(users=50, slots=(1,))
    none = np.zeros(20, np.int64)
    rates, settings = Rates.of(none, none, 5), Exploration(slots=(1,), pool=10)
    line = [(candidate, float(20 - candidate)) for candidate in range(20)]
    for user in (0, 17, 49):
        slate = slate_of({user: line})
        alone = explore(slate, chosen_by_score(slate, 8), settings, rates, seeds_of(50, 20), ())
        assert alone.chosen.tolist() == [together.chosen[user].tolist()]
        np.testing.assert_allclose(alone.chances[0], together.chances[user], rtol=1e-12)


CANDIDATES, KNOWN = 14, 5


@given(seed=st.integers(0, 1_000_000))
def test_what_is_tried_keeps_to_the_rules_of_the_list(seed):
    """One place after another is given to one of the best that are not listed, little shown and within caps; what
    stood there moves down and the last makes room. Where there is none the list stays. The chance is told."""
    draw = np.random.default_rng(seed)
    lines = {
        query: draw.permutation(CANDIDATES)[: draw.integers(1, CANDIDATES + 1)].tolist()
        for query in range(draw.integers(1, 5))
    }
    caps = [Cap(draw.integers(-1, 4, CANDIDATES), int(draw.integers(1, 4))) for _ in range(draw.integers(0, 3))]
    slots = sorted(draw.choice(8, draw.integers(1, 4), replace=False).tolist())
    pool, shown = int(draw.integers(1, 6)), draw.choice([0, 4, 4, 5, 50], CANDIDATES)
    slate = slate_of({query: [(c, float(-at)) for at, c in enumerate(line)] for query, line in lines.items()})
    before = chosen_by_score(slate, int(draw.integers(1, 9)), caps)
    rates = Rates.of(shown, shown // 4, KNOWN)
    settings = Exploration(slots=tuple(slots), pool=pool, shown_below=KNOWN)
    found = explore(slate, before, settings, rates, seeds_of(5, CANDIDATES, ("x", seed)), caps)
    old, new = listed(slate, before), listed(slate, found.chosen)
    for at, (query, entries) in enumerate(new.items()):
        expected, chances = old[query], [1.0] * len(old[query])
        for slot in slots:
            open_ = [c for c in lines[query] if c not in expected and shown[c] < KNOWN and fits(expected, c, caps)]
            if open_ and slot < len(expected):
                tried = open_[:pool]
                assert entries[slot] in tried
                share = rates.chances(np.array([tried]), np.ones((1, len(tried)), bool))[0]
                expected = [*expected[:slot], entries[slot], *expected[slot:-1]]
                chances = [*chances[:slot], float(share[tried.index(entries[slot])]), *chances[slot:-1]]
        assert entries == expected
        assert len(set(entries)) == len(entries) == len(old[query])
        assert within(entries, caps)
        np.testing.assert_allclose(found.chances[at, : len(entries)], chances, rtol=1e-9)


def fits(entries: list[int], candidate: int, caps: list[Cap]) -> bool:
    return not any(
        cap.groups[candidate] >= 0 and (cap.groups[entries] == cap.groups[candidate]).sum() >= cap.most for cap in caps
    )


def within(entries: list[int], caps: list[Cap]) -> bool:
    counts = [Counter(group for group in cap.groups[entries].tolist() if group >= 0) for cap in caps]
    return all(max(count.values(), default=0) <= cap.most for count, cap in zip(counts, caps, strict=True))


def test_only_the_best_that_are_open_are_drawn_from():
    """Of twenty candidates eight are listed, every other one is known: the pool is the next three that are not."""
    shows = np.array([0, KNOWN_FROM] * 10, np.int64)
    slate = alike(2_000, 20)
    settings = Exploration(slots=(2,), pool=3, shown_below=KNOWN_FROM)
    rates = Rates.of(shows, shows // 10, KNOWN_FROM)
    found = explore(slate, chosen_by_score(slate, 8), settings, rates, seeds_of(2_000, 20), ())
    assert set(slate.candidates[np.arange(2_000), found.chosen[:, 2]].tolist()) == {8, 10, 12}
    np.testing.assert_allclose(found.chances[:, 2], 1 / 3, atol=1e-6)


@pytest.mark.parametrize("why", ["all known", "all listed", "too short"])
def test_where_nothing_can_be_tried_a_list_stays_as_it_is(why):
    """Everything is known or listed already, or the list ends before the place."""
    shows = np.full(6, KNOWN_FROM if why == "all known" else 0, np.int64)
    slate = alike(3, 6)
    before = chosen_by_score(slate, 6 if why == "all listed" else 3)
    settings = Exploration(slots=(4 if why == "too short" else 1,), shown_below=KNOWN_FROM)
    found = explore(slate, before, settings, Rates.of(shows, shows, KNOWN_FROM), seeds_of(3, 6), ())
    assert found.chosen.tolist() == before.tolist()
    assert (found.chances == 1).all()
