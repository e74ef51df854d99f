"""What looking around everybody in the social graph costs, also with hubs: `python -m benchmarks.people_graph`.

The arrays of `jobs.people_pairs` alone, without tables and Spark. An even random graph of 100,000 users, each tied to
30 others; the same with five users more who are tied to everybody; and the even graph at a half and a quarter of its
size. Of each, some blocks, evenly spread, are looked into in turn with those of the others, so a machine that is now
quick and now slow favours none; whole graphs are told by their blocks' share of the work. Times are those of the
processor; one core is used. Graphs are built and looked into by processes of their own, which map the graph as a worker
of Spark does: the peak of memory is that of one who looks into one graph.

Beside it, how good the fifty are that a walk finds which is kept to its strongest: what their exact scores add up to,
as a share of what the exact fifty best do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from daybreak.resources import peak_memory_mb
from jobs.near_people import near, pagerank, ranges
from jobs.people_graph import PeopleGraph
from jobs.people_pairs import PeoplePairsConfig
from jobs.tie_arrays import ties_known

CONFIG = PeoplePairsConfig(ds="2026-11-20")
TARGET = 2
BLOCKS = 8
ASKED = 40
CLUSTER, INSIDE = 150, 0.7
YEAR_US = 365 * 86_400 * 10**6
Figures = dict[str, Any]


def friendships(users: int, ties: int, hubs: int, *, clustered: bool) -> pa.Table:
    """Random ones of a year, so many for each user, most of them within clusters if asked; and hubs tied to all."""
    chance = np.random.default_rng(1)
    src, dst = chance.integers(0, users, (2, users * ties // 2))
    if clustered:
        within = src // CLUSTER * CLUSTER + chance.integers(0, CLUSTER, len(src))
        dst = np.where(chance.random(len(src)) < INSIDE, np.minimum(within, users - 1), dst)
    src = np.concatenate([src, np.repeat(np.arange(users, users + hubs), users)])
    dst = np.concatenate([dst, np.tile(np.arange(users), hubs)])
    ids = pa.array([f"u{number:08}" for number in range(users + hubs)])
    return pa.table({
        "src_user_id": ids.take(pa.array(src)),
        "dst_user_id": ids.take(pa.array(dst)),
        "edge_type": pa.repeat("friend", len(src)),
        "updated_ts": pa.array(chance.integers(0, YEAR_US, len(src)), pa.timestamp("us", tz="UTC")),
        "status": pa.repeat("active", len(src)),
        "ds": pa.repeat(CONFIG.ds, len(src)),
    })  # fmt: skip


def build(folder: Path, users: int, ties: int, hubs: int, *, clustered: bool) -> Figures:
    """Makes the graph and writes its arrays; the seconds of making it, and how many steps its walks would take if all
    ties were walked over."""
    told = friendships(users, ties, hubs, clustered=clustered)
    began = time.process_time()
    graph = PeopleGraph.of(ties_known(told, pa.array([], pa.string())), CONFIG.reach)
    seconds = time.process_time() - began
    graph.save(folder)
    steps = int(graph.work.sum()) - CONFIG.most_reached * graph.users
    return {
        "users": users,
        "ties": int(graph.known.sum()),
        "blocks": len(blocks_of(graph)),
        "build_seconds": seconds,
        "steps": steps,
        "uncapped_steps": 2 * int((graph.known**2).sum()),
    }


def blocks_of(graph: PeopleGraph) -> list[tuple[int, int]]:
    return list(ranges(graph.work, CONFIG.block_work))


def some_of(blocks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Some blocks, evenly spread."""
    places = np.linspace(0, len(blocks) - 1, min(BLOCKS, len(blocks))).round().astype(int)
    return [blocks[place] for place in places]


def look(folder: Path) -> Figures:
    """The peak of memory of one who looks into some blocks of one graph, and how much of it is the block's."""
    graph = PeopleGraph.opened(folder)
    near(graph, CONFIG.reach, 0, 1)
    before, blocks = peak_memory_mb(), some_of(blocks_of(graph))
    for first, last in (blocks[0], blocks[-1]):
        near(graph, CONFIG.reach, first, last)
    return {"peak_mb": peak_memory_mb(), "peak_of_one_user_mb": before}


def in_turn(folders: list[Path]) -> list[Figures]:
    """The seconds of each graph, by some of its blocks, and those of the slowest block beside the mean of all."""
    graphs = [PeopleGraph.opened(folder) for folder in folders]
    chosen = [some_of(blocks_of(graph)) for graph in graphs]
    seconds: list[list[float]] = [[] for _ in graphs]
    for turn in range(BLOCKS):
        for graph, blocks, taken in zip(graphs, chosen, seconds, strict=True):
            if turn < len(blocks):
                began = time.process_time()
                near(graph, CONFIG.reach, *blocks[turn])
                taken.append(time.process_time() - began)
    figures = []
    for graph, blocks, taken in zip(graphs, chosen, seconds, strict=True):
        work = sum(int(graph.work[first:last].sum()) for first, last in blocks)
        total = sum(taken) * int(graph.work.sum()) / work
        figures.append({"seconds": total, "slowest_block": max(taken), "largest_share": max(taken) / total})
    return figures


def kept(folder: Path) -> Figures:
    """How good the people are who are found by walks kept to their strongest, beside those of exact walks."""
    graph, exactly = PeopleGraph.opened(folder), replace(CONFIG.reach, most_reached=sys.maxsize)
    shares = []
    for user in np.linspace(0, graph.users - 1, ASKED).astype(int).tolist():
        exact, found = (pagerank(graph, reach, user, user + 1) for reach in (exactly, CONFIG.reach))
        best = np.sort(exact.values)[-CONFIG.per_measure :]
        chosen = found.keys[np.argsort(-found.values, kind="stable")[: CONFIG.per_measure]]
        shares.append(exact.values[np.searchsorted(exact.keys, chosen)].sum() / best.sum())
    return {"mean": float(np.mean(shares)), "least": float(np.min(shares))}


def apart(part: str, *arguments: str) -> Any:
    """What a part of this finds in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.people_graph", "--part", part, *arguments]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def compare(users: int, ties: int, hubs: int) -> Figures:
    """The even graph at three sizes, with hubs, and with clusters."""
    shapes = {
        "quarter": (users // 4, 0, False),
        "half": (users // 2, 0, False),
        "even": (users, 0, False),
        "hubs": (users, hubs, False),
        "clusters": (users, 0, True),
    }
    figures: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as below:
        for name, (size, with_hubs, clustered) in shapes.items():
            folder = Path(below, name)
            folder.mkdir()
            shape = ["--users", str(size), "--ties", str(ties), "--hubs", str(with_hubs)]
            built = apart("build", "--folders", str(folder), *shape, *(["--clustered"] if clustered else []))
            figures[name] = built | apart("look", "--folders", str(folder))
            print(f"{name}: built", file=sys.stderr)
        timed = apart("in_turn", "--folders", *(str(Path(below, name)) for name in shapes))
        for name, seconds in zip(shapes, timed, strict=True):
            figures[name] |= seconds
        for name in ("even", "hubs", "clusters"):
            figures[name]["kept"] = apart("kept", "--folders", str(Path(below, name)))
    return told(figures, users, ties, hubs)


def told(figures: dict[str, Figures], users: int, ties: int, hubs: int) -> Figures:
    """The figures and their table."""
    even, hubbed = figures["even"], figures["hubs"]
    grown = [figures[name] for name in ("quarter", "half", "even")]
    sizes, seconds = (np.log([each[name] for each in grown]) for name in ("users", "seconds"))
    exponent, ratio = float(np.polyfit(sizes, seconds, 1)[0]), hubbed["seconds"] / even["seconds"]
    plain, with_hubs = f"{users:,} users of {ties} ties", f"and {hubs} hubs tied to all"
    rows = [
        (f"{plain}: seconds of one core", f"{even['seconds']:.0f}"),
        (f"{plain}: seconds to make the graph", f"{even['build_seconds']:.1f}"),
        (f"{plain}: peak memory", f"{even['peak_mb']:.0f} MB"),
        (f"{plain}: slowest block's share", f"{even['largest_share']:.1%}"),
        ("time grows with users to the power", f"{exponent:.2f}"),
        (f"{with_hubs}: times as long, at most {TARGET}", f"{ratio:.2f}"),
        (f"{with_hubs}: times the steps if uncapped", f"{hubbed['uncapped_steps'] / hubbed['steps']:.0f}"),
        (f"{with_hubs}: peak memory", f"{hubbed['peak_mb']:.0f} MB"),
        (f"{with_hubs}: slowest block's share", f"{hubbed['largest_share']:.1%}"),
        *(
            (f"{name}: exact scores of the 50 found, of the best", f"{figures[name]['kept']['mean']:.2%}")
            for name in ("even", "hubs", "clusters")
        ),
    ]
    table = [{"what": what, "value": value} for what, value in rows]
    return {"graphs": figures, "exponent": exponent, "ratio": ratio, "target": TARGET, "rows": table}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--ties", type=int, default=30)
    parser.add_argument("--hubs", type=int, default=5)
    parser.add_argument("--clustered", action="store_true")
    parser.add_argument("--part", choices=("build", "look", "in_turn", "kept"), help="what one process does of it")
    parser.add_argument("--folders", type=Path, nargs="+", help="where its graphs lie")
    asked = parser.parse_args()
    shape = (asked.users, asked.ties, asked.hubs)
    if asked.part == "build":
        print(json.dumps(build(asked.folders[0], *shape, clustered=asked.clustered)))
    elif asked.part == "in_turn":
        print(json.dumps(in_turn(asked.folders)))
    elif asked.part:
        print(json.dumps({"look": look, "kept": kept}[asked.part](asked.folders[0])))
    else:
        print(json.dumps(compare(*shape), indent=2))


if __name__ == "__main__":
    main()
