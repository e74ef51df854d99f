"""What retrieval models are taught by is what plain numpy says, and never ends in a number that is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.models.losses import (
    alignment,
    as_the_teacher_ranks,
    log_chance_of_draw,
    spread,
    wanted_above_the_rest,
)

EXAMPLES, CANDIDATES = 3, 5
matrices = st.lists(
    st.lists(st.floats(-5, 5, width=32), min_size=CANDIDATES, max_size=CANDIDATES),
    min_size=EXAMPLES,
    max_size=EXAMPLES,
).map(torch.tensor)
places = st.frozensets(st.tuples(st.integers(0, EXAMPLES - 1), st.integers(0, CANDIDATES - 1)))
temperatures = st.sampled_from([0.1, 0.5, 1.0, 3.0])


def mask(cells) -> torch.Tensor:
    found = torch.zeros(EXAMPLES, CANDIDATES, dtype=torch.bool)
    for row, column in cells:
        found[row, column] = True
    return found


def wants(cells) -> tuple[torch.Tensor, torch.Tensor]:
    ordered = sorted(cells)
    return torch.tensor([row for row, _ in ordered]), torch.tensor([column for _, column in ordered])


@given(scores=matrices, wanted=places.filter(bool), left_out=places)
def test_a_want_is_held_against_what_is_neither_wanted_nor_left_out(scores, wanted, left_out):
    """Cross-entropy of each want beside the rest, by its share of its example, in the mean over the examples."""
    left_out -= wanted
    shares = {cell: 1 / sum(row == cell[0] for row, _ in wanted) for cell in wanted}
    expected = 0.0
    for row, column in wanted:
        rest = [float(scores[row, c]) for c in range(CANDIDATES) if (row, c) not in wanted and (row, c) not in left_out]
        own = float(scores[row, column])
        total = math.fsum(math.exp(score) for score in [own, *rest])
        expected += shares[row, column] * -(own - math.log(total)) / EXAMPLES
    weights = torch.tensor([shares[cell] for cell in sorted(wanted)])
    found = wanted_above_the_rest(scores, *wants(wanted), weights, mask(left_out))
    assert float(found) == pytest.approx(expected, abs=1e-5)


@given(scores=matrices, wanted=places.filter(bool), left_out=places)
def test_what_there_is_to_learn_is_always_a_number(scores, wanted, left_out):
    """Also for who wants all there is: loss and gradient are finite, and what is left out is left alone."""
    left_out -= wanted
    scores = scores.clone().requires_grad_()
    rows, columns = wants(wanted)
    loss = wanted_above_the_rest(scores, rows, columns, torch.ones(len(rows)), mask(left_out))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(scores.grad).all()
    assert not scores.grad[mask(left_out)].any()


@given(scores=matrices, teacher=matrices, left_out=places, temperature=temperatures)
def test_the_student_is_as_far_from_the_teacher_as_the_divergence_of_their_lists(
    scores, teacher, left_out, temperature
):
    """Kullback and Leibler's, of both softened lists over what counts, in units that do not depend on the softening."""
    expected = 0.0
    for row in range(EXAMPLES):
        counted = [column for column in range(CANDIDATES) if (row, column) not in left_out]
        own, given = (
            softened(each[row].numpy()[counted].astype(np.float64), temperature) for each in (scores, teacher)
        )
        expected += float(np.sum(given * (np.log(given) - np.log(own)))) if counted else 0.0
    found = as_the_teacher_ranks(scores, teacher, mask(left_out), temperature)
    assert float(found) == pytest.approx(expected * temperature**2 / EXAMPLES, rel=1e-3, abs=1e-5)


def softened(scores: np.ndarray, temperature: float) -> np.ndarray:
    powers = np.exp((scores - scores.max(initial=-np.inf)) / temperature)
    return np.maximum(powers / powers.sum(), 1e-300)


@given(teacher=matrices, left_out=places, shift=st.floats(-3, 3, width=32), temperature=temperatures)
def test_who_ranks_as_the_teacher_has_nothing_to_learn(teacher, left_out, shift, temperature):
    """However all scores are shifted: a list is what counts."""
    found = as_the_teacher_ranks(teacher + shift, teacher, mask(left_out), temperature)
    assert float(found) == pytest.approx(0.0, abs=1e-4)


@given(scores=matrices, teacher=matrices, unknown=places, left_out=places, temperature=temperatures)
def test_what_the_teacher_does_not_know_it_gives_nothing(scores, teacher, unknown, left_out, temperature):
    """Scores of minus infinity have no share in the teacher's list; loss and gradient are numbers all the same."""
    teacher = teacher.masked_fill(mask(unknown), -torch.inf)
    scores = scores.clone().requires_grad_()
    loss = as_the_teacher_ranks(scores, teacher, mask(left_out), temperature)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(scores.grad).all()
    assert not scores.grad[mask(left_out)].any()


@given(
    wanted=st.lists(st.integers(0, 9), min_size=1, max_size=20),
    candidates=st.lists(st.integers(0, 9), min_size=1, unique=True),
    draws=st.integers(0, 30),
    even=st.integers(1, 30),
)
def test_the_chance_of_a_draw_counts_how_often_it_comes(wanted, candidates, draws, even):
    """As another example's want, by how popular it is, or out of the whole catalogue."""
    popularity = torch.bincount(torch.tensor(wanted), minlength=10) / len(wanted)
    found = log_chance_of_draw(torch.tensor(candidates), popularity, draws, even)
    expected = [math.log(draws * wanted.count(item) / len(wanted) + even / 10) for item in candidates]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def test_vectors_that_lie_together_are_aligned_and_those_that_lie_about_are_even():
    """The measures of how vectors lie say so, in numbers that follow by hand."""
    across = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [0.0, -1.0]])
    assert float(alignment(across, across * 5)) == pytest.approx(0)
    assert float(alignment(across[:1], across[2:3])) == pytest.approx(4)
    apart = [2.0, 4.0, 2.0, 2.0, 4.0, 2.0]
    assert float(spread(across)) == pytest.approx(math.log(sum(math.exp(-2 * each) for each in apart) / 6))
    assert float(spread(across)) < float(spread(across[[0, 0, 1, 1]]))
