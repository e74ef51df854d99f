"""Features and likings count by what each says on days that neither has seen."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from daybreak.features.encoder import FIRST_WORD
from training.data.rows import Batch
from training.joined_likings import shares_of
from training.models.likings import Likings
from training.models.ranker import Ranker

ROWS, HEADS = 20_000, ("clicked", "carted", "purchased")


def batch(logits: Tensor, shown: bool = True) -> Batch:
    """Rows that were clicked, carted and bought as these logits say, each after the one before."""
    draw = torch.Generator().manual_seed(3)
    labels = (torch.rand(ROWS, len(HEADS), generator=draw) < torch.sigmoid(logits)[:, None]).float().cumprod(dim=1)
    return {"numbers": torch.zeros(ROWS, 1), "words": torch.zeros(ROWS, 1, dtype=torch.int64),
            "vectors": torch.zeros(ROWS, 0), "labels": labels,
            "position": torch.full((ROWS,), int(shown))}  # fmt: skip


class Told(Ranker):
    """A ranker whose two sides say what they are told to."""

    def __init__(self, features: Tensor, liked: Tensor) -> None:
        super().__init__(1, (5,), 0, heads=HEADS, surfaces=1, positions=1)
        self.told = [side[:, None].expand(-1, len(HEADS)) for side in (features, liked)]
        self.at = 0

    def apart(self, numbers: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        rows = slice(self.at, self.at + len(numbers))
        self.at += len(numbers)
        return self.told[0][rows], self.told[1][rows]


def shares(features: Tensor, liked: Tensor, rows: Batch) -> Tensor:
    likings = Likings((5 + FIRST_WORD,), user=0, item=0, kind=None, width=1, heads=len(HEADS))
    return shares_of(Told(features, liked), likings, rows)


def sides() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(5)
    return torch.randn(ROWS, generator=draw), torch.randn(ROWS, generator=draw)


def test_each_counts_as_much_as_it_says_in_every_head() -> None:
    features, liked = sides()
    found = shares(features, liked, batch(0.7 * features + 0.4 * liked))
    assert torch.allclose(found, torch.tensor([[0.7], [0.4]]).expand(-1, len(HEADS)), atol=0.1)


def test_likings_that_say_nothing_or_the_opposite_do_not_count() -> None:
    features, liked = sides()
    assert shares(features, liked, batch(features))[1].max() < 0.05
    assert shares(features, liked, batch(features - liked))[1].tolist() == [0.0] * len(HEADS)


def test_without_rows_that_were_shown_features_count_alone() -> None:
    features, liked = sides()
    found = shares(features, liked, batch(liked, shown=False))
    assert found.tolist() == [[1.0] * len(HEADS), [0.0] * len(HEADS)]
