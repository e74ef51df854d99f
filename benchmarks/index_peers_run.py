"""Public libraries that find what is nearest, in the peers' own environment: `benchmarks.indexes` asks.

`python benchmarks/index_peers_run.py NAME FOLDER`, where the folder holds `vectors.npz` and `asked.json`. Tells what
was measured in a line of JSON, and then, for each line that it is given, the rate of one more round. How a contender is
measured stands here too, and is the same for ours, but that a night finds its effort by a rule of its own: built on one
thread; the least effort looked for that reaches the target on queries for tuning, and raised until it holds on others;
then asked all of those at once, with that effort and some around it, the quickest of some rounds. Seconds are those of
the processor, and of the clock beside them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Effort = tuple[int, ...]
"""How broadly is searched; and for codes, how many entries for each that is asked for are scored again."""
SEED, K = 1, 100
FACTORS = (0.25, 0.5, 1.0, 2.0)
"""Efforts of a curve, by the effort that reaches the target."""
LONGEST = 20.0
"""Seconds of a round after which no other follows."""


@dataclass(frozen=True)
class Questions:
    """Queries that an effort is found with and others that judge it, with the true rows of each."""

    tuning: Floats
    judging: Floats
    tuning_truth: Ints
    judging_truth: Ints
    k: int
    target: float
    rounds: int


@dataclass(frozen=True)
class Point:
    """One effort, and what it is worth."""

    effort: Effort
    recall: float
    queries_per_cpu_second: float
    queries_per_second: float


@dataclass(frozen=True)
class Figures:
    """What one contender is worth: the effort that reaches the target, and some around it."""

    name: str
    build_seconds: float
    build_cpu_seconds: float
    megabytes: float
    at_target: Point
    curve: list[Point]
    sittings: list[float] = field(default_factory=list)
    """Queries a processor second at the target, in rounds that all contenders took in turn."""


class Contender(Protocol):
    """Something that is built of vectors and then searched."""

    @property
    def most(self) -> int:
        """The greatest number of an effort; 0 where nothing is to be chosen."""

    @property
    def agains(self) -> tuple[int, ...]:
        """How many times what is asked for is scored again, of which one is chosen; (1,) where nothing is."""

    def build(self, items: Floats, folder: Path) -> int:
        """Reads all vectors, and returns what it takes with them, in bytes."""

    def search(self, queries: Floats, k: int, effort: Effort) -> Ints:
        """The rows of what is nearest."""


def measured(
    name: str,
    contender: Contender,
    items: Floats,
    questions: Questions,
    folder: Path,
    tune: Callable[[Questions], Effort] | None = None,
) -> Figures:
    """Everything about one contender, whose effort is found by `tune` where that is given."""
    began, used = time.perf_counter(), time.process_time()
    size = contender.build(items, folder)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - used
    print(f"{name}: built in {cpu_seconds:.1f} s, {size / 1e6:.0f} MB", file=sys.stderr, flush=True)
    effort = tune(questions) if tune else _tuned(contender, questions)
    points = [_point(contender, questions, effort)]
    while points[-1].recall < questions.target and points[-1].effort[0] < contender.most:
        points.append(_point(contender, questions, _raised(contender, points[-1].effort, 17 / 16)))
    at_target = points[-1]
    others = dict.fromkeys(_raised(contender, at_target.effort, factor) for factor in FACTORS)
    points += [_point(contender, questions, other) for other in others if other != at_target.effort]
    print(f"{name}: {at_target}", file=sys.stderr, flush=True)
    curve = sorted(points, key=lambda each: each.recall)
    return Figures(name, seconds, cpu_seconds, size / 1e6, at_target, curve)


def recall(found: Ints, truth: Ints) -> float:
    """The share of the true rows that were found."""
    lines = np.arange(len(truth))[:, None] * (int(max(truth.max(), found.max())) + 1)
    return float(np.isin(lines + truth, (lines + found)[found >= 0]).mean())


def _tuned(contender: Contender, questions: Questions) -> Effort:
    """The quickest effort of those that are the least to reach the target, one for each way of scoring again."""
    if not contender.most:
        return (0, 1)
    found = []
    for again in contender.agains:
        number = _least(partial(_reached, contender, questions, again), contender.most, questions.target)
        began = time.process_time()
        if _reached(contender, questions, again, number) >= questions.target:
            found.append((time.process_time() - began, (number, again)))
    return min(found)[1] if found else (contender.most, contender.agains[-1])


def _reached(contender: Contender, questions: Questions, again: int, number: int) -> float:
    return recall(contender.search(questions.tuning, questions.k, (number, again)), questions.tuning_truth)


def _least(reached: Callable[[int], float], most: int, target: float) -> int:
    """The least number up to `most` that reaches the target, to a sixteenth; `most` where none does."""
    low, high = 0, 1
    while high < most and reached(high) < target:
        low, high = high, high * 2
    high = min(high, most)
    while high - low > max(high // 16, 1):
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= target else (middle, high)
    return high


def _raised(contender: Contender, effort: Effort, factor: float) -> Effort:
    number, again = effort
    if not contender.most or factor == 1:
        return effort
    raised = number + 1 if 1 < factor < 1 + 1 / number else round(number * factor)
    return min(max(raised, 1), contender.most), again


def _point(contender: Contender, questions: Questions, effort: Effort) -> Point:
    found = np.empty((0, 0), np.int64)
    seconds, cpu_seconds = np.inf, np.inf
    for _ in range(questions.rounds):
        began, used = time.perf_counter(), time.process_time()
        found = contender.search(questions.judging, questions.k, effort)
        cpu_seconds, seconds = min(cpu_seconds, time.process_time() - used), min(seconds, time.perf_counter() - began)
        if seconds > LONGEST:
            break
    asked = len(questions.judging)
    return Point(effort, recall(found, questions.judging_truth), asked / cpu_seconds, asked / seconds)


def rate(contender: Contender, questions: Questions, effort: Effort) -> float:
    """Queries a processor second in one round."""
    used = time.process_time()
    contender.search(questions.judging, questions.k, effort)
    return len(questions.judging) / (time.process_time() - used)


class Hnswlib:
    """hnswlib with its own default links and breadth, on products or on distances in a space of one place more."""

    most, agains = 4_096, (1,)

    def __init__(self, by_distance: bool) -> None:
        self.by_distance = by_distance

    def build(self, items: Floats, folder: Path) -> int:
        import hnswlib  # type: ignore[import-untyped]

        items = lengthened(items) if self.by_distance else items
        self.index = hnswlib.Index(space="l2" if self.by_distance else "ip", dim=items.shape[1])
        self.index.init_index(max_elements=len(items), ef_construction=200, M=16, random_seed=SEED)
        self.index.add_items(items, num_threads=1)
        return int(self.index.index_file_size())

    def search(self, queries: Floats, k: int, effort: Effort) -> Ints:
        if self.by_distance:
            queries = np.concatenate([queries, np.zeros((len(queries), 1), np.float32)], axis=1)
        self.index.set_ef(max(effort[0], k))
        return self.index.knn_query(queries, k, num_threads=1)[0].astype(np.int64)


class Usearch:
    """usearch with its own default links, breadth and numbers."""

    most, agains = 4_096, (1,)

    def build(self, items: Floats, folder: Path) -> int:
        from usearch.index import Index  # type: ignore[import-not-found]

        self.index = Index(ndim=items.shape[1], metric="ip")
        self.index.add(np.arange(len(items)), items, threads=1)
        return int(self.index.serialized_length)

    def search(self, queries: Floats, k: int, effort: Effort) -> Ints:
        self.index.expansion_search = max(effort[0], k)
        found = self.index.search(queries, k, threads=1)
        rows = found.keys.astype(np.int64)
        return np.where(np.arange(k) < found.counts[:, None], rows, -1)


class Scann:
    """ScaNN as its guide advises for so many: leaves, codes of two places each, and some scored again."""

    most, agains = 1, (2, 4, 8, 16)

    def build(self, items: Floats, folder: Path) -> int:
        import scann  # type: ignore[import-not-found]

        self.most = max(round(2 * len(items) ** 0.5), 1)
        builder = scann.scann_ops_pybind.builder(items, K, "dot_product").set_n_training_threads(1)
        leaves = builder.tree(self.most, max(self.most // 20, 1), training_sample_size=min(len(items), 250_000))
        codes = leaves.score_ah(2, anisotropic_quantization_threshold=0.2)
        self.index = codes.reorder(2 * K).build()
        self.index.set_num_threads(1)
        kept = folder / "scann"
        kept.mkdir()
        self.index.serialize(str(kept))
        return sum(each.stat().st_size for each in kept.iterdir())

    def search(self, queries: Floats, k: int, effort: Effort) -> Ints:
        number, again = effort
        found, _ = self.index.search_batched(queries, k, k * again, number)
        return np.asarray(found).astype(np.int64)


class Voyager:
    """Voyager with its own default links and breadth."""

    most, agains = 4_096, (1,)

    def build(self, items: Floats, folder: Path) -> int:
        import voyager  # type: ignore[import-not-found]

        self.index = voyager.Index(voyager.Space.InnerProduct, items.shape[1], random_seed=SEED)
        self.index.add_items(items, num_threads=1)
        return len(self.index.as_bytes())

    def search(self, queries: Floats, k: int, effort: Effort) -> Ints:
        found, _ = self.index.query(queries, k, num_threads=1, query_ef=max(effort[0], k))
        return np.asarray(found).astype(np.int64)


def lengthened(items: Floats) -> Floats:
    """The items with one place more, in which all are filled up to the same length."""
    squares = np.einsum("ij,ij->i", items, items, dtype=np.float64)
    return np.concatenate([items, np.sqrt(squares.max() - squares).astype(np.float32)[:, None]], axis=1)


PEERS: Mapping[str, Callable[[], Contender]] = {
    "ScaNN": Scann,
    "usearch": Usearch,
    "hnswlib": lambda: Hnswlib(by_distance=False),
    "hnswlib on distances": lambda: Hnswlib(by_distance=True),
    "Voyager": Voyager,
}


def main(name: str, folder: Path) -> None:
    with np.load(folder / "vectors.npz") as kept:
        vectors = {each: kept[each] for each in kept.files}
    items = vectors.pop("items")
    questions = Questions(**vectors, **json.loads((folder / "asked.json").read_text()))
    contender = PEERS[name]()
    figures = measured(name, contender, items, questions, folder)
    print(json.dumps(asdict(figures)), flush=True)
    for _ in sys.stdin:
        print(rate(contender, questions, figures.at_target.effort), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
