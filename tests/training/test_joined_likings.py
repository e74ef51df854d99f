"""Features and likings count by what each says on days that neither has seen."""

from __future__ import annotations

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


class ToldFeatures(Ranker):
    """A ranker whose features say what the one number of a row says."""

    def __init__(self) -> None:
        super().__init__(1, (5,), 0, heads=HEADS, surfaces=1, positions=1)

    def by_features(self, numbers: Tensor, words: Tensor, vectors: Tensor) -> Tensor:
        return numbers.expand(-1, len(HEADS))


class ToldLikings(Likings):
    """Likings that say of rows what they are told to."""

    def __init__(self, liked: Tensor) -> None:
        super().__init__((5 + FIRST_WORD,), user=0, item=0, kind=None, width=1, heads=len(HEADS))
        self.told = liked

    def forward(self, words: Tensor) -> Tensor:
        return self.told[:, None].expand(-1, len(HEADS))


def shares(features: Tensor, liked: Tensor, rows: Batch) -> Tensor:
    return shares_of(ToldFeatures(), ToldLikings(liked), {**rows, "numbers": features[:, None]})


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
