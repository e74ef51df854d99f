"""What retrieval models are taught by: to rank what was wanted above the rest, and as the teacher ranks.

Scores come as a matrix, examples by candidates. Candidates that were drawn are corrected for how likely the draw was
(logQ), so that what is popular, and so drawn often as another example's want, is not pushed down for it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def wanted_above_the_rest(scores: Tensor, rows: Tensor, wanted: Tensor, weights: Tensor, left_out: Tensor) -> Tensor:
    """Softmax cross-entropy of each want against all candidates that its example neither wants nor has left out.

    `rows` and `wanted` say which example wants which candidate, `weights` its share of the example, `left_out` which
    candidates do not count.
    """
    wants = torch.zeros_like(left_out)
    wants[rows, wanted] = True
    rest = torch.logsumexp(scores.masked_fill(left_out | wants, _least(scores)), dim=1)
    losses = functional.softplus(rest[rows] - scores[rows, wanted])
    return (losses * weights).sum() / len(scores)


def as_the_teacher_ranks(scores: Tensor, teacher: Tensor, left_out: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of the student's softened list from the teacher's, scaled by T² so that its gradients
    keep their size (Hinton et al., 2015)."""
    softened, unknown = scores / temperature, left_out | teacher.isneginf()
    own = functional.log_softmax(softened.masked_fill(left_out, _least(softened)), dim=1)
    given = functional.log_softmax((teacher / temperature).masked_fill(unknown, _least(teacher)), dim=1)
    divergence = (given.exp() * (given - own)).masked_fill(unknown, 0.0).sum() / len(scores)
    return divergence * temperature**2


def _least(scores: Tensor) -> float:
    """A score that counts for nothing, and unlike minus infinity leaves gradients numbers where all scores are it."""
    return torch.finfo(scores.dtype).min / 2


def log_chance_of_draw(candidates: Tensor, popularity: Tensor, draws: int, even: int) -> Tensor:
    """The logarithm of how many times a candidate is expected among `draws` wants of other examples and `even` draws
    from the whole catalogue."""
    expected = draws * popularity[candidates] + even / len(popularity)
    return torch.log(expected.clamp(min=1e-12))


def spread(vectors: Tensor) -> Tensor:
    """How unevenly vectors lie on the sphere (uniformity of Wang and Isola, 2020); lower is more even."""
    return torch.pdist(functional.normalize(vectors, dim=1)).square().mul(-2).exp().mean().log()


def alignment(left: Tensor, right: Tensor) -> Tensor:
    """How far vectors that belong together lie apart on the sphere."""
    return (functional.normalize(left, dim=1) - functional.normalize(right, dim=1)).square().sum(dim=1).mean()
