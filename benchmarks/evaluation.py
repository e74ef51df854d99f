"""How fast a ranking is judged over the whole catalogue, against a loop over users: `python -m benchmarks.evaluation`.

The peers, in the same run and on the same vectors: the loop as it is commonly written (score, hide what was seen, sort
by `numpy.argsort`, look through the list), the same loop with `numpy.argpartition`, and scikit-learn's `ndcg_score`,
which is handed dense scores and gives NDCG alone. All must find the same values; scoring, a product of the same
matrices, is part of each. By the clock, with the threads that each takes by itself, and the quickest of some rounds;
beside it by the processor time of one thread, which hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import ndcg_score
from threadpoolctl import threadpool_limits

from training.evaluation.full_catalogue import evaluate
from training.evaluation.ranking import Ints, Sets

KS = (10, 20, 100)
MEASURES = ("recall", "ndcg", "map", "mrr", "precision", "hit_rate")
DIMENSIONS = 64
SEEN, WANTED = 30, 8
TARGET = 10
Means = dict[str, float]


@dataclass(frozen=True)
class Towers:
    """Vectors of users and items, and what each user has seen and wants."""

    users: np.ndarray
    items: np.ndarray
    seen: Sets
    wanted: Sets


def make_towers(users: int, items: int) -> Towers:
    chance = np.random.default_rng(1)
    pairs = [chance.integers(0, items, users * each) for each in (SEEN, WANTED)]
    seen, wanted = (Sets.of(np.repeat(np.arange(users), len(own) // users), own, users) for own in pairs)
    vectors = [chance.normal(size=(count, DIMENSIONS)).astype(np.float32) for count in (users, items)]
    return Towers(*vectors, seen, wanted)


def ours(towers: Towers) -> Means:
    queries = np.arange(len(towers.users))
    return evaluate(lambda block: towers.users[block] @ towers.items.T, queries, towers.wanted, towers.seen, KS).means


def by_argsort(scores: np.ndarray) -> Ints:
    return np.argsort(-scores)[: KS[-1]]


def by_argpartition(scores: np.ndarray) -> Ints:
    best = np.argpartition(-scores, KS[-1])[: KS[-1]]
    return best[np.argsort(-scores[best])]


def loop(towers: Towers, rank: Callable[[np.ndarray], Ints]) -> Means:
    sums: Means = dict.fromkeys([f"{name}_at_{k}" for k in KS for name in MEASURES], 0.0)
    for user, vector in enumerate(towers.users):
        scores = towers.items @ vector
        scores[items_of(towers.seen, user)] = -np.inf
        ranked = rank(scores).tolist()
        wanted = set(items_of(towers.wanted, user).tolist())
        for k in KS:
            hits = [place for place, item in enumerate(ranked[:k]) if item in wanted]
            best = sum(1 / math.log2(place + 2) for place in range(min(k, len(wanted))))
            sums[f"recall_at_{k}"] += len(hits) / len(wanted)
            sums[f"ndcg_at_{k}"] += sum(1 / math.log2(place + 2) for place in hits) / best
            sums[f"map_at_{k}"] += sum((n + 1) / (place + 1) for n, place in enumerate(hits)) / min(k, len(wanted))
            sums[f"mrr_at_{k}"] += 1 / (hits[0] + 1) if hits else 0.0
            sums[f"precision_at_{k}"] += len(hits) / k
            sums[f"hit_rate_at_{k}"] += bool(hits)
    return {name: total / len(towers.users) for name, total in sums.items()}


def by_scikit_learn(towers: Towers, block: int = 500) -> Means:
    """NDCG at 20, from dense scores of some users at once; seen items, which it cannot hide, are scored lowest."""
    total = 0.0
    for start in range(0, len(towers.users), block):
        scores = towers.users[start : start + block] @ towers.items.T
        truth = np.zeros_like(scores)
        for row in range(len(scores)):
            scores[row, items_of(towers.seen, start + row)] = -1e9
            truth[row, items_of(towers.wanted, start + row)] = 1
        total += ndcg_score(truth, scores, k=20, ignore_ties=True) * len(scores)
    return {"ndcg_at_20": total / len(towers.users)}


def items_of(sets: Sets, row: int) -> Ints:
    return sets.items[sets.starts[row] : sets.starts[row + 1]]


def measure(users: int, items: int, rounds: int) -> dict[str, Any]:
    """Each way some times in turn, ours once before to warm up, by the clock and on one thread by processor time."""
    towers = make_towers(users, items)
    ways: dict[str, Callable[[], Means]] = {
        "ours": lambda: ours(towers),
        "loop, argsort": lambda: loop(towers, by_argsort),
        "loop, argpartition": lambda: loop(towers, by_argpartition),
        "scikit-learn, NDCG@20 alone": lambda: by_scikit_learn(towers),
    }
    expected = ours(towers)
    seconds = _quickest(ways, time.perf_counter, rounds, expected)
    with threadpool_limits(1):
        processor_seconds = _quickest(ways, time.process_time, rounds, expected)
    times, on_one_thread = (
        {name: taken[name] / taken["ours"] for name in ways if name != "ours"} for taken in (seconds, processor_seconds)
    )
    return {
        "users": users,
        "items": items,
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "target": TARGET,
        "rows": [
            {"what": f"{users:,} users, {items:,} items: seconds", "value": f"{seconds['ours']:.2f}"},
            *({"what": f"{name}: times as long", "value": f"{ratio:.1f}"} for name, ratio in times.items()),
            *(
                {"what": f"{name}: times as much of one processor", "value": f"{ratio:.1f}"}
                for name, ratio in on_one_thread.items()
            ),
            {
                "what": f"argsort's loop as a multiple of the target, {TARGET} times",
                "value": f"{times['loop, argsort'] / TARGET:.2f}",
            },
        ],
    }


def _quickest(
    ways: dict[str, Callable[[], Means]], clock: Callable[[], float], rounds: int, expected: Means
) -> dict[str, float]:
    """The seconds of the quickest round of each way, all of which must find what is expected."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = clock()
            found = way()
            seconds[name].append(clock() - began)
            for metric, value in found.items():
                assert math.isclose(value, expected[metric], rel_tol=1e-6), (name, metric, value, expected[metric])
    return {name: min(taken) for name, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.users, arguments.items, arguments.rounds), indent=2))


if __name__ == "__main__":
    main()
