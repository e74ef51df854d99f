"""Rankings judged one query after another, as the definitions read: what the arrays are held against."""

from __future__ import annotations

import math

import numpy as np

from training.evaluation.ranking import Sets


def sets_of(lists: list[set[int]]) -> Sets:
    rows = [row for row, items in enumerate(lists) for _ in items]
    return Sets.of(np.array(rows, dtype=np.int64), np.array([i for s in lists for i in s], dtype=np.int64), len(lists))


def ranked(scores: list[float], hidden: set[int], k: int) -> list[int]:
    items = [item for item in range(len(scores)) if item not in hidden and scores[item] != -math.inf]
    return sorted(items, key=lambda item: (-scores[item], item))[:k]


def measures(shown: list[int], relevant: set[int], k: int) -> dict[str, float]:
    """Every measure of one list."""
    hits = [place for place, item in enumerate(shown[:k]) if item in relevant]
    ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(relevant))))
    return {
        f"recall_at_{k}": len(hits) / len(relevant),
        f"ndcg_at_{k}": sum(1 / math.log2(place + 2) for place in hits) / ideal,
        f"map_at_{k}": sum((n + 1) / (place + 1) for n, place in enumerate(hits)) / min(k, len(relevant)),
        f"mrr_at_{k}": 1 / (hits[0] + 1) if hits else 0.0,
        f"precision_at_{k}": len(hits) / k,
        f"hit_rate_at_{k}": float(bool(hits)),
    }
