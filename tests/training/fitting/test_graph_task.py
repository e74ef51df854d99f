"""What is hidden of histories is what is to be found, among all items or among those that are drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from tests.training.worlds import GroupWorld
from training.data.histories import Histories
from training.fitting.graph_task import GraphAims, GraphTask, Hiding
from training.fitting.loop import FitReport, LoopConfig, fit
from training.fitting.seeding import deterministic, generator
from training.models.filter_parts import Completed, given_by
from training.models.graph_filter import FilterSettings, fit_filter
from training.models.light_gcn import LightGcn

CPU = torch.device("cpu")
WORLD = GroupWorld().view(6).histories
N_ITEMS = WORLD.n_items
AIMS = GraphAims(sharpness=20.0)
LOOP = LoopConfig(epochs=6, batch_size=8, learning_rate=0.03, schedule="constant", checkpoint_every=1)
LOW_PASS = FilterSettings(walk=0, ridge=0, smooth=1, frequencies=6)


def new_task(aims: GraphAims = AIMS, layers: int = 0, seed: int = 5, kind: type[GraphTask] = GraphTask) -> GraphTask:
    part = fit_filter(WORLD, LOW_PASS).parts["smooth"]
    assert isinstance(part, Completed)
    entering, leaving = (np.where(end > 0, end, 1)[:, None] for end in (part.entering, part.leaving))
    module = LightGcn(part.low.before / entering, part.low.after / leaving, layers)
    return kind(module, part, asked_of(WORLD), aims, seed)


def asked_of(histories: Histories) -> csr_matrix:
    return histories.matrix(np.ones(len(histories.items), np.float32))


def fitted(task: GraphTask, seed: int = 5, **more: Any) -> FitReport:
    return fit(task, LOOP, seed=seed, device=CPU, **more)


def rows_of(batch: Hiding) -> list[tuple[int, ...]]:
    return [tuple(row[row >= 0].tolist()) for row in batch.items]


def own(histories: Histories) -> list[tuple[int, ...]]:
    asked = asked_of(histories)
    return [tuple(row.indices.tolist()) for row in asked]


def same(one: Hiding, other: Hiding) -> bool:
    return all(torch.equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(Hiding))


def test_every_history_of_more_than_one_item_comes_once_an_epoch():
    """Whole, in batches of the size asked for; one of a single item or none has nothing to hide."""
    few = Histories(np.array([0, 1, 1, 4, 6]), np.array([3, 0, 2, 4, 1, 3]), np.ones(6), np.ones(6), N_ITEMS)
    task = GraphTask(new_task().module, new_task()._part, asked_of(few), AIMS, 1)
    assert task.examples == 2
    assert sorted(row for batch in task.batches(0, 1) for row in rows_of(batch)) == [(0, 2, 4), (1, 3)]
    batches = list(new_task().batches(3, 7))
    assert [len(batch.items) for batch in batches] == [7, 7, 7, 3]
    assert Counter(row for batch in batches for row in rows_of(batch)) == Counter(own(WORLD))


def test_about_the_share_is_hidden_and_something_is_always_shown():
    """Of every history at least one item, however much is to be hidden."""
    for share in (0.1, 0.3, 0.99):
        batches = [batch for epoch in range(6) for batch in new_task(replace(AIMS, hidden=share)).batches(epoch, 24)]
        there = torch.cat([(batch.items >= 0) for batch in batches])
        hidden = torch.cat([batch.hidden for batch in batches])
        assert not hidden[~there].any()
        assert (there & ~hidden).any(dim=1).all()
        assert float(hidden.sum() / there.sum()) == pytest.approx(min(share, 0.96), abs=0.03)


def test_of_a_long_history_some_items_count_and_others_the_next_time():
    """Drawn anew for each epoch, none twice, each from the own history."""
    task = new_task(replace(AIMS, longest=5))
    seen = []
    for epoch in range(2):
        (batch,) = task.batches(epoch, 24)
        assert batch.items.shape == (24, 5)
        assert all(len(set(row)) == 5 for row in rows_of(batch))
        assert all(any(set(row) <= set(whole) for whole in own(WORLD)) for row in rows_of(batch))
        seen.append(set(rows_of(batch)))
    assert not seen[0] & seen[1]


def test_batches_follow_from_seed_and_epoch():
    """Asked again they are the same, also when only the last ones are; another seed or epoch gives others."""
    for aims in (AIMS, replace(AIMS, candidates=60)):
        first, again = (list(new_task(aims).batches(2, 7)) for _ in range(2))
        assert all(same(one, other) for one, other in zip(first, again, strict=True))
        others = [next(new_task(aims, seed=6).batches(2, 7)), next(new_task(aims).batches(1, 7)), first[1]]
        assert not any(other.items.shape == first[0].items.shape and same(first[0], other) for other in others)


def weights_of(batch: Hiding) -> csr_matrix:
    """What is shown of each history, by the root of its number."""
    shown = np.zeros((len(batch.items), N_ITEMS), np.float32)
    for row, (items, hidden) in enumerate(zip(batch.items.tolist(), batch.hidden.tolist(), strict=True)):
        kept = [item for item, gone in zip(items, hidden, strict=True) if item >= 0 and not gone]
        shown[row, kept] = len(kept) ** -0.5
    return csr_matrix(shown)


@pytest.mark.parametrize("candidates", [50_000, 60])
def test_before_any_learning_scores_are_those_of_the_filter(candidates):
    """For what is shown, of the candidates."""
    task = new_task(replace(AIMS, candidates=candidates))
    batch = next(task.batches(0, 8))
    expected = given_by(task._part, weights_of(batch))[:, batch.candidates]
    np.testing.assert_allclose(task.scores(batch).detach(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("candidates", [50_000, 60])
def test_the_loss_is_that_of_a_plain_loop(candidates):
    """Of each user the surprise at each hidden candidate, among all candidates but those shown, by the root of their
    number; corrected for how likely each candidate was."""
    task = new_task(replace(AIMS, candidates=candidates))
    batch = next(task.batches(1, 8))
    logits = task.scores(batch).detach().double().numpy() * AIMS.sharpness - batch.log_chance.numpy()
    place_of = {item: place for place, item in enumerate(batch.candidates.tolist())}
    losses = []
    for row, (items, hidden) in enumerate(zip(batch.items.tolist(), batch.hidden.tolist(), strict=True)):
        shown = {place_of.get(item) for item, gone in zip(items, hidden, strict=True) if item >= 0 and not gone}
        wanted = [place_of[item] for item, gone in zip(items, hidden, strict=True) if gone and item in place_of]
        others = [place for place in place_of.values() if place not in shown]
        total = np.logaddexp.reduce(logits[row, others])
        losses.append(sum(total - logits[row, place] for place in wanted) / max(len(wanted), 1) ** 0.5)
    assert task.loss(batch)["loss"].item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_where_nothing_is_hidden_nothing_surprises():
    """Rather than a number that is none."""
    task = new_task()
    batch = next(task.batches(0, 8))
    nothing = replace(batch, hidden=torch.zeros_like(batch.hidden))
    assert task.loss(nothing)["loss"].item() == 0


def test_a_batch_in_pieces_is_the_batch():
    """The loss of the whole is the mean of its pieces by their examples, and so is its gradient."""
    whole, cut = (new_task(replace(AIMS, candidates=60), layers=1) for _ in range(2))
    batch = next(whole.batches(0, 11))
    expected = whole.loss(batch)["loss"]
    expected.backward()
    told = 0.0
    for start, end in ((0, 4), (4, 11)):
        piece = cut.loss(cut.take(batch, start, end))["loss"] * (end - start) / cut.size(batch)
        piece.backward()
        told += piece.item()
    assert told == pytest.approx(expected.item(), rel=1e-5)
    for one, other in zip(whole.module.parameters(), cut.module.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6)


def test_candidates_are_what_is_hidden_and_others_by_their_share_of_wants():
    """As many as may be at most; all that is hidden is among them, unless that alone is more, and then any of it."""
    for most in (100, 60, 20):
        for batch in new_task(replace(AIMS, candidates=most)).batches(0, 8):
            wanted, candidates = set(batch.items[batch.hidden].tolist()), batch.candidates.tolist()
            assert len(candidates) == len(set(candidates)) <= most
            assert candidates == sorted(candidates)
            if len(wanted) <= most:
                assert wanted <= set(candidates)
            else:
                assert set(candidates) < wanted
                assert candidates != sorted(wanted)[:most]
            expected = [candidates.index(item) if item in candidates else -1 for item in batch.items.ravel().tolist()]
            assert batch.places.ravel().tolist() == expected


def test_how_likely_a_candidate_was_is_how_often_it_comes():
    """Over many draws, what is hidden drawn by the shares as well."""
    task, counts, draws = new_task(replace(AIMS, candidates=40)), np.zeros(N_ITEMS), 2_000
    told = np.full(N_ITEMS, np.nan)
    for number in range(draws):
        chance = generator(3, number)
        candidates, log_chance = task._candidates(chance.choice(N_ITEMS, 15, p=task._shares), chance)
        counts[candidates] += 1
        told[candidates] = np.exp(log_chance)
    wanted = task._shares > 0
    np.testing.assert_allclose(counts[wanted] / draws, told[wanted], atol=0.05)
    assert not counts[~wanted].any()


@pytest.mark.parametrize(
    ("aims", "layers"),
    [(AIMS, 0), (AIMS, 1), (replace(AIMS, fanout=3), 1), (replace(AIMS, candidates=60), 0)],
    ids=["as it is", "smoothed", "drawn neighbours", "drawn candidates"],
)
def test_the_loss_falls_and_one_seed_gives_one_model(aims, layers):
    """Epoch by epoch, however it is taught; to the byte, whatever was drawn before."""
    first, again, other = (new_task(aims, layers, seed) for seed in (5, 5, 6))
    report = fitted(first)
    assert report.losses[-1] < 0.95 * report.losses[0]
    torch.manual_seed(99)
    assert fitted(again) == report
    assert bytes_of(first) == bytes_of(again)
    fitted(other)
    assert bytes_of(other) != bytes_of(first)


def bytes_of(task: GraphTask) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for parameter in task.module.parameters()]


class Killed(Exception):
    pass


class Dying(GraphTask):
    losses = 0

    def loss(self, batch: Hiding) -> dict[str, torch.Tensor]:
        self.losses += 1
        if self.losses == 8:
            raise Killed
        return super().loss(batch)


def test_a_fit_that_was_killed_goes_on_as_if_nothing_had_been(tmp_path):
    """In the middle of an epoch, with neighbours and candidates drawn: the same weights to the byte."""
    aims = replace(AIMS, fanout=2, candidates=60)
    whole = new_task(aims, 1)
    report = fitted(whole)
    with pytest.raises(Killed):
        fitted(new_task(aims, 1, kind=Dying), checkpoint=tmp_path / "fit.pt")
    again = new_task(aims, 1)
    assert fitted(again, checkpoint=tmp_path / "fit.pt") == report
    assert bytes_of(again) == bytes_of(whole)


def test_drawn_smoothing_scores_as_the_whole_on_average():
    """Of many draws the mean score is near that of the whole graph."""
    whole, drawn = new_task(AIMS, 1), new_task(replace(AIMS, fanout=8), 1)
    batch = next(whole.batches(0, 4))
    with torch.no_grad(), deterministic(0):
        expected = whole.scores(batch)
        draws = torch.stack([drawn.scores(batch) for _ in range(400)])
    error = draws.std(dim=0) / len(draws) ** 0.5
    assert ((draws.mean(dim=0) - expected).abs() <= 5 * error + 1e-4).all()
