"""Lists and their measures are those of a plain loop over queries, and of scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from daybreak.errors import InputError
from tests.training.evaluation import plain
from training.evaluation.full_catalogue import evaluate
from training.evaluation.ranking import NO_ITEM, Sets
from training.evaluation.top_k import top_k

SCORE = st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0, math.inf])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[list[float]], list[set[int]], list[set[int]]]:
    """Scores with many ties, and what each query has seen and wants; some of it the model does not score."""
    n_items, n_queries = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    row = st.lists(SCORE, min_size=n_items, max_size=n_items)
    some = st.sets(st.integers(0, n_items + 2), max_size=n_items)
    many = {"min_size": n_queries, "max_size": n_queries}
    return draw(st.lists(row, **many)), draw(st.lists(some, **many)), draw(st.lists(some, **many))


@given(worlds(), st.integers(1, 12))
def test_lists_are_in_order_without_what_is_hidden(world, k):
    """Best first, the smaller item first among equals, nothing hidden, and NO_ITEM where nothing is left; the scores
    stay as they were."""
    scores, hidden, _ = world
    expected = [plain.ranked(row, mine, k) for row, mine in zip(scores, hidden, strict=True)]
    table = np.array(scores, np.float32)
    lists = top_k(table, plain.sets_of(hidden), k)
    assert lists.tolist() == [row + [NO_ITEM] * (k - len(row)) for row in expected]
    assert table.tolist() == scores


@given(st.integers(0, 2**32 - 1), st.integers(1, 700), st.integers(1, 12), st.integers(1, 40))
def test_lists_of_long_catalogues_are_those_of_a_sort(seed, n_items, k, levels):
    """Catalogues in which there is much to skip, scores of either sign, both zeros, and many ties."""
    chance = np.random.default_rng(seed)
    values = np.r_[chance.normal(size=levels), 0.0, -0.0, -np.inf].astype(np.float32)
    scores = chance.choice(values, (5, n_items))
    hidden = [set(chance.choice(n_items, n_items // 3, replace=False).tolist()) for _ in range(5)]
    expected = [plain.ranked(row, mine, k) for row, mine in zip(scores.tolist(), hidden, strict=True)]
    lists = top_k(scores, plain.sets_of(hidden), k)
    assert lists.tolist() == [row + [NO_ITEM] * (k - len(row)) for row in expected]


@given(worlds(), st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 4))
def test_an_evaluation_is_what_a_loop_over_queries_gives(world, ks, block):
    """In blocks of any size: every measure of every query that wants something, and who was shown how often."""
    scores, seen, relevant = world
    wanting = [query for query in range(len(scores)) if relevant[query]]
    if not wanting:
        return
    queries, table = np.arange(len(scores)), np.array(scores, np.float32)
    found = evaluate(
        lambda block: table[block],
        queries,
        plain.sets_of(relevant),
        plain.sets_of(seen),
        ks,
        block,
    )
    assert found.queries.tolist() == wanting
    lists = {query: plain.ranked(scores[query], seen[query], max(ks)) for query in wanting}
    for k in ks:
        expected = [plain.measures(lists[query], relevant[query], k) for query in wanting]
        for name in expected[0]:
            assert found.metrics[name].tolist() == pytest.approx([each[name] for each in expected])
        shown = [item for query in wanting for item in lists[query][:k]]
        assert found.exposures[k].tolist() == np.bincount(shown, minlength=table.shape[1]).tolist()


def test_measures_agree_with_scikit_learn():
    """NDCG and average precision of whole lists, on scores without ties."""
    chance = np.random.default_rng(7)
    n_queries, n_items = 40, 30
    scores = chance.permuted(np.tile(np.arange(n_items, dtype=np.float64), (n_queries, 1)), axis=1)
    wanted = chance.random((n_queries, n_items)) < 0.2
    wanted[:, 0] = True
    found = evaluate(
        lambda block: scores[block].astype(np.float32),
        np.arange(n_queries),
        Sets.of(*np.nonzero(wanted), n_queries),
        plain.sets_of([set()] * n_queries),
        ks=(5, n_items),
    )
    assert found.means["ndcg_at_5"] == pytest.approx(ndcg_score(wanted, scores, k=5))
    assert found.means[f"ndcg_at_{n_items}"] == pytest.approx(ndcg_score(wanted, scores))
    precisions = [average_precision_score(*rows) for rows in zip(wanted, scores, strict=True)]
    assert found.metrics[f"map_at_{n_items}"].tolist() == pytest.approx(precisions)


def test_a_list_whose_measures_follow_by_hand():
    """Items 3 and 0 are wanted and stand at places 2 and 4 of 4."""
    scores = np.array([[0.1, 0.9, 0.4, 0.5]], np.float32)
    found = evaluate(lambda _: scores, np.array([0]), plain.sets_of([{0, 3}]), plain.sets_of([set()]), ks=(2, 4))
    best = 1 + 1 / math.log2(3)
    by_hand = {
        "recall_at_2": 1 / 2,
        "ndcg_at_2": (1 / math.log2(3)) / best,
        "ndcg_at_4": (1 / math.log2(3) + 1 / math.log2(5)) / best,
        "map_at_4": (1 / 2 + 2 / 4) / 2,
        "mrr_at_4": 1 / 2,
        "precision_at_4": 2 / 4,
        "hit_rate_at_2": 1.0,
    }
    assert {name: found.means[name] for name in by_hand} == pytest.approx(by_hand)


def test_all_hidden_gives_an_empty_list():
    """A query that has seen the whole catalogue is shown nothing, and misses what it wants."""
    scores = np.ones((1, 2), np.float32)
    found = evaluate(lambda _: scores, np.array([0]), plain.sets_of([{1}]), plain.sets_of([{0, 1}]), ks=(3,))
    assert found.lists.tolist() == [[NO_ITEM] * 3]
    assert set(found.means.values()) == {0.0}


@pytest.mark.parametrize(
    ("relevant", "score", "sentence"),
    [({0}, math.nan, "NaN is among them"), (set(), 1.0, "0 of 1 queries have something relevant")],
)
def test_what_cannot_be_judged_gets_one_sentence(relevant, score, sentence):
    """Scores that are no numbers, and queries that want nothing."""
    scores = np.full((1, 3), score, np.float32)
    with pytest.raises(InputError, match=sentence):
        evaluate(lambda _: scores, np.array([0]), plain.sets_of([relevant]), plain.sets_of([set()]))


def test_a_pair_without_a_number_gets_one_sentence():
    """A query beyond those told, or an item that was not found."""
    with pytest.raises(InputError, match="from 0 to 1"):
        Sets.of(np.array([2]), np.array([0]), 2)
    with pytest.raises(InputError, match="items from -1"):
        Sets.of(np.array([0]), np.array([-1]), 2)
