"""How many events a second one core simulates, JSON and gzip included: `python -m benchmarks.simulate`.

The peer, in the same run, is compressing the very same lines with gzip level 1 alone: no writer of such files can
be faster than that.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from daybreak.part_files import LEVEL
from daybreak.world.day_file import DayFile
from daybreak.world.delivery import Ledger, event_chunks
from daybreak.world.parameters import World

TARGET = 300_000
DAY = 10


def measure(users: int, rounds: int) -> dict[str, Any]:
    """Simulates a day's events file some times, after one to warm up, by the processor time of this process."""
    world = World(seed=1, users=users, items=max(1_000, users // 20), events_per_day=25 * users)
    rates, shares = [], []
    with tempfile.TemporaryDirectory() as folder:
        events = _write(world, Path(folder))
        for _ in range(rounds):
            began = time.process_time()
            events = _write(world, Path(folder))
            seconds = time.process_time() - began
            rates.append(events / seconds)
            shares.append(_compression_seconds(world) / seconds)
    rate, share = round(statistics.median(rates)), round(statistics.median(shares), 3)
    return {
        "events": events,
        "events_per_second_per_core": rate,
        "target": TARGET,
        "share_of_time_in_gzip": share,
        "rows": [
            {"what": f"events simulated a second and core ({events:,} a day)", "value": f"{rate:,}"},
            {"what": "as a multiple of the target", "value": f"{rate / TARGET:.2f}"},
            {"what": "share of the time that gzip alone takes", "value": f"{share:.0%}"},
        ],
    }


def _write(world: World, folder: Path) -> int:
    ledger = Ledger("benchmark")
    with DayFile(folder / "events") as file:
        for text in event_chunks(world, DAY, ledger):
            file.write(text)
    return ledger.events


def _compression_seconds(world: World) -> float:
    """The processor time that gzip alone takes for the day's lines."""
    codec = pa.Codec("gzip", compression_level=LEVEL)
    total = 0.0
    for text in event_chunks(world, DAY, Ledger("benchmark")):
        began = time.process_time()
        codec.compress(text)
        total += time.process_time() - began
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.users, arguments.rounds), indent=2))


if __name__ == "__main__":
    main()
