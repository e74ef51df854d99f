"""Likings are found where they are, told of those who are known alone, and drawn to nothing where nothing is seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from daybreak.features.encoder import FIRST_WORD
from training.evaluation.binary import auc
from training.fitting.likings_task import asked
from training.models.likings import Likings

USERS, ITEMS, KINDS, HEADS = 40, 30, 4, 3


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def likings(kind: int | None = 2, width: int = 3) -> Likings:
    torch.manual_seed(1)
    counts = [count + FIRST_WORD for count in (USERS, ITEMS, KINDS)]
    return Likings(counts, user=0, item=1, kind=kind, width=width, heads=HEADS)


def words(rows: int, seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    told = [torch.randint(0, count, (rows,), generator=draw) for count in (USERS, ITEMS)]
    return torch.stack([*told, told[1] % KINDS], dim=1) + FIRST_WORD


def taught(module: Likings, given: Tensor, labels: Tensor, epochs: int = 150) -> None:
    optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(epochs):
        loss = functional.binary_cross_entropy_with_logits(module(given), labels)
        (loss + module.penalty() / len(given)).backward()
        optimiser.step()
        optimiser.zero_grad()


def clicked(chances: Tensor, seed: int = 1) -> Tensor:
    drawn = torch.rand(len(chances), generator=torch.Generator().manual_seed(seed)) < chances
    return drawn.float()[:, None].expand(-1, HEADS)


@pytest.mark.parametrize("kind", [2, None])
def test_they_find_which_users_like_which_items(kind: int | None) -> None:
    draw = torch.Generator().manual_seed(7)
    users, items = (torch.randn(count, 2, generator=draw) for count in (USERS, ITEMS))
    given, asked_of = words(12_000), words(3_000, seed=2)

    def chances(rows: Tensor) -> Tensor:
        return torch.sigmoid(2 * (users[rows[:, 0] - FIRST_WORD] * items[rows[:, 1] - FIRST_WORD]).sum(dim=1) - 1)

    module = likings(kind)
    taught(module, given, clicked(chances(given)))
    with torch.no_grad():
        found = module(asked_of)[:, 0].numpy()
    best = auc(clicked(chances(asked_of), 3)[:, 0].numpy(), chances(asked_of).numpy())
    assert auc(clicked(chances(asked_of), 3)[:, 0].numpy(), found) > best - 0.05


def test_a_taste_for_a_kind_is_told_of_items_that_the_user_never_saw() -> None:
    given = words(6_000)
    given = given[(given[:, 0] != FIRST_WORD) | (given[:, 1] != FIRST_WORD)]
    fond = given[:, 2] == FIRST_WORD
    module = likings()
    taught(module, given, clicked(torch.where(fond, 0.8, 0.1)))
    unseen = torch.tensor([[FIRST_WORD, FIRST_WORD, FIRST_WORD], [FIRST_WORD, FIRST_WORD + 1, FIRST_WORD + 1]])
    with torch.no_grad():
        liked, other = module(unseen)[:, 0].tolist()
    assert liked > other + 1


@pytest.mark.parametrize("unknown", [0, 1])
def test_of_those_who_are_not_known_nothing_is_told(unknown: int) -> None:
    module = likings()
    given = words(4_000)
    taught(module, given, clicked(torch.where(given[:, 0] % 2 == 0, 0.9, 0.1)), epochs=30)
    rows = torch.tensor([[unknown, unknown, unknown], [unknown, unknown, FIRST_WORD + 1]])
    with torch.no_grad():
        found = module(rows)
    assert torch.equal(found, module.base.detach().expand(2, -1))


def test_who_was_shown_little_is_told_little_of() -> None:
    given = words(6_000)
    once = torch.tensor([[FIRST_WORD + USERS - 1, FIRST_WORD, FIRST_WORD]])
    given = torch.cat([given[given[:, 0] < FIRST_WORD + USERS - 2], once])
    often = torch.tensor([[FIRST_WORD + USERS - 2, FIRST_WORD, FIRST_WORD]]).expand(300, -1)
    given = torch.cat([given, often])
    labels = torch.full((len(given), HEADS), 0.5)
    labels[-301:] = 1.0
    module = likings()
    taught(module, given, labels)
    with torch.no_grad():
        seldom, usual = module(torch.cat([once, often[:1]]))[:, 0].tolist()
    assert 0 < seldom < usual


def test_each_head_is_asked_about_what_came_true_before_it() -> None:
    labels = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert asked(labels, chained=True).tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert asked(labels, chained=False).tolist() == [[1, 1, 1]] * 3
