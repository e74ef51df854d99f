"""What a batch of the towers holds, and that what is learned does not depend on how it is cut."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.tiny import day
from tests.training.small_towers import CUT, LOOP, NIGHTS, SEED, WORLD, config, new_task, taught, teacher
from training.data.histories import Histories
from training.fitting.distributed import CPU
from training.fitting.tower_task import TowerBatch, TowerPick, TowerTask
from training.two_tower import lessons_of, teach

USERS = WORLD.groups * WORLD.users
EXAMPLES = len(NIGHTS) * USERS
SOME = {"candidates": 60, "hard": 10}
"""Fewer candidates than there are items, so that they are drawn."""


def weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}


def equal(some, others) -> bool:
    """To the bit."""
    return all(some[name].tobytes() == others[name].tobytes() for name in some)


def one_pick(**values) -> tuple[TowerPick, TowerBatch]:
    task = new_task(teacher(), **values)
    pick = next(task.batches(0, USERS))
    return pick, task.place(pick, CPU)


def test_the_loss_falls():
    """Alone and with a teacher, each of its parts."""
    for by in (None, teacher()):
        curves = taught(by=by)[1].curves
        assert set(curves) - {"gradient_norm"} == ({"loss", "task", "distilled"} if by else {"loss"})
        for name in set(curves) - {"gradient_norm"}:
            assert curves[name][-1] < 0.7 * curves[name][0]


def test_one_seed_gives_one_model_to_the_bit():
    """With drawn candidates and newcomers; another seed gives another model."""
    few = LOOP.model_copy(update={"epochs": 2})
    first, again, other = (weights(taught(seed, teacher(), loop=few, **SOME)[0]) for seed in (SEED, SEED, SEED + 1))
    assert equal(first, again)
    assert not equal(first, other)


@pytest.mark.parametrize("size", [5, 24, 30, 1000])
def test_every_example_comes_once_an_epoch(size):
    """Whatever the size of a batch, of one night each, in another order in another epoch; asked again, the same."""
    task = new_task()
    epochs = [[(pick.night.night, pick.examples.tolist()) for pick in task.batches(epoch, size)] for epoch in (0, 0, 1)]
    for picks in epochs:
        seen = [(night, example) for night, examples in picks for example in examples]
        assert len(seen) == len(set(seen)) == EXAMPLES == task.examples
        assert max(len(examples) for _, examples in picks) <= min(1.5 * size, USERS)
    assert epochs[0] == epochs[1] != epochs[2]


@pytest.mark.parametrize("values", [{}, SOME])
def test_pieces_add_up_to_the_loss_of_the_whole_batch(values):
    """Each by its share of the examples, with all candidates and with drawn ones."""
    task = new_task(teacher(), **values)
    task.module.eval()
    for pick in list(task.batches(0, USERS))[:2]:
        whole = task.loss(task.place(pick, CPU))
        cuts = [0, 5, 6, task.size(pick)]
        pieces = [
            (end - start, task.loss(task.place(task.take(pick, start, end), CPU))) for start, end in pairwise(cuts)
        ]
        for name, value in whole.items():
            added = sum(size * float(part[name].detach()) for size, part in pieces) / task.size(pick)
            assert added == pytest.approx(float(value.detach()), rel=1e-4)


def test_where_the_catalogue_is_small_everything_is_a_candidate():
    """And nothing has to be corrected for a draw."""
    pick, batch = one_pick()
    assert pick.candidates.tolist() == list(range(len(WORLD.items_map)))
    assert batch.log_chance is None
    assert batch.given is not None
    assert batch.given.shape == (USERS, len(WORLD.items_map))


def test_drawn_candidates_hold_every_want_of_the_batch():
    """No more than asked for beside the wants, each once, with how likely its draw was."""
    task = new_task(teacher(), **SOME)
    wanted_in_all = np.concatenate([night.wanted for night in task._nights])
    shares = np.bincount(wanted_in_all, minlength=len(WORLD.items_map)) / len(wanted_in_all)
    for pick in task.batches(0, USERS):
        batch, night = task.place(pick, CPU), pick.night
        own = np.concatenate([night.wanted[night.starts[e] : night.starts[e + 1]] for e in pick.examples])
        assert set(own) <= set(pick.candidates)
        assert (np.diff(pick.candidates) > 0).all()
        assert len(pick.candidates) <= max(60, len(set(own)) + 10)
        assert pick.candidates[batch.wanted].tolist() == own.tolist()
        drawn = max(60 - len(set(own)) - 10, 0) + 10
        expected = [math.log(len(own) * shares[item] + drawn / len(shares)) for item in pick.candidates]
        assert batch.log_chance.tolist() == pytest.approx(expected, rel=1e-4)


def test_a_catalogue_just_above_the_candidates_is_drawn_from():
    """Also one smaller than what counts as high in the teacher's list."""
    task = new_task(teacher(), candidates=len(WORLD.items_map) - 1, hard=100)
    assert all(len(pick.candidates) < len(WORLD.items_map) for pick in task.batches(0, USERS))


def test_what_a_user_had_wanted_is_left_out_and_what_is_wanted_is_not():
    """Row by row as the night knew it; each user's wants share a weight of one."""
    pick, batch = one_pick(**SOME)
    rows = batch.left_out.numpy()
    for place, example in enumerate(pick.examples):
        histories = pick.night.histories
        known = set(histories.items[histories.starts[example] : histories.starts[example + 1]])
        assert set(pick.candidates[rows[place]]) == known & set(pick.candidates)
    assert not rows[batch.rows, batch.wanted].any()
    sums = np.bincount(batch.rows.numpy(), batch.weights.numpy())
    np.testing.assert_allclose(sums, np.ones(len(pick.examples)), rtol=1e-5)


def test_what_is_forgotten_of_a_history_is_hidden_from_towers_and_teacher_alike():
    """It is set against nobody all the same; where nothing is forgotten the histories are whole."""
    asked: list[Histories] = []
    by = teacher()

    def given(histories: Histories) -> np.ndarray:
        asked.append(histories)
        return by.logits(histories)

    whole = next(new_task(by, forgotten=0.0).batches(0, USERS)).histories
    task = new_task(by, forgotten=0.9)
    task._teacher = given
    pick = next(task.batches(0, USERS))
    batch = task.place(pick, CPU)
    assert batch.history[1].tolist() == asked[0].items.tolist() == pick.histories.items.tolist()
    assert 0.3 * len(whole.items) < len(pick.histories.items) < 0.8 * len(whole.items)
    assert int(batch.left_out.sum()) >= len(whole.items) > len(pick.histories.items)


def test_newcomers_are_shown_without_their_ids_and_counts():
    """About as many as asked for; other candidates are shown as they are."""
    task = new_task(teacher(), cold_share=0.5)
    pick = next(task.batches(0, USERS))
    batch = task.place(pick, CPU)
    assert 0.3 < pick.cold.mean() < 0.7
    known, newcomers = pick.night.item_inputs.numbers, task._newcomers[pick.night.night].numbers
    assert not np.array_equal(known, newcomers)
    expected = np.where(pick.cold[:, None], newcomers, known)
    np.testing.assert_array_equal(batch.items.numbers.numpy(), expected)
    task.module.eval()
    scores = task._scores(batch)
    with torch.no_grad():
        task.module.ids[torch.from_numpy(np.flatnonzero(pick.cold))] += 1.0
    changed = task._scores(batch) - scores
    assert torch.equal(changed, torch.zeros_like(changed))


def test_without_ids_nothing_is_remembered():
    """Vectors of ids stay zero, and what is learned is learned of features."""
    module, report = taught(by=teacher(), with_ids=False)
    assert not module.ids.any()
    assert not module.remembered.any()
    assert report.losses[-1] < report.losses[0]


def test_the_memory_of_a_user_is_the_weighted_sum_of_what_was_wanted():
    """Also for a batch in which nobody has a history."""
    _, batch = one_pick()
    module = new_task().module
    starts, items, fresh = batch.history
    found = module.recalled(starts, items, fresh).detach().numpy()
    remembered = module.remembered.detach().numpy()
    for row, (start, end) in enumerate(pairwise(starts.tolist())):
        expected = (remembered[items[start:end]] * fresh[start:end, None].numpy()).sum(axis=0)
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
    nobody = module.recalled(torch.zeros(3, dtype=torch.int64), items[:0], fresh[:0])
    assert torch.equal(nobody, torch.zeros(2, module.ids.shape[1]))


def test_the_teachers_vectors_are_what_the_student_begins_with():
    """At the rows of the items that the teacher knows; the others keep their own."""
    module = new_task().module
    own = module.ids.detach().clone()
    given = torch.full_like(own, torch.nan)
    given[:3] = 7.0
    module.start_from(given, given)
    for vectors in (module.ids, module.remembered):
        assert (vectors[:3] == 7).all()
    assert torch.equal(module.ids[3:], own[3:])


def test_a_night_after_which_nobody_wants_anything_new_teaches_nothing():
    """It is left out of the lessons."""
    features = {day(night): WORLD.features(night) for night in (CUT - 1, CUT + 1)}
    lessons = lessons_of(features, WORLD.wants(CUT + 1))
    assert len(lessons.nights) == 1
    assert len(lessons.newcomers) == 1


def test_what_nobody_has_met_is_a_newcomer_and_what_was_not_there_yet_is_no_candidate_for_anybody():
    """Where nothing was counted of an item its id stays at nothing; where nothing at all is known of it, it is set
    against nobody, unless somebody then wanted it."""
    absent, unmet = (WORLD.items_map.ids.to_pylist().index(WORLD.item(0, WORLD.items + n)) for n in range(2))
    features = {day(night): WORLD.features(night) for night in NIGHTS}
    for night, known in features.items():
        gone = {name: blanked(known.items[name], absent) for name in known.items.column_names}
        features[night] = replace(known, items=pa.table(gone))
    lesson = lessons_of(features, WORLD.wants(CUT + 1))
    for night in lesson.nights:
        assert np.flatnonzero(night.absent).tolist() == [absent]
        assert night.unmet[[absent, unmet]].all()
    module = teach(config(loop=LOOP.model_copy(update={"epochs": 1})), lesson, None, WORLD.items_map, SEED)[0]
    assert not module.ids[[absent, unmet]].any()
    assert module.ids[:5].any()
    task = TowerTask(module, lesson.nights, lesson.newcomers, config().aims(), None, SEED)
    batch = task.place(next(task.batches(0, USERS)), CPU)
    assert batch.left_out[:, absent].all()
    assert not batch.left_out[:, unmet].any()
    assert batch.cold[unmet]


def blanked(column: pa.ChunkedArray, row: int) -> pa.Array:
    values = column.to_pylist()
    return pa.array([*values[:row], None, *values[row + 1 :]], column.type)
