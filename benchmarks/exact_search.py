"""How many users' lists one processor finds exactly in a second: `python -m benchmarks.exact_search`.

The peers, on the same vectors: FAISS' flat index of inner products, asked in batches of 4,096; all scores by torch and
`topk`; all scores by numpy, `argpartition` and a sort; and the batch `recommend` of implicit, in the peers' own
environment. Each prepares its index anew every round, on one thread, in turn, and the quickest round counts, by
processor time. All must find the same rows, or in their place rows whose scores are as high to a hundred-thousandth.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss  # type: ignore[import-untyped]
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.peer_environment import Peer
from indexing.arrays import Ints
from indexing.exact import Exact

AIM = 1.5
K = 100
BATCH, BLOCK = 4_096, 512
CLOSE = 1e-5
Way = Callable[[], tuple[float, Ints]]
"""One round: seconds of the processor, and the rows that were found."""


def make_vectors(users: int, items: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(1)
    queries, vectors = (chance.normal(size=(count, dimensions)).astype(np.float32) for count in (users, items))
    return queries, vectors


def ours(queries: np.ndarray, vectors: np.ndarray) -> Ints:
    return Exact(vectors).top_k(queries, K)[0]


def by_faiss(queries: np.ndarray, vectors: np.ndarray) -> Ints:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    starts = range(0, len(queries), BATCH)
    return np.concatenate([index.search(queries[start : start + BATCH], K)[1] for start in starts])


def by_torch(queries: np.ndarray, vectors: np.ndarray) -> Ints:
    turned = torch.from_numpy(vectors).T
    blocks = torch.from_numpy(queries).split(BLOCK)
    return torch.cat([(block @ turned).topk(K, dim=1).indices for block in blocks]).numpy()


def by_numpy(queries: np.ndarray, vectors: np.ndarray) -> Ints:
    found = []
    for start in range(0, len(queries), BLOCK):
        scores = -(queries[start : start + BLOCK] @ vectors.T)
        best = np.argpartition(scores, K, axis=1)[:, :K]
        order = np.argsort(np.take_along_axis(scores, best, 1), axis=1)
        found.append(np.take_along_axis(best, order, 1))
    return np.concatenate(found)


def timed(find: Callable[[np.ndarray, np.ndarray], Ints], queries: np.ndarray, vectors: np.ndarray) -> Way:
    def way() -> tuple[float, Ints]:
        began = time.process_time()
        rows = find(queries, vectors)
        return time.process_time() - began, rows

    return way


class Implicit:
    """implicit in a process of its own, which answers when it is asked to."""

    def __init__(self, folder: Path, queries: np.ndarray, vectors: np.ndarray) -> None:
        self._rows = folder / "rows.npy"
        np.savez(folder / "vectors.npz", queries=queries, vectors=vectors)
        self._peer = Peer("exact_search_peers.py", str(folder), str(K))
        self.end = self._peer.end

    def ask(self) -> tuple[float, Ints]:
        return float(self._peer.ask()), np.load(self._rows)


def check(name: str, found: Ints, expected: Ints, queries: np.ndarray, vectors: np.ndarray) -> None:
    """Where rows differ, their scores must be the same but for rounding."""
    users, ranks = np.nonzero(found != expected)
    wide = queries[users].astype(np.float64)
    scores = [np.vecdot(wide, vectors[rows[users, ranks]].astype(np.float64)) for rows in (found, expected)]
    assert np.allclose(*scores, rtol=CLOSE, atol=CLOSE), name
    ordered = np.sort(found, axis=1)
    assert (ordered[:, 1:] != ordered[:, :-1]).all(), name


def measure(users: int, items: int, dimensions: int, rounds: int, folder: Path) -> dict[str, Any]:
    queries, vectors = make_vectors(users, items, dimensions)
    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    implicit = Implicit(folder, queries, vectors)
    ways: dict[str, Way] = {
        "ours": timed(ours, queries, vectors),
        "FAISS, flat": timed(by_faiss, queries, vectors),
        "implicit, recommend": implicit.ask,
        "torch, matmul and topk": timed(by_torch, queries, vectors),
        "numpy, matmul and argpartition": timed(by_numpy, queries, vectors),
    }
    expected = Exact(vectors).top_k(queries, K)[0]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with threadpool_limits(1):
        for _ in range(rounds):
            for name, way in ways.items():
                taken, rows = way()
                check(name, rows, expected, queries, vectors)
                seconds[name].append(taken)
    implicit.end()
    rates = {name: users / min(taken) for name, taken in seconds.items()}
    times = {name: rates["ours"] / rate for name, rate in rates.items() if name != "ours"}
    what = f"{items:,} items of {dimensions} dimensions, the best {K}: users in a second of one processor"
    return {
        "users": users,
        "items": items,
        "dimensions": dimensions,
        "processor_seconds": seconds,
        "users_a_second": rates,
        "aim": AIM,
        "rows": [
            *({"what": f"{what}: {name}", "value": f"{rate:,.0f}"} for name, rate in rates.items()),
            *({"what": f"times as many as {name}", "value": f"{ratio:.2f}"} for name, ratio in times.items()),
            {
                "what": f"those of FAISS' flat index as a multiple of the aim, {AIM} times",
                "value": f"{times['FAISS, flat'] / AIM:.2f}",
            },
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=8_192)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.users, options.items, options.dimensions, options.rounds, Path(folder))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
