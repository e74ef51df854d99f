"""Curves from logits to chances: they rise, they find what was done to the chances, and the best of them is chosen."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from daybreak.errors import InputError
from daybreak.ranking.calibrator import Calibrator, sigmoid
from training.evaluation.binary import auc, calibration, log_loss
from training.models.calibration import KINDS, chosen, fitted

ROWS = 20_000
Floats = NDArray[np.float64]

logits_and_labels = st.lists(st.tuples(st.floats(-30, 30, width=32), st.booleans()), min_size=2, max_size=60).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def drawn(truth: Any, seed: int = 1) -> tuple[Floats, Floats]:
    """Logits, and labels that come with the chance that `truth` makes of each."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(-1.0, 1.5, ROWS)
    return logits, (draw.random(ROWS) < truth(logits)).astype(np.float64)


@pytest.mark.parametrize("kind", KINDS)
@given(rows=logits_and_labels, asked=st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=20, unique=True))
def test_every_curve_rises_strictly(kind: Any, rows: list[tuple[float, bool]], asked: list[float]) -> None:
    logits, labels = zip(*rows, strict=True)
    curve = fitted(kind, logits, labels)
    asked = [a for a, b in zip(sorted(asked), [*sorted(asked)[1:], 1e9], strict=True) if b - a > 1e-5]
    said = curve(asked)
    assert ((said >= 0) & (said <= 1)).all()
    slopes = np.diff(said)
    assert (slopes[said[1:] < 1 - 1e-12] > 0).all()
    assert (slopes >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_curve_leaves_the_order_of_rows_as_it_was(kind: Any) -> None:
    logits, labels = drawn(lambda logits: sigmoid(2 * logits - 1))
    logits = logits.astype(np.float32)
    assert auc(labels, fitted(kind, logits, labels)(logits)) == auc(labels, logits)


def test_platt_finds_the_line_that_was_taken_off() -> None:
    curve = fitted("platt", *drawn(lambda logits: sigmoid(2 * logits - 1)))
    assert curve.slope == pytest.approx(2, abs=0.1)
    assert curve.values[0] == pytest.approx(-1, abs=0.1)


def test_the_temperature_finds_the_factor_that_was_taken_off() -> None:
    curve = fitted("temperature", *drawn(lambda logits: sigmoid(0.5 * logits)))
    assert curve.slope == pytest.approx(0.5, abs=0.05)
    assert curve(0.0) == 0.5


def test_isotonic_finds_a_step() -> None:
    curve = fitted("isotonic", *drawn(lambda logits: np.where(logits < -1, 0.1, 0.6)))
    assert curve([-2.0, -1.5, 0.0, 1.0]) == pytest.approx([0.1, 0.1, 0.6, 0.6], abs=0.03)


def test_the_best_kind_on_rows_aside_is_chosen() -> None:
    assert chosen(*drawn(lambda logits: np.where(logits < -1, 0.1, 0.6)), seed=1).calibrator.kind == "isotonic"
    assert chosen(*drawn(lambda logits: sigmoid(0.6 * logits + 1.5)), seed=1).calibrator.kind == "platt"
    judged = chosen(*drawn(sigmoid), seed=1).judged
    assert set(judged) == set(KINDS)
    assert max(judged.values()) - min(judged.values()) < 0.01


def test_chances_mean_what_they_say_after_calibration() -> None:
    logits, labels = drawn(lambda logits: sigmoid(0.4 * logits + 1))
    fresh_logits, fresh = drawn(lambda logits: sigmoid(0.4 * logits + 1), seed=2)
    served = chosen(logits, labels, seed=1).calibrator(fresh_logits)
    assert calibration(fresh, sigmoid(fresh_logits)).error > 0.1
    assert calibration(fresh, served).error < 0.02
    assert log_loss(fresh, served) < log_loss(fresh, sigmoid(fresh_logits))


def test_the_same_seed_chooses_the_same_curve() -> None:
    rows = drawn(lambda logits: sigmoid(logits**3))
    assert chosen(*rows, seed=5) == chosen(*rows, seed=5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_curve_comes_back_from_its_document_as_it_was(kind: Any) -> None:
    curve = fitted(kind, *drawn(sigmoid))
    assert Calibrator.from_json(json.loads(json.dumps(curve.to_json()))) == curve


def test_few_rows_of_a_kind_get_the_temperature() -> None:
    choice = chosen([-1.0, 0.0, 1.0, 2.0], [0, 0, 0, 1], seed=1)
    assert (choice.calibrator.kind, choice.judged) == ("temperature", {})


def test_labels_of_one_class_are_told_in_one_sentence() -> None:
    with pytest.raises(
        InputError, match="calibrating carted needs rows with and without it, but all 3 are 0; take more"
    ):
        chosen([1.0, 2.0, 3.0], [0, 0, 0], seed=1, head="carted")


def test_logits_that_are_no_numbers_are_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="calibrating carted needs a finite logit for each label, found 2 logits"):
        fitted("platt", [1.0, math.nan], [0, 1], head="carted")
