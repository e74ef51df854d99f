"""Small modules whose export can be followed by hand."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from training.models.ranker import Ranker


class Mlp(nn.Module):
    """Words and numbers through two layers."""

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.layers = nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 2))

    def forward(self, numbers: Tensor, words: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat([numbers, self.words(words[:, 0])], dim=1))
        return out


def mlp_inputs(rows: int = 50) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(1)
    return {
        "numbers": torch.randn(rows, 2, generator=draw),
        "words": torch.randint(0, 7, (rows, 1), generator=draw),
    }


def ranker(mixing: str = "mmoe") -> Ranker:
    torch.manual_seed(1)
    return Ranker(5, (4, 9), 3, heads=("clicked", "carted", "purchased"), surfaces=2, positions=4, mixing=mixing).eval()  # type: ignore[arg-type]


def ranker_inputs(rows: int = 200) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(1)
    words = [torch.randint(0, count, (rows,), generator=draw) for count in (4, 9)]
    return {
        "numbers": torch.randn(rows, 5, generator=draw),
        "words": torch.stack(words, dim=1),
        "vectors": torch.randn(rows, 3, generator=draw),
    }


def size(path: Path) -> int:
    return path.stat().st_size
