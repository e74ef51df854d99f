"""What the loop promises of every fit."""

from __future__ import annotations

import itertools
import math
import re

import pytest
import torch
from pydantic import ValidationError

from daybreak.errors import InputError
from tests.training.fitting.toys import CONFIG, EXAMPLES, Regression, close, equal, fitted, weights
from training.fitting.loop import LoopConfig
from training.fitting.optimisation import rate_at


def test_the_loss_falls():
    """Every part of it, epoch by epoch, and what was learned holds; all examples are seen each time."""
    task = Regression()
    report = fitted(task, CONFIG.model_copy(update={"epochs": 20}))
    assert report.losses[-1] < report.losses[0] / 20
    assert report.curves["missed_by"][-1] < report.curves["missed_by"][0] / 4
    assert report.validation[-1] == max(report.validation)
    assert (report.epochs, report.steps, report.examples) == (20, 20 * 7, 20 * EXAMPLES)
    assert report.examples_per_second > 0


def test_one_seed_gives_one_model_to_the_bit():
    """Also where the module draws by chance, and whatever was drawn before; another seed gives another model."""
    first, again, other = (Regression(dropout=0.3) for _ in range(3))
    report = fitted(first)
    torch.manual_seed(99)
    assert fitted(again) == report
    fitted(other, seed=2)
    assert equal(weights(first), weights(again))
    assert not equal(weights(first), weights(other))


def test_a_fit_is_what_plain_torch_does():
    """Without a schedule and clipping it is AdamW, a step for each batch, as anyone would write it down; weights of two
    dimensions decay, biases do not."""
    bare = {"schedule": "constant", "warmup_share": 0, "clip_norm": 0, "fading_epochs": 10.0}
    config, ours, plain = CONFIG.model_copy(update=bare), Regression(), Regression()
    fitted(ours, config)
    some = [parameter for parameter in plain.module.parameters() if parameter.requires_grad]
    decaying, others = ([each for each in some if (each.ndim == 2) == wanted] for wanted in (True, False))
    decay = config.weight_decay(plain.examples)
    optimiser = torch.optim.AdamW(
        [{"params": decaying, "weight_decay": decay}, {"params": others, "weight_decay": 0}], 0.02, fused=True
    )
    for epoch in range(4):
        for batch in plain.batches(epoch, 16):
            optimiser.zero_grad()
            plain.loss(batch)["loss"].backward()
            optimiser.step()
    assert equal(weights(ours), weights(plain))


def test_weights_fade_by_the_epoch_however_many_steps_it_has():
    """Where nothing teaches, weights of two dimensions fall to about a third, in small batches and in large ones."""

    class TaughtNothing(Regression):
        def loss(self, batch):
            return {"loss": super().loss(batch)["loss"] * 0.0}

    for size in (4, 16, 64):
        task = TaughtNothing()
        bare = {"schedule": "constant", "warmup_share": 0, "epochs": 4, "fading_epochs": 4.0, "batch_size": size}
        before = weights(Regression())
        fitted(task, CONFIG.model_copy(update={**bare, "learning_rate": 1e-4}))
        for name, tensor in weights(task).items():
            fades = tensor.ndim > 1 and not name.startswith("3.")
            steps = 4 * math.ceil(task.examples / size)
            expected = before[name] * (1 - 1 / steps) ** steps if fades else before[name]
            torch.testing.assert_close(tensor, expected)


@pytest.mark.parametrize("accumulate", [2, 3, 16])
def test_pieces_add_up_to_the_batch(accumulate):
    """Gradients and losses are those of the whole batch, the last and shorter one as well."""
    whole, cut = Regression(), Regression()
    expected = fitted(whole)
    report = fitted(cut, CONFIG.model_copy(update={"accumulate": accumulate}))
    assert cut.losses > whole.losses
    assert report.micro_batch == math.ceil(16 / accumulate)
    assert close(weights(whole), weights(cut))
    assert report.losses == pytest.approx(expected.losses)


def test_early_stopping_goes_back_to_the_best():
    """It waits as long as it is told, and leaves the weights of the best epoch."""
    task = Regression(validations=(0.1, 0.5, 0.4, 0.5, 0.9))
    report = fitted(task, CONFIG.model_copy(update={"epochs": 9, "patience": 2}))
    assert report.validation == (0.1, 0.5, 0.4, 0.5)
    assert report.best_epoch == 2
    assert equal(weights(task), task.weights_when_validated[1])


def test_without_patience_the_last_weights_stay():
    """The best epoch is told, but not gone back to."""
    task = Regression(validations=(0.1, 0.5, 0.4, 0.3))
    report = fitted(task)
    assert report.best_epoch == 2
    assert equal(weights(task), task.weights_when_validated[-1])


@pytest.mark.parametrize(("spoil", "name"), [(math.nan, "loss"), (math.inf, "loss")])
def test_a_loss_that_is_no_number_ends_the_fit(tmp_path, spoil, name):
    """One sentence says where; what was saved before stays, and nothing is saved after."""
    path = tmp_path / "fit.checkpoint"
    with pytest.raises(
        InputError, match=rf"epoch 2, batch 4: expected {name} to be a finite number, but it is {spoil}"
    ):
        fitted(Regression(spoil_at=7 + 4, spoil=spoil), checkpoint=path)
    task = Regression()
    fitted(task, checkpoint=path)
    assert task.losses == 4 * 7 - (7 + 3)
    whole = Regression()
    fitted(whole)
    assert equal(weights(task), weights(whole))


def test_a_gradient_that_is_no_number_ends_the_fit(tmp_path):
    """A finite loss can have one; the weights it would spoil are not saved."""
    task = Regression()
    told = task.loss
    task.loss = lambda batch: told(batch) | {"loss": torch.sqrt(0 * next(task.module.parameters())).sum()}
    with pytest.raises(
        InputError, match="epoch 1, batch 1: expected gradient_norm to be a finite number, but it is nan"
    ):
        fitted(task, checkpoint=tmp_path / "fit.checkpoint")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_fitted_gets_one_sentence():
    """Early stopping without a validation, a validation that is no number, an epoch without batches."""
    blind, lost, empty = Regression(), Regression(validations=(math.nan,)), Regression()
    blind.validate, empty.batches = lambda: None, lambda epoch, size: iter(())
    with pytest.raises(InputError, match="early stopping after 3 epochs needs a validation value"):
        fitted(blind, CONFIG.model_copy(update={"patience": 3}))
    with pytest.raises(InputError, match="validation value of epoch 1 must be a number"):
        fitted(lost)
    with pytest.raises(InputError, match="epoch 1 has no batches"):
        fitted(empty)


def test_batches_without_examples_are_passed_over():
    """Such as what is left of rows that weigh nothing: the model is that of the others."""
    task, whole = Regression(), Regression()
    full = task.batches
    nothing = (task.inputs[:0], task.truth[:0])
    task.batches = lambda epoch, size: itertools.chain([nothing], full(epoch, size), [nothing])
    assert fitted(task) == fitted(whole)
    assert equal(weights(task), weights(whole))


def test_what_is_observed_has_legal_names():
    """Means of batches at their step, of epochs at their number, and the validation value."""
    told: dict[str, list[int]] = {}
    fitted(Regression(), observe=lambda name, value, number: told.setdefault(name, []).append(number))
    assert told["epoch/validation"] == told["epoch/loss"] == [1, 2, 3, 4]
    assert told["batch/loss"] == told["batch/learning_rate"] == sorted(set(told["batch/loss"]))
    assert all(re.fullmatch(r"[a-z_/]+", name) for name in told)


def test_what_is_frozen_stays():
    """Parameters without gradients are as they were."""
    task, before = Regression(), weights(Regression())
    fitted(task, CONFIG.model_copy(update={"fading_epochs": 5.0}))
    kept = {name for name, tensor in weights(task).items() if torch.equal(tensor, before[name])}
    assert kept == {name for name in before if name.startswith("3.")}


def test_half_precision_learns_too():
    """bfloat16 where it is asked for, also on a processor; the weights themselves stay in single precision."""
    task, full = Regression(), Regression()
    report = fitted(task, CONFIG.model_copy(update={"epochs": 20, "precision": "bfloat16"}))
    fitted(full, CONFIG.model_copy(update={"epochs": 20}))
    assert report.losses[-1] < report.losses[0] / 20
    assert not equal(weights(task), weights(full))
    assert task.module[0].weight.dtype == torch.float32


def test_the_learning_rate_rises_then_falls():
    """In ten steps of warming up to the full rate, then along half a cosine to nothing, or stays."""
    cosine = [rate_at(step, 110, 10, "cosine") for step in range(111)]
    assert cosine[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert cosine[10:] == sorted(cosine[10:], reverse=True)
    assert (cosine[10], cosine[60], cosine[110]) == pytest.approx((1, 0.5, 0))
    assert {rate_at(step, 110, 10, "constant") for step in range(9, 111)} == {1.0}
    assert rate_at(500, 110, 10, "cosine") == pytest.approx(0)


def test_the_configuration_is_strict_and_says_what_it_means():
    """An unknown setting is an error, and each one has a description."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        LoopConfig(learning_rat=0.1)
    assert all(field.description for field in LoopConfig.model_fields.values())
