"""`make bench`: runs every benchmark, prints its table, and writes the figures to `var/bench.json`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "simulate",
    "landing",
    "feature_windows",
    "materialization",
    "point_in_time",
    "night",
    "evaluation",
    "training_speed",
    "learning",
    "exact_search",
    "indexes",
    "people_graph",
    "lists",
    "list_quality",
)
ON_PUBLIC_DATA = ("quality", "graph_training", "people")
"""Those that need data which is not ours to give; each says which, and where to put it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=BENCHMARKS, help=f"of {', '.join([*BENCHMARKS, *ON_PUBLIC_DATA])}")
    names = parser.parse_args().names
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    figures = {}
    for name in names:
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.returncode)
        figures[name] = json.loads(done.stdout)
        print(f"{name}")
        for row in figures[name]["rows"]:
            print(f"  {row['what']:<58} {row['value']:>14}")
        print()
    path = Path("var/bench.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"figures in {path}")


if __name__ == "__main__":
    main()
