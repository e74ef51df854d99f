"""Likings beside features: learned by themselves, then joined by how much each says on days that neither has seen."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from daybreak.features.encoder import FeatureEncoder
from training.data.rows import Batch, RowBatches
from training.fitting.likings_task import LikingsTask, asked
from training.fitting.loop import LoopConfig, fit
from training.fitting.seeding import deterministic
from training.models.likings import Likings
from training.models.ranker import NOWHERE, Ranker

USER, ITEM, KIND = "user_id", "item_id", "item_catalogue__category"
BATCH, RATE = 4_096, 2e-2
SCORED_AT_ONCE = 8_192
ROUNDS = 20
RIDGE = 10.0
"""Rows that outweigh that features count wholly and likings not at all."""


def join_likings(
    ranker: Ranker,
    features: FeatureEncoder,
    rows: RowBatches,
    later: Batch,
    *,
    width: int,
    epochs: int,
    seed: int,
    device: torch.device,
) -> None:
    """Learns likings of rows and joins them to what a ranker's features say, by rows of later days."""
    likings = learned_likings(features, rows, ranker, width=width, epochs=epochs, seed=seed, device=device)
    ranker.join(likings, shares_of(ranker, likings, later))


def learned_likings(
    features: FeatureEncoder,
    rows: RowBatches,
    ranker: Ranker,
    *,
    width: int,
    epochs: int,
    seed: int,
    device: torch.device,
) -> Likings:
    """Likings of these rows."""
    words = list(features.vocabularies)
    with deterministic(seed):
        likings = Likings(
            features.word_counts,
            user=words.index(USER),
            item=words.index(ITEM),
            kind=words.index(KIND) if KIND in words else None,
            width=width,
            heads=len(ranker.heads),
        )
    surfaces, positions = (bias.num_embeddings - 1 for bias in (ranker.surface_bias, ranker.position_bias))
    task = LikingsTask(likings, rows, surfaces=surfaces, positions=positions, chained=ranker.chained)
    loop = LoopConfig(epochs=epochs, batch_size=BATCH, learning_rate=RATE, warmup_share=0.2)
    fit(task, loop, seed=seed, device=device)
    return likings.cpu().eval()


def shares_of(ranker: Ranker, likings: Likings, rows: Batch) -> Tensor:
    """What features and likings count in each head: what says most of these rows, neither less than nothing."""
    ranker.eval()
    with torch.no_grad():
        parts = zip(*(torch.split(rows[name], SCORED_AT_ONCE) for name in ("numbers", "words", "vectors")), strict=True)
        features = torch.cat([ranker.by_features(*part) for part in parts]).double()
        liked = likings(rows["words"]).double()
    shown = (rows["position"] != NOWHERE)[:, None]
    weights = (asked(rows["labels"], chained=ranker.chained) * shown).double()
    labels = rows["labels"].double()
    found = [_counted(features[:, h], liked[:, h], labels[:, h], weights[:, h]) for h in range(labels.shape[1])]
    return torch.stack(found, dim=1).float()


def _counted(features: Tensor, liked: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Logistic regression on the two by Newton's steps, drawn towards features alone."""
    given = torch.stack([features, liked, torch.ones_like(liked)], dim=1)
    prior = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    held = torch.tensor([RIDGE, RIDGE, 0.0], dtype=torch.float64)
    found = prior.clone()
    for _ in range(ROUNDS):
        chance = torch.sigmoid(given @ found)
        slope = given.T @ (weights * (labels - chance)) - held * (found - prior)
        bend = (given * (weights * chance * (1 - chance))[:, None]).T @ given + torch.diag(held + 1e-9)
        found = found + torch.linalg.solve(bend, slope)
    return functional.relu(found[:2])
