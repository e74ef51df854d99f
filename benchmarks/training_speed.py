"""How fast models are trained, against public libraries: `python -m benchmarks.training_speed`.

One synthetic world by seed, the same pairs for all; ours and a library's model train in alternating rounds of some
batches, each after a round to warm up, and the median round counts. Reading and sampling batches is part of each.

The graph: ours against RecBole's LightGCN. The same are pairs and dimensions, and that every batch smooths the whole
graph there and back; an epoch is every pair once. The rest differs: a batch of ours is 512 histories, whose hidden
parts are found among all items (softmax) by two tables of vectors, each smoothed over four steps of the graph;
RecBole's is 2,048 pairs, each told from one drawn item (BPR), by one table smoothed over three steps.

The towers: ours against RecTools' DSSM. The same are dimensions, batch size, one feature of a user and one of an item,
and that a user is known by what was wanted before. An example of ours is a user on a night with all that was wanted on
the next day, ranked among thousands of candidates; one of RecTools' is a user with one item and one drawn item.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from scipy.sparse import csr_matrix, diags

from benchmarks.peer_environment import HERE, peers_python
from training.data.nights import NightFeatures
from training.data.wants import Wants, day_of
from training.evaluation.ranking import Ints
from training.fitting.graph_task import GraphAims, GraphTask
from training.fitting.loop import LoopConfig, fit
from training.fitting.task import Task
from training.fitting.tower_task import TowerAims, TowerTask
from training.models.filter_parts import Completed, LowRank
from training.models.light_gcn import LightGcn
from training.models.two_tower import TwoTower
from training.two_tower import Lessons, lessons_of

NIGHT, NIGHTS = 730_000, 14
COUNTRIES, CATEGORIES = 20, 50
DIMENSIONS, LAYERS, HIDDEN = 64, 3, (128, 128)
OUR_LAYERS, HISTORIES = 2, 512
GRAPH_BATCH, TOWER_BATCH, CANDIDATES = 2_048, 512, 4_096
TARGET = 3
CPU = torch.device("cpu")
Figures = dict[str, Any]
Round = Callable[[], Figures]


def make_world(users: int, items: int, pairs: int, seed: int) -> dict[str, Ints]:
    """Distinct pairs on 15 days; some items and some users have many more than others. `country` and `category` are the
    features of each user and item."""
    draw = np.random.default_rng(seed)
    busy, liked = draw.lognormal(0, 1, users), 1 / np.arange(10, items + 10) ** 0.8
    drawn = 3 * pairs
    keys = draw.choice(users, drawn, p=busy / busy.sum()) * items + draw.choice(items, drawn, p=liked / liked.sum())
    chosen = draw.permutation(np.unique(keys))[:pairs]
    return {
        "users": chosen // items,
        "items": chosen % items,
        "days": draw.integers(0, NIGHTS + 1, len(chosen)),
        "country": draw.integers(0, COUNTRIES, users),
        "category": draw.integers(0, CATEGORIES, items),
    }


def timed(task: Task[Any], batches: int, batch_size: int, seed: int) -> Round:
    """Our loop over so many batches; those of each round are others."""
    rounds = iter(range(1_000_000))
    whole = task.batches

    def some(epoch: int, size: int) -> Iterator[Any]:
        yield from islice(whole(next(rounds), size), batches)

    task.batches = some  # type: ignore[method-assign]

    def run() -> Figures:
        config = LoopConfig(epochs=1, batch_size=batch_size, schedule="constant", warmup_share=0.0, clip_norm=0.0)
        began, used = time.perf_counter(), time.process_time()
        report = fit(task, config, seed=seed, device=CPU)
        return {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - used,
            "examples": report.examples,
        }

    return run


def our_graph(world: dict[str, Ints], batches: int, seed: int) -> tuple[Round, int]:
    """A round, and the examples of an epoch: every history once, a part of it hidden."""
    ones = np.ones(len(world["users"]), np.float32)
    shape = len(world["country"]), len(world["category"])
    asked = csr_matrix((ones, (world["users"], world["items"])), shape=shape)
    roots = [diags(np.maximum(np.asarray(asked.sum(axis=axis)).ravel(), 1.0) ** -0.5) for axis in (1, 0)]
    ties = csr_matrix(roots[0] @ asked @ roots[1]).astype(np.float32)
    start = LowRank(*np.random.default_rng(seed).normal(0, 0.1, (2, shape[1], DIMENSIONS)).astype(np.float32))
    every = np.ones(shape[1], np.float32)
    module = LightGcn(start.before, start.after, OUR_LAYERS)
    task = GraphTask(module, Completed(start, ties, every, every, 0.5), asked, GraphAims(), seed)
    return timed(task, batches, HISTORIES, seed), task.examples


def our_towers(world: dict[str, Ints], batches: int, seed: int) -> Round:
    lessons = _lessons(world)
    users, items = lessons.encoders.users, lessons.encoders.items
    torch.manual_seed(seed)
    module = TwoTower(
        (len(users.number_names), users.word_counts, users.vector_width),
        (len(items.number_names), items.word_counts, items.vector_width),
        len(world["category"]),
        DIMENSIONS,
        HIDDEN,
        with_ids=True,
    )
    aims = TowerAims(
        task_share=1.0,
        temperature=1.0,
        sharpness=1.0,
        cold_share=0.15,
        most_candidates=CANDIDATES,
        hard=0,
        half_life_days=15.0,
        forgotten=0.0,
    )
    task = TowerTask(module, lessons.nights, lessons.newcomers, aims, None, seed)
    return timed(task, batches, TOWER_BATCH, seed)


def _lessons(world: dict[str, Ints]) -> Lessons:
    moments = (NIGHT - NIGHTS + world["days"]).astype(np.float64) + 0.5
    ones = np.ones(len(moments), np.float32)
    counts = len(world["country"]), len(world["category"])
    wants = Wants.of(world["users"], world["items"], moments, ones, *counts)
    users, items = ({name: pa.array([str(n) for n in world[name]])} for name in ("country", "category"))
    items["item_activity__interest_7d"] = pa.array(np.bincount(world["items"], minlength=counts[1]).astype(np.float64))
    features = NightFeatures(pa.table(users), pa.table(items))
    return lessons_of({day_of(night): features for night in range(NIGHT - NIGHTS, NIGHT)}, wants)


class Peer:
    """A library's model in a process of its own, which trains when it is asked to."""

    def __init__(self, name: str, folder: Path) -> None:
        command = [str(peers_python()), str(HERE / "training_speed_peers.py"), name, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._told() == "ready"

    def train(self) -> Figures:
        assert self._process.stdin
        print("go", file=self._process.stdin, flush=True)
        found: Figures = json.loads(self._told())
        return found

    def _told(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            raise SystemExit("a peer ended without an answer; its own words stand above")
        return line

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def compare(our_round: Round, name: str, folder: Path, rounds: int) -> Figures:
    """Both in turn; the examples of a second, by the clock and by processor time, of the median round."""
    our_round()
    peer = Peer(name, folder)
    taken: dict[str, list[Figures]] = {"ours": [], name: []}
    for _ in range(rounds):
        taken["ours"].append(our_round())
        taken[name].append(peer.train())
    peer.end()
    for one, each in taken.items():
        print(one, each, file=sys.stderr, flush=True)
    rates = {
        clock: {one: statistics.median(each["examples"] / each[clock] for each in taken[one]) for one in taken}
        for clock in ("seconds", "cpu_seconds")
    }
    return {"rounds": taken, "a_second": rates["seconds"], "a_processor_second": rates["cpu_seconds"]}


def measure(options: argparse.Namespace, folder: Path) -> Figures:
    world = make_world(options.users, options.items, options.pairs, options.seed)
    pairs = len(world["users"])
    np.savez(folder / "pairs.npz", **{name: values for name, values in world.items() if name != "days"})  # type: ignore[arg-type]
    wanted = {
        "lightgcn": {
            "batches": options.graph_batches,
            "batch_size": GRAPH_BATCH,
            "dimensions": DIMENSIONS,
            "layers": LAYERS,
        },
        "dssm": {"batches": options.tower_batches, "batch_size": TOWER_BATCH, "dimensions": DIMENSIONS},
    }
    (folder / "wanted.json").write_text(json.dumps(wanted))
    figures: Figures = {"pairs": pairs, "threads": torch.get_num_threads(), "target": TARGET, "rows": []}
    if "graph" in options.parts:
        round_, histories = our_graph(world, options.graph_batches, options.seed)
        units = 3_600 / histories, 3_600 / pairs
        figures["graph"] = found = compare(round_, "lightgcn", folder, options.rounds)
        figures["rows"] += _rows(found, "graph, epochs an hour", "RecBole's LightGCN", "lightgcn", units)
    if "towers" in options.parts:
        round_ = our_towers(world, options.tower_batches, options.seed)
        figures["towers"] = found = compare(round_, "dssm", folder, options.rounds)
        figures["rows"] += _rows(found, "towers, examples a second", "RecTools' DSSM", "dssm", (1.0, 1.0))
    return figures


def _rows(found: Figures, what: str, whose: str, name: str, units: tuple[float, float]) -> list[Figures]:
    clock, cpu = (
        (found[each]["ours"] * units[0], found[each][name] * units[1]) for each in ("a_second", "a_processor_second")
    )
    return [
        {"what": f"{what}: ours", "value": f"{clock[0]:,.2f}"},
        {"what": f"{what}: {whose}", "value": f"{clock[1]:,.2f}"},
        {"what": f"  times as fast (bar: {TARGET})", "value": f"{clock[0] / clock[1]:.2f}"},
        {"what": "  the same, of processor time", "value": f"{cpu[0] / cpu[1]:.2f}"},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=("graph", "towers"), default=("graph", "towers"))
    parser.add_argument("--users", type=int, default=30_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--graph-batches", type=int, default=8, help="in a round")
    parser.add_argument("--tower-batches", type=int, default=16, help="in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
