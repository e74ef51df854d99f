"""implicit's lists, in the peers' own environment: `benchmarks.exact_search` asks.

`python benchmarks/exact_search_peers.py FOLDER K`, where the folder holds `vectors.npz`. For every line that it is
given it recommends to all users, keeps the rows in `rows.npy` and says the seconds of the processor that it took.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares  # type: ignore[import-not-found]
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits


def main(folder: Path, k: int) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints is no answer
    with np.load(folder / "vectors.npz") as kept:
        queries, vectors = kept["queries"], kept["vectors"]
    model = AlternatingLeastSquares(factors=queries.shape[1], num_threads=1)
    model.user_factors, model.item_factors = queries, vectors
    users, seen = np.arange(len(queries)), csr_matrix((len(queries), len(vectors)), dtype=np.float32)
    with threadpool_limits(1):
        for _ in sys.stdin:
            began = time.process_time()
            rows, _ = model.recommend(users, seen, N=k, filter_already_liked_items=False)
            taken = time.process_time() - began
            np.save(folder / "rows.npy", rows)
            print(taken, file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]))
