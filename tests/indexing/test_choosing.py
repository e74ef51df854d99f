"""Which index is built and how hard it is searched; and how recall is measured on questions that nobody saw."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from daybreak.errors import InputError
from indexing.arrays import NOWHERE
from indexing.choosing import EXACT_UP_TO, LEAST_BREADTH, MOST_AGAIN, margin, standard, tuned
from indexing.measuring import alternatives
from indexing.recall import recall, sample
from indexing.soundness import longest_by_usual
from indexing.specification import CODED, NUMBERS, Effort, Kind, Specification

ROWS = st.integers(1, 50_000_000)
WIDTHS = st.integers(2, 1_025)


@pytest.mark.parametrize("rows", [1, 15, 16, 197, 255, 256, 10_000])
def test_what_is_measured_can_be_built(rows):
    """No kind is tried that so few vectors could not be learned from."""
    found = alternatives(rows, 16, 1 << 30)
    assert {each.kind for each in found} >= {Kind.EXACT, Kind.HNSW}
    assert all(each.least_rows <= rows for each in found)


@pytest.mark.parametrize("bias", [True, False])
def test_one_vector_out_of_all_proportion_is_seen_among_many(bias):
    """Wherever it stands."""
    vectors = np.random.default_rng(1).normal(size=(60_000, 5)).astype(np.float32)
    assert longest_by_usual(vectors, vectors) < 5
    vectors[34_567] *= np.float32([1, 1, 1, 1, 1e6] if bias else [1e6, 1e6, 1e6, 1e6, 1])
    assert longest_by_usual(vectors, vectors) > 1_000


@st.composite
def specifications(draw):
    kind = draw(st.sampled_from(Kind))
    return Specification(kind, **{name: draw(st.integers(2, 5_000)) for name in NUMBERS[kind]})


@given(specifications())
def test_a_specification_is_what_it_is_written_as(specification):
    """Read again, its words are the same index."""
    assert Specification.parse(str(specification)) == specification


@given(st.text(max_size=12) | st.from_regex(r"(ivf_pq|hnsw|exact|tree):?((cells|parts|links)=?-?[0-9]{1,3},?){0,3}"))
@example("exact:cells=-1")
def test_words_are_an_index_or_refused(text):
    """Anything else than an index is an error that is foreseen."""
    with suppress(InputError):
        found = Specification.parse(text)
        assert Specification.parse(str(found)) == found


@given(ROWS, WIDTHS, st.integers(0, 1 << 40), st.sampled_from([None, *Kind]))
def test_the_standard_index_fits_rows_and_memory(rows, width, memory, kind):
    """It can be learned from so many vectors, is of the kind that was named, and where none was, the first that fits
    the memory; where none fits, the smallest."""
    found = standard(rows, width, memory, kind)
    assert rows >= found.cells
    assert Specification.parse(str(found)) == found
    if kind is not None:
        assert found.kind is kind
        return
    if rows <= EXACT_UP_TO:
        assert found == Specification(Kind.EXACT)
        return
    order = [Kind.IVF_SQ8, Kind.IVF_PQ]
    sizes = [standard(rows, width, memory, each).memory_bytes(rows, width) for each in order]
    fitting = [each for each, size in zip(order, sizes, strict=True) if size <= memory]
    assert found.kind is (fitting[0] if fitting else Kind.IVF_PQ)


@given(ROWS, WIDTHS, st.integers(0, 1 << 40))
def test_alternatives_keep_within_rows_and_memory(rows, width, memory):
    """None takes more memory than there is, or has cells that so few vectors leave empty; exact is always one."""
    found = alternatives(rows, width, memory)
    assert found[0] == Specification(Kind.EXACT)
    assert all(each.memory_bytes(rows, width) <= memory for each in found)
    assert all(each.cells * 39 <= rows for each in found if each.cells)


def test_more_memory_is_never_used_for_a_coarser_index():
    """From little memory to much: codes of parts, then codes of places."""
    kinds = [standard(1_000_000, 64, memory << 20).kind for memory in (1, 50, 100, 300, 4_000)]
    order = [Kind.IVF_PQ, Kind.IVF_SQ8]
    assert [order.index(kind) for kind in kinds] == sorted(order.index(kind) for kind in kinds)
    assert (kinds[0], kinds[-1]) == (order[0], order[-1])


def number_of(specification, effort):
    return effort.breadth if specification.kind is Kind.HNSW else effort.probes


def recalling(specification, needed, again=1):
    """The recall of a search that finds ever more with effort: all from `needed` on, if it scores enough again."""

    def recall_with(effort):
        return min(number_of(specification, effort) / needed, 1.0) * min(effort.again / again, 1.0)

    return recall_with


@given(st.sampled_from(["ivf_flat", "ivf_sq8", "hnsw"]), st.integers(1, 4_096), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_the_effort_is_the_least_that_finds_enough(kind, needed, target):
    """It reaches the target, and with a sixteenth less it would not."""
    specification = standard(4_096**2, 64, 1 << 40, Kind(kind))
    most = specification.cells or 4_096
    assume(needed <= most)
    recall_with = recalling(specification, needed)
    effort, reached = tuned(specification, recall_with, target)
    number = number_of(specification, effort)
    fewest = LEAST_BREADTH if specification.kind is Kind.HNSW else 1
    assert fewest <= number <= most
    assert reached == recall_with(effort) >= target
    slack = max(number // 16, 1)
    less = Effort(probes=number - slack, breadth=number - slack, again=effort.again)
    assert number - slack < fewest or recall_with(less) < target


@given(st.sampled_from(["ivf_flat", "hnsw"]), st.integers(5_000, 100_000))
def test_where_no_effort_is_enough_it_is_the_most_there_is(kind, needed):
    """And what it reached is told as it is, below the target."""
    specification = standard(200_000, 64, 1 << 40, Kind(kind))
    assume(needed * 0.9 > (specification.cells or 4_096))
    recall_with = recalling(specification, needed)
    effort, reached = tuned(specification, recall_with, 0.99)
    assert number_of(specification, effort) == (specification.cells or 4_096)
    assert reached == recall_with(effort) < 0.99


@pytest.mark.parametrize("again", [1, 2, 4, 8, 32])
@pytest.mark.parametrize("kind", CODED)
def test_codes_are_scored_again_as_often_as_they_need(kind, again):
    """What coarse codes confuse is told apart by scoring more entries again: as few as reach the target."""
    specification = standard(1_000_000, 64, 1 << 40, kind)
    effort, reached = tuned(specification, recalling(specification, 10, again), 0.95)
    assert effort.again == again <= MOST_AGAIN
    assert reached >= 0.95


def test_an_exact_search_needs_no_effort():
    """Nothing is asked at all."""
    assert tuned(Specification(Kind.EXACT), lambda effort: 1 / 0, 0.95) == (Effort(), 1.0)


@given(st.floats(0.01, 1.0), st.integers(1, 5_000), st.integers(1, 200))
def test_the_margin_lies_between_the_target_and_all(target, asked, k):
    """A sample must reach more than the target, by half of what is missing at most; less, the more is asked."""
    few, many = (margin(target, count, k) for count in (asked, asked * 4))
    assert target <= many <= few <= (1 + target) / 2


@st.composite
def lists(draw):
    """Found and true rows of some queries: each line without repeats, of any length up to its width."""

    def table(width):
        lines = draw(
            st.lists(st.lists(st.integers(0, 30), unique=True, max_size=width), min_size=asked, max_size=asked)
        )
        return np.array([line + [NOWHERE] * (width - len(line)) for line in lines]).reshape(asked, width)

    asked = draw(st.integers(1, 6))
    return table(draw(st.integers(1, 12))), table(draw(st.integers(1, 12)))


@given(lists(), st.none() | st.sets(st.integers(0, 30)))
def test_recall_is_the_share_of_true_rows_that_were_found(both, counted):
    """Counted one by one, over all queries or over some rows; 1 where there is nothing to find."""
    found, truth = both
    pairs = [
        (row in line)
        for line, told in zip(found.tolist(), truth.tolist(), strict=True)
        for row in told
        if row != NOWHERE and (counted is None or row in counted)
    ]
    rows = None if counted is None else np.array(sorted(counted), np.int64)
    assert recall(found, truth, rows) == pytest.approx(sum(pairs) / len(pairs) if pairs else 1.0)


@given(st.integers(1, 2_000), st.integers(1, 300), st.integers(0, 2**32), st.integers(2, 6))
def test_samples_share_no_row_as_far_as_there_are_enough(rows, wanted, seed, numbers):
    """Each is as large as it was asked for, in order and without repeats; the same again, and no two share a row."""
    drawn = [sample(rows, wanted, seed, number) for number in range(numbers)]
    for number, mine in enumerate(drawn):
        assert len(mine) == min(wanted, rows) == len(set(mine.tolist()))
        assert ((mine >= 0) & (mine < rows)).all()
        assert mine.tolist() == sorted(mine.tolist()) == sample(rows, wanted, seed, number).tolist()
    if rows >= wanted * numbers:
        assert len(set(np.concatenate(drawn).tolist())) == wanted * numbers


@given(specifications(), st.floats(0.01, 1.0))
def test_a_filter_widens_the_search_by_what_it_hides(specification, share):
    """By the share that may be found, and never to less than it was."""
    effort = Effort(probes=7, breadth=90, again=4)
    wider = effort.wider(share)
    assert (wider.probes, wider.breadth) == (math.ceil(7 / share), math.ceil(90 / share))
    assert wider.again == effort.again
