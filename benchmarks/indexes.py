"""How fast what is nearest is found at 0.95 recall, against public libraries: `python -m benchmarks.indexes`.

One world by seed, the same vectors and questions for all, one thread each. Items lie around some hundred centres whose
shares are uneven, spread along a few directions of each centre's own and a little along all; their lengths are
lognormal, as much liked items are longer. Users lie around the same centres, but others are popular among users than
among items, each user is drawn to a second centre, and all lean to one side. So no query is drawn as the vectors are,
long items are found far more often than short ones, and cells must be searched by some in a hundred.

Ours, each kind by its usual numbers and the effort that is found for it as on any night, and our exact search; FAISS as
it comes, hnswlib, usearch and ScaNN by their own defaults, those in the peers' own environment. A figure counts at an
effort that was found on some users and holds on others. Seconds are those of the processor; memory is with the vectors.
A machine that others share is now quick and now slow, so once all are built they are asked in turn, some sittings long:
the middle one counts, and ratios are those within a sitting.
All but the graphs take minutes; each of those is built on one thread for a quarter of an hour or so at full size, and
is measured there only where it is asked for.
Recall and speed at other efforts are drawn to `var/index-recall.png`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from benchmarks.index_peers_run import (
    PEERS,
    Contender,
    Effort,
    Figures,
    Floats,
    Ints,
    Point,
    Questions,
    measured,
    rate,
    recall,
)
from benchmarks.peer_environment import Peer
from indexing.ann import Ann, build
from indexing.choosing import margin, standard, tuned
from indexing.exact import Exact
from indexing.specification import CELLED, CODED, Kind, Specification
from indexing.specification import Effort as Search
from indexing.torch_builder import Recipe, build_by_torch

K, TARGET, TUNING = 100, 0.95, 2_000
GROUPS, AXES, AROUND, LENGTHS = 400, 6, 0.2, 0.25
"""Centres; directions that items spread along at each; how far they stray besides; how lengths vary."""
MEMORY = 8 << 30
LEFT_OUT, GRAPHS = ("Voyager",), ("hnsw", "HNSW", "usearch")
"""What is measured only where it is asked for; and what takes long to build, beyond so many vectors."""
GRAPHS_UP_TO = 200_000
PLOT = Path("var/index-recall.png")


def make_vectors(items: int, users: int, dimensions: int, seed: int) -> tuple[Floats, Floats]:
    """Items as they are, and users of length 1."""
    chance = np.random.default_rng([seed, 0])
    centres = chance.normal(size=(GROUPS, dimensions))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    axes = chance.normal(size=(GROUPS, AXES, dimensions)) / np.sqrt(AXES * dimensions)
    shares = chance.dirichlet(np.full(GROUPS, 0.7))
    liked = shares**0.6 * chance.lognormal(0, 0.8, GROUPS)
    liked /= liked.sum()
    lean = 0.3 * chance.normal(size=dimensions) / np.sqrt(dimensions)

    def near(count: int, chances: np.ndarray, wide: float, number: int) -> np.ndarray:
        drawn = np.random.default_rng([seed, number])
        groups = drawn.choice(GROUPS, count, p=chances)
        found = AROUND * wide * drawn.normal(size=(count, dimensions)) / np.sqrt(dimensions)
        order = np.argsort(groups, kind="stable")
        for group, rows in enumerate(np.split(order, np.cumsum(np.bincount(groups, minlength=GROUPS))[:-1])):
            found[rows] += centres[group] + wide * drawn.normal(size=(len(rows), AXES)) @ axes[group]
        return found

    vectors = near(items, shares, 1.0, 1)
    vectors *= (chance.lognormal(0, LENGTHS, items) / np.linalg.norm(vectors, axis=1))[:, None]
    queries = near(users, liked, 1.2, 2) + 0.5 * near(users, liked, 1.0, 3) + lean
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return vectors.astype(np.float32), queries.astype(np.float32)


class Ours:
    """An index as our indexing builds and searches it."""

    def __init__(self, specification: Specification, seed: int) -> None:
        self.specification, self.seed = specification, seed
        celled, coded = specification.kind in CELLED, specification.kind in CODED
        self.most = specification.cells if celled else 4_096 if specification.kind is Kind.HNSW else 0
        self.agains = (2, 4, 8, 16) if coded else (1,)

    def build(self, items: Floats, folder: Path) -> int:
        self.ann: Ann = build(self.specification, items, self.seed, threads=1)
        return self.ann.memory_bytes + items.nbytes

    def search(self, queries: Floats, k: int, effort: Effort) -> Ints:
        number, again = effort
        if self.specification.kind is Kind.HNSW:
            return self.ann.search(queries, k, Search(breadth=number, again=again))[0]
        return self.ann.search(queries, k, Search(probes=max(number, 1), again=again))[0]

    def tuned(self, questions: Questions) -> Effort:
        """The effort of a night: by our own rule, above the target by the margin that it keeps."""
        if not self.most:
            return 0, 1
        effort, _ = tuned(
            self.specification,
            lambda each: recall(self.ann.search(questions.tuning, questions.k, each)[0], questions.tuning_truth),
            margin(questions.target, len(questions.tuning), questions.k),
        )
        return (effort.probes if self.specification.kind in CELLED else effort.breadth), effort.again


class Faiss:
    """An index of FAISS on products, as it comes."""

    agains = (1,)

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.most = {"cells": 1, "graph": 4_096}.get(kind, 0)

    def build(self, items: Floats, folder: Path) -> int:
        width, product = items.shape[1], faiss.METRIC_INNER_PRODUCT
        if self.kind == "cells":
            self.most = max(round(4 * len(items) ** 0.5), 1)
            self.quantizer = faiss.IndexFlatIP(width)
            self.index: Any = faiss.IndexIVFFlat(self.quantizer, width, self.most, product)
            self.index.train(items)
        else:
            self.index = faiss.IndexHNSWFlat(width, 32, product) if self.kind == "graph" else faiss.IndexFlatIP(width)
        self.index.add(items)
        return int(faiss.serialize_index(self.index).nbytes)

    def search(self, queries: Floats, k: int, effort: Effort) -> Ints:
        told = None
        if self.kind == "cells":
            told = faiss.SearchParametersIVF(nprobe=effort[0])
        if self.kind == "graph":
            told = faiss.SearchParametersHNSW(efSearch=max(effort[0], k))
        found: Ints = self.index.search(queries, k, params=told)[1]
        return found


def contenders(items: int, dimensions: int, seed: int) -> dict[str, Callable[[], Contender]]:
    """Those of this environment: ours by their specification, and FAISS."""
    ours = [standard(items, dimensions, MEMORY, kind) for kind in Kind]
    ways: dict[str, Callable[[], Contender]] = {f"ours, {each}": partial(Ours, each, seed) for each in ours}
    names = {"FAISS IndexFlatIP": "flat", "FAISS IndexIVFFlat": "cells", "FAISS IndexHNSWFlat": "graph"}
    return ways | {name: partial(Faiss, kind) for name, kind in names.items()}


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    items, users = make_vectors(options.items, options.users + TUNING, options.dimensions, options.seed)
    truth, _ = Exact(items).top_k(users, K)
    asked: dict[str, Any] = {"k": K, "target": TARGET, "rounds": options.rounds}
    parts: dict[str, Any] = {
        "tuning": users[:TUNING],
        "judging": users[TUNING:],
        "tuning_truth": truth[:TUNING],
        "judging_truth": truth[TUNING:],
    }
    np.savez(folder / "vectors.npz", items=items, **parts)
    (folder / "asked.json").write_text(json.dumps(asked))
    questions = Questions(**parts, **asked)
    ours_and_faiss = contenders(options.items, options.dimensions, options.seed)
    seated = [
        here(name, ours_and_faiss[name](), items, questions, folder) if name in ours_and_faiss else there(name, folder)
        for name in [*ours_and_faiss, *PEERS]
        if _is_measured(name, options)
    ]
    for sitting in range(options.sittings):
        print(f"sitting {sitting + 1} of {options.sittings}", file=sys.stderr, flush=True)
        for each in seated:
            each.figures.sittings.append(each.once_more())
    for each in seated:
        each.end()
    found = [each.figures for each in seated]
    rule = str(standard(options.items, options.dimensions, MEMORY))
    PLOT.parent.mkdir(exist_ok=True)
    plot(found, f"{options.items:,} vectors of {options.dimensions} places, one thread").savefig(PLOT, dpi=150)
    return {
        **{name: getattr(options, name) for name in ("items", "users", "dimensions", "seed")},
        "k": K,
        "target": TARGET,
        "rule": rule,
        "found": [asdict(each) for each in found],
        "rows": [*rows(found, rule), on_a_device(items, options)],
    }


def _is_measured(name: str, options: argparse.Namespace) -> bool:
    if options.only:
        return any(each in name for each in options.only)
    left_out = LEFT_OUT if options.items <= GRAPHS_UP_TO else (*LEFT_OUT, *GRAPHS)
    return not any(each in name for each in left_out)


@dataclass(frozen=True)
class Seated:
    """A contender that is built and measured, and the rate of one more round."""

    figures: Figures
    once_more: Callable[[], float]
    end: Callable[[], None] = lambda: None


def here(name: str, contender: Contender, items: Floats, questions: Questions, folder: Path) -> Seated:
    """One of this environment."""
    tune = {"tune": contender.tuned} if isinstance(contender, Ours) else {}
    figures = measured(name, contender, items, questions, folder, **tune)
    return Seated(figures, partial(rate, contender, questions, figures.at_target.effort))


def there(name: str, folder: Path) -> Seated:
    """One of the peers', in a process of its own."""
    peer = Peer("index_peers_run.py", name, str(folder))
    return Seated(_read(peer.line()), lambda: float(peer.ask()), peer.end)


def _read(line: str) -> Figures:
    kept = json.loads(line)
    at_target, *curve = (
        Point(**each | {"effort": tuple(each["effort"])}) for each in [kept["at_target"], *kept["curve"]]
    )
    return Figures(**kept | {"at_target": at_target, "curve": curve})


def rows(found: list[Figures], rule: str) -> list[dict[str, str]]:
    """What each takes and how fast it is; then how many times as fast ours is, of the quickest and by the rule."""
    told = []
    for each in found:
        best = each.at_target
        told += [
            {"what": f"{each.name}: build, processor seconds", "value": f"{each.build_cpu_seconds:,.1f}"},
            {"what": "  MB with the vectors", "value": f"{each.megabytes:,.0f}"},
            {"what": f"  queries a processor second, recall {best.recall:.3f}", "value": f"{_rate(each):,.0f}"},
        ]
    ours = [each for each in found if each.name.startswith("ours") and each.at_target.recall >= TARGET]
    if not ours:
        return told
    quickest = max(ours, key=_rate)
    told.append({"what": "ours, the quickest", "value": quickest.name.removeprefix("ours, ")})
    told.append({"what": "ours, by the rule", "value": rule})
    for mine in [quickest, *(each for each in ours if each.name == f"ours, {rule}" and each is not quickest)]:
        for each in found:
            if not each.name.startswith("ours"):
                held = "" if each.at_target.recall >= TARGET else f" (which reaches {each.at_target.recall:.2f} alone)"
                ratios = [own / other for own, other in zip(mine.sittings, each.sittings, strict=True)]
                ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
                told.append({"what": f"{mine.name.removeprefix('ours, ')} to {each.name}{held}", "value": ratio})
    return told


def _rate(figures: Figures) -> float:
    return statistics.median(figures.sittings)


def on_a_device(items: Floats, options: argparse.Namespace) -> dict[str, str]:
    """How long torch builds cells on a GPU, where it can use one."""
    if not torch.cuda.is_available():
        return {"what": "built by torch on a GPU", "value": "no GPU here"}
    recipe = Recipe("ivf_flat", standard(options.items, options.dimensions, MEMORY, Kind.IVF_FLAT).cells)
    build_by_torch(items[: 40 * recipe.cells], recipe, device="cuda", seed=options.seed, iterations=1)
    began = time.perf_counter()
    build_by_torch(items, recipe, device="cuda", seed=options.seed)
    return {"what": "built by torch on a GPU, seconds", "value": f"{time.perf_counter() - began:.1f}"}


def plot(found: list[Figures], title: str) -> Figure:
    """Recall beside speed: ours in full lines, peers in broken ones, what is exact as a point."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    for each in found:
        curve = sorted([point for point in each.curve if point.recall >= 0.5], key=lambda point: point.recall)
        axes.plot(
            [point.recall for point in curve],
            [point.queries_per_cpu_second for point in curve],
            marker="o",
            markersize=4,
            linewidth=1.2,
            linestyle="-" if each.name.startswith("ours") else "--",
            label=each.name,
        )
    axes.axvline(TARGET, color="0.6", linewidth=1, linestyle=":")
    axes.set(xlabel="recall of the true first hundred", ylabel="queries a processor second", yscale="log", title=title)
    axes.grid(visible=True, color="0.92")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sittings", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=(), help="contenders whose name contains one of these")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        figures = measure(options, Path(folder))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
