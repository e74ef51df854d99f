"""Training starts from the closed form, goes on from there, and is taken only where users gain by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from daybreak.errors import InputError
from daybreak.learning import Model
from tests.tiny import day
from tests.training.worlds import GroupWorld
from training import graph_learning
from training.data.histories import Histories, of_items
from training.fitting.loop import LoopConfig
from training.graph_learning import GraphConfig, Learned, learn
from training.graph_teacher import START, FilterModel, fitted, read
from training.models import graph_filter
from training.models.filter_parts import Completed
from training.models.graph_filter import FilterSettings, GraphFilter, fit_filter
from training.registry.bundle import open_bundle
from training.trained_filter import Trained, TrainingSettings, can_train, train_filter

WORLD = GroupWorld()
VIEW, CHOOSES = WORLD.view(7), WORLD.wanted_after(5)
HISTORIES = CHOOSES.view.histories
SETTINGS = FilterSettings(walk=0.5, smooth=0.5, ridge=0.5, frequencies=8)
STILL = 1e-12
"""A learning rate by which nothing is learned."""


def training(epochs: int = 3, rate: float = 0.03, **values: Any) -> TrainingSettings:
    loop = LoopConfig(epochs=epochs, batch_size=8, learning_rate=rate, schedule="constant", checkpoint_every=1)
    return TrainingSettings(loop=loop, **values)


def trained(settings: FilterSettings = SETTINGS, how: TrainingSettings | None = None, seed: int = 3, **more) -> Trained:
    return train_filter(HISTORIES, settings, how or training(), seed=seed, **more)


def bytes_of(found: GraphFilter) -> list[bytes]:
    part = found.parts["trained"]
    assert isinstance(part, Completed)
    return [part.low.before.tobytes(), part.low.after.tobytes()]


@pytest.mark.parametrize("settings", [SETTINGS, FilterSettings(walk=0, ridge=0, smooth=1, frequencies=5)])
def test_before_anything_is_learned_it_is_the_closed_form(settings):
    """To rounding, beside the other parts, which stay as they are."""
    found, closed = trained(settings, training(1, STILL)).graph_filter, fit_filter(HISTORIES, settings)
    assert set(found.parts) == {name if name != "smooth" else "trained" for name in closed.parts}
    assert (found.settings.trained, found.settings.smooth) == (settings.smooth, 0)
    expected = closed.scores(HISTORIES)
    np.testing.assert_allclose(found.scores(HISTORIES), expected, rtol=1e-3, atol=1e-3 * expected.mean())


def test_where_the_closed_form_had_no_low_pass_it_starts_from_one():
    """Which then counts whole, with something beyond its frequencies."""
    found = trained(FilterSettings(frequencies=8, beyond=0), training(1, STILL)).graph_filter
    start = fit_filter(HISTORIES, FilterSettings(smooth=1, frequencies=8, beyond=0.1))
    assert (found.settings.trained, found.settings.smooth) == (1, 0)
    np.testing.assert_allclose(found.scores(HISTORIES), start.scores(HISTORIES), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "how",
    [{}, {"layers": 1}, {"layers": 1, "fanout": 3}, {"candidates": 70}],
    ids=["as it is", "smoothed", "drawn neighbours", "drawn candidates"],
)
def test_it_learns_and_one_seed_gives_one_filter(how):
    """The loss falls; to the byte, whatever was drawn before; another seed gives another filter."""
    found = trained(how=training(12, **how))
    assert min(found.report.losses[-2:]) < 0.95 * found.report.losses[0]
    torch.manual_seed(99)
    assert bytes_of(trained(how=training(12, **how)).graph_filter) == bytes_of(found.graph_filter)
    assert bytes_of(trained(how=training(12, **how), seed=4).graph_filter) != bytes_of(found.graph_filter)


def test_it_is_judged_after_each_epoch_and_goes_back_to_the_best():
    """As what it then is: a filter like any other."""
    judged: list[GraphFilter] = []

    def validate(found: GraphFilter) -> float:
        judged.append(found)
        return [0.1, 0.9, 0.2, 0.3][len(judged) - 1]

    how = training(4)
    patient = how.model_copy(update={"loop": how.loop.model_copy(update={"patience": 4})})
    found = trained(how=patient, validate=validate)
    assert found.report.best_epoch == 2
    assert len(judged) == 4
    assert bytes_of(found.graph_filter) == bytes_of(judged[1])
    assert len({bytes_of(each)[0] for each in judged}) == 4


@pytest.mark.parametrize("most_dense", [10_000, 10])
def test_a_trained_filter_comes_back_as_it_was_written(tmp_path, monkeypatch, most_dense):
    """The same scores to the bit; beside it a student finds vectors to start from."""
    monkeypatch.setattr(graph_filter, "MOST_DENSE_ITEMS", most_dense)
    model = FilterModel(trained().graph_filter, WORLD.items_map)
    assert set(model.graph_filter.parts) == ({"walk", "ridge", "trained"} if most_dense > 10 else {"trained"})
    bundle = model.write(tmp_path / "gnn", Model.GNN, {}, {})
    again = read(open_bundle(bundle.folder))
    assert again.graph_filter.settings == model.graph_filter.settings
    users = np.arange(len(HISTORIES))
    assert again.at(VIEW).for_users(users).tobytes() == model.at(VIEW).for_users(users).tobytes()
    remembered, scored = again.factors(24)
    beside = model.graph_filter.scores(of_items(len(WORLD.items_map)))
    own = beside > 0.1 * beside.max()
    assert (remembered @ scored.T)[own].mean() > 10 * np.abs((remembered @ scored.T)[~own]).mean()


@pytest.mark.parametrize("sizes", [[], [1, 1, 0], [3, 1, 0]])
def test_of_what_nobody_wanted_beside_anything_nothing_can_be_learned(sizes):
    """It says so; whoever asks first need not run into it."""
    starts = np.r_[0, np.cumsum(sizes)].astype(int)
    items = np.concatenate([np.arange(size) for size in sizes] or [np.zeros(0, int)])
    few = Histories(starts, items, np.ones(len(items), np.float32), np.ones(len(items), np.float32), 5)
    assert not can_train(few)
    with pytest.raises(InputError, match="expected 2 histories of more than one item at least, but found"):
        train_filter(few, SETTINGS, training(1), seed=1)


def config(trained: str, **values: Any) -> GraphConfig:
    return GraphConfig(ds=day(7), trials=1, trained=trained, training=training(**values))


def learned(trained: str, checkpoint: Path | None = None, observe=graph_learning.ignore, **values: Any) -> Learned:
    return learn(config(trained, **values), CHOOSES, VIEW, 3, checkpoint, observe)


def test_where_training_is_not_wanted_there_is_none(monkeypatch):
    """What is learned is the closed form of the settings that were chosen."""
    monkeypatch.setattr(graph_learning, "train_filter", None)
    found = learned("never")
    assert found.gain is None
    assert found.choice.settings == START.for_catalogue(len(VIEW.items))
    closed = fitted(VIEW, found.choice.settings).graph_filter
    np.testing.assert_array_equal(found.model.graph_filter.scores(VIEW.histories), closed.scores(VIEW.histories))


def test_what_training_adds_nothing_to_stays_in_closed_form():
    """By no more than chance on the days that choose: the model is that of no training."""
    found, never = learned("always", epochs=1, rate=STILL), learned("never")
    assert found.gain == pytest.approx(0, abs=1e-6)
    assert (found.choice, set(found.model.graph_filter.parts)) == (never.choice, {"walk", "ridge"})
    scores = [each.model.graph_filter.scores(VIEW.histories) for each in (found, never)]
    np.testing.assert_array_equal(*scores)


def test_what_training_adds_is_taken_and_learned_again_from_all():
    """For as many epochs as were best, on all that may be learned from."""
    told: list[float] = []
    found = learned(
        "always", epochs=8, observe=lambda name, value, _: told.append(value) if name == "epoch/validation" else None
    )
    assert found.gain > 0
    assert found.gain == pytest.approx(max(told) - found.choice.tried[0][1], abs=1e-6)
    best = 1 + int(np.argmax(told))
    again = train_filter(VIEW.histories, found.choice.settings, training(best), seed=3).graph_filter
    assert bytes_of(found.model.graph_filter) == bytes_of(again)
    assert found.model.graph_filter.settings == again.settings


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [2, 8])
def test_a_night_that_was_killed_learns_the_same_teacher(tmp_path: Path, after):
    """From the checkpoints of both its fits, wherever the first one stood."""
    checkpoint = tmp_path / "last.pt"

    def die(name: str, value: float, number: int) -> None:
        if name == "epoch/validation" and number == after:
            raise Killed

    with pytest.raises(Killed):
        learned("always", checkpoint, die, epochs=8)
    assert [path.name for path in tmp_path.iterdir()] == ["last.choosing.pt"]
    told: list[int] = []
    again = learned("always", checkpoint, lambda name, _, number: told.append(number), epochs=8)
    assert min(told) >= after
    assert bytes_of(again.model.graph_filter) == bytes_of(learned("always", epochs=8).model.graph_filter)
    assert bytes_of(learned("always", checkpoint, epochs=8).model.graph_filter) == bytes_of(again.model.graph_filter)


def test_where_there_is_nothing_to_train_from_the_closed_form_is_learned(monkeypatch):
    """Rather than nothing at all."""
    monkeypatch.setattr(graph_learning, "can_train", lambda histories: histories is not HISTORIES)
    assert set(learned("always").model.graph_filter.parts) == {"walk", "ridge"}
