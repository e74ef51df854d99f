"""What the ranker can learn, what it keeps to, and what it is not told of when it serves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from daybreak.features.encoder import FeatureEncoder
from training.evaluation.binary import auc
from training.models.ranker import NOWHERE, Ranker, masked_loss
from training.models.trees import Trees

ROWS = 3_000
HEADS = ("clicked", "carted", "purchased")
PLACES = 8
Inputs = tuple[Tensor, Tensor, Tensor]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def ranker(**more: Any) -> Ranker:
    torch.manual_seed(1)
    small: dict[str, Any] = {"deep": (32, 16), "experts": 2, "expert_width": 16, "head_width": 8, "cross_rank": 4}
    return Ranker(3, (5,), 2, **{"heads": HEADS, "surfaces": 2, "positions": PLACES, **small, **more})


def inputs(rows: int = ROWS, seed: int = 1) -> Inputs:
    draw = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, 3, generator=draw),
        torch.randint(0, 5, (rows, 1), generator=draw),
        torch.randn(rows, 2, generator=draw),
    )


def crossed(numbers: Tensor, seed: int = 1) -> Tensor:
    """Labels that follow whether two numbers have one sign; each is wanted only where the one before it was."""
    draw = torch.Generator().manual_seed(seed)
    wanted = numbers[:, 0] * numbers[:, 1] > 0
    chances = torch.where(wanted[:, None], torch.tensor([0.9, 0.8, 0.8]), torch.tensor([0.1, 0.4, 0.4]))
    return (torch.rand(len(numbers), 3, generator=draw) < chances).float().cumprod(dim=1)


def learn(module: Ranker, given: Inputs, labels: Tensor, place: Tensor | None = None, epochs: int = 12) -> None:
    where = torch.zeros(len(labels), dtype=torch.int64) if place is None else place
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    module.train()
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(labels)), 256):
            logits = module.where_shown(*(part[rows] for part in given), where[rows] * 0, where[rows])
            optimiser.zero_grad()
            masked_loss(logits, labels[rows], torch.ones(len(rows), 3)).sum().backward()
            optimiser.step()
    module.eval()


@pytest.mark.parametrize("mixing", ["mmoe", "ple"])
@pytest.mark.parametrize("chained", [True, False])
def test_it_finds_what_two_features_say_together(mixing: str, chained: bool) -> None:
    given, fresh = inputs(), inputs(seed=2)
    labels, truth = crossed(given[0]), crossed(fresh[0], seed=2)
    linear = torch.linalg.lstsq(given[0], labels).solution
    module = ranker(mixing=mixing, chained=chained)
    learn(module, given, labels)
    with torch.no_grad():
        logits = module(*fresh)
    for head in range(3):
        assert auc(truth[:, head], fresh[0] @ linear[:, head]) < 0.6
        assert auc(truth[:, head], logits[:, head]) > 0.8


def test_cross_layers_alone_find_what_two_features_say_together() -> None:
    given = inputs()
    labels = crossed(given[0])
    module = ranker(deep=(), cross_rank=None)
    learn(module, given, labels)
    with torch.no_grad():
        assert auc(labels[:, 2], module(*given)[:, 2]) > 0.8


@pytest.mark.parametrize("mixing", ["mmoe", "ple"])
def test_chained_chances_never_rise_from_head_to_head(mixing: str) -> None:
    numbers, words, vectors = inputs()
    with torch.no_grad():
        chances = torch.sigmoid(ranker(mixing=mixing).eval()(numbers * 20, words, vectors * 20))
    assert (chances[:, 1:] <= chances[:, :-1] * (1 + 1e-5)).all()


def test_extreme_logits_stay_finite() -> None:
    numbers, words, vectors = inputs()
    with torch.no_grad():
        logits = ranker(dropout=0.0)(numbers * 1e5, words, vectors * 1e5)
    assert torch.isfinite(logits).all()


def test_place_and_shelf_say_nothing_when_it_serves() -> None:
    module, given = ranker().eval(), inputs()
    before = module(*given)
    torch.nn.init.normal_(module.position_bias.weight[1:])
    torch.nn.init.normal_(module.surface_bias.weight[1:])
    assert torch.equal(module(*given), before)
    nowhere = torch.full((ROWS,), NOWHERE)
    assert torch.equal(module.where_shown(*given, nowhere, nowhere), before)
    assert not torch.equal(module.where_shown(*given, nowhere, nowhere + 1), before)


def test_what_the_place_did_is_not_put_down_to_the_features() -> None:
    """Items of the first feature stand on top, where everything is clicked more, and are no better."""
    draw = torch.Generator().manual_seed(1)
    given = inputs()
    place = torch.where(given[0][:, 0] > 0, 1, PLACES)
    clicked = torch.rand(ROWS, generator=draw) < torch.where(place == 1, 0.6, 0.1)
    mixed_up = torch.rand(ROWS, generator=draw) < 0.3  # some stand elsewhere, so that both can be told apart
    place = torch.where(mixed_up, PLACES + 1 - place, place)
    clicked = torch.where(mixed_up, torch.rand(ROWS, generator=draw) < torch.where(place == 1, 0.6, 0.1), clicked)
    labels = clicked.float()[:, None].expand(-1, 3)
    told, untold = ranker(chained=False), ranker(chained=False)
    learn(told, given, labels, place)
    learn(untold, given, labels)
    top = given[0][:, 0] > 0
    with torch.no_grad():
        apart = [each(*given)[top, 0].mean() - each(*given)[~top, 0].mean() for each in (told, untold)]
    assert apart[0] < apart[1] / 2
    bias = told.position_bias.weight[:, 0]
    assert bias[1] > bias[PLACES] + 1


def test_rows_that_weigh_nothing_for_a_head_say_nothing_to_it() -> None:
    logits = torch.randn(6, 3, requires_grad=True)
    weights = torch.ones(6, 3)
    weights[2:, 1] = 0
    labels, others = torch.zeros(6, 3), torch.zeros(6, 3)
    others[2:, 1] = 1
    losses = masked_loss(logits, labels, weights)
    assert torch.equal(losses, masked_loss(logits, others, weights))
    losses[1].backward()
    assert logits.grad is not None
    assert torch.count_nonzero(logits.grad[2:]) == 0


def test_trees_find_what_two_features_say_together() -> None:
    draw = np.random.default_rng(1)
    a, b = draw.normal(size=(2, ROWS))
    wanted = draw.random(ROWS) < np.where(a * b > 0, 0.9, 0.1)
    rows = pa.table({"a": a, "b": [None if n % 50 == 0 else x for n, x in enumerate(b)],
                     "w": ["x", None] * (ROWS // 2), "clicked": wanted})  # fmt: skip
    encoder = FeatureEncoder.fit([rows], ["a", "b", "w"])
    first, second = (Trees.fit(rows, encoder, ("clicked",), seed=3, iterations=30).score(rows) for _ in range(2))
    assert auc(wanted, first["clicked"]) > 0.8
    assert first["clicked"].tolist() == second["clicked"].tolist()
