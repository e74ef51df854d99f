"""What a night's lists cost: `python -m benchmarks.lists [--users N] [--items N]`.

A night is written straight into a lake (`benchmarks/lists_world.py`): 200,000 users with 25 events each, 100,000 items,
100 candidates from each of two models, neighbours of every item, all features of the ranker. From it the step makes a
list of 100 for every user: from five sources, without what the user owns, at most so many of a category and a brand,
in the merged order, and then ranked by the ranker. Each making is a process of its own that begins with the tables and
ends with the written lists; the time is that of the clock on two cores, the memory the highest of the process.

Beside the merged order stands the same in SQL: DuckDB over the same files with two threads, sources joined, ranked and
fused in one statement, owned items left out, no caps; its lists are written as one Parquet file. It is given four times
the memory: within as much as the step takes, the statement for 200,000 users does not end. How time grows is told by
the same night at a half and a quarter of its users.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from benchmarks.lists_world import NIGHT, Night
from daybreak.candidates import COOCCURRENCE, POPULARITY, TRENDING
from daybreak.contracts import Dataset
from daybreak.datasets import EVENTS, LISTS
from daybreak.duckdb_files import literal, rows_of
from daybreak.interest import WEIGHTS
from daybreak.lake import Lake, Window
from daybreak.learning import GNN_CANDIDATES, TOWER_CANDIDATES
from daybreak.resources import peak_memory_mb
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named

LENGTH, CORES, MEMORY, MEMORY_OF_SQL = 100, 2, "2GB", "8GB"
SHARES = (0.25, 0.5, 1.0)
SURFACES = """
for_you:
  query: user
  length: 100
  sources:
    two_tower: {quota: 100}
    gnn: {quota: 100}
    cooccurrence: {quota: 100, weight: 0.5}
    trending: {quota: 50, weight: 0.2}
    popular: {quota: 150, weight: 0.1}
  rank: {by: BY}
  caps: {category: 60, brand: 30}
  gates: {min_length: 1}
"""
ORDERS = {"merged": "fusion", "ranked": "ranker"}


def settings_in(home: Path, order: str = "merged") -> Settings:
    file = home / f"{order}.yaml"
    file.write_text(SURFACES.replace("BY", ORDERS[order]))
    return Settings(home=home, surfaces_file=file)


def made(home: Path, order: str) -> dict[str, float]:
    """The step, and how many lists it left."""
    settings = settings_in(home, order)
    began, cpu = time.perf_counter(), time.process_time()
    record = run_steps([step_named("serving_export.lists")], NIGHT, settings, overrides={"memory": MEMORY})[0]
    seconds, busy = time.perf_counter() - began, time.process_time() - cpu
    return {"seconds": seconds, "cpu": busy, "memory": peak_memory_mb(), "entries": record.summary["rows"]}


def in_sql(home: Path, _: str) -> dict[str, float]:
    """The same of one statement."""
    lake = Lake.of(settings_in(home))
    with tempfile.TemporaryDirectory(dir=home) as folder:
        written = literal(f"{folder}/lists.parquet")
        config = {"threads": CORES, "memory_limit": MEMORY_OF_SQL, "temp_directory": folder}
        engine = duckdb.connect(config={**config, "preserve_insertion_order": False})
        began, cpu = time.perf_counter(), time.process_time()
        engine.execute(f"COPY ({_statement(engine, lake)}) TO {written}")
        seconds, busy = time.perf_counter() - began, time.process_time() - cpu
        count = engine.execute(f"SELECT count(*) FROM {written}").fetchone()
    assert count
    return {"seconds": seconds, "cpu": busy, "memory": peak_memory_mb(), "entries": count[0]}


def _statement(engine: duckdb.DuckDBPyConnection, lake: Lake) -> str:
    def rows(dataset: Dataset) -> str:
        table = lake.table(dataset)
        return rows_of(engine, dataset, table.local_paths(table.files(Window(since=NIGHT, until=NIGHT), None))[1])

    weights = " ".join(f"WHEN {literal(kind)} THEN {weight}" for kind, weight in WEIGHTS.items())
    everyone = " UNION ALL ".join(
        f"SELECT user_id, item_id, {weight} / (60 + place) AS share FROM people CROSS JOIN (SELECT item_id,"
        f" row_number() OVER (ORDER BY score DESC, item_id) - 1 AS place FROM {rows(dataset)} LIMIT {quota})"
        for dataset, weight, quota in ((TRENDING, 0.2, 50), (POPULARITY, 0.1, 150))
    )
    listed = " UNION ALL ".join(
        f"SELECT query_id AS user_id, item_id, 1.0 / (60 + rank) AS share FROM {rows(dataset)} WHERE query = 'user'"
        for dataset in (TOWER_CANDIDATES, GNN_CANDIDATES)
    )
    return f"""WITH events AS (FROM {rows(EVENTS)}), people AS (SELECT DISTINCT user_id FROM events),
        owned AS (SELECT DISTINCT user_id, item_id FROM events WHERE event_type IN ('purchase', 'rating')),
        wants AS (SELECT user_id, item_id, sum(CASE event_type {weights} ELSE 0 END) AS weight FROM events
            GROUP BY ALL),
        history AS (FROM wants WHERE weight > 0 QUALIFY row_number() OVER (PARTITION BY user_id
            ORDER BY weight DESC, item_id) <= 50),
        near AS (SELECT user_id, neighbour_id AS item_id, sum(weight * score) AS score FROM history
            JOIN {rows(COOCCURRENCE)} USING (item_id) GROUP BY ALL),
        beside AS (FROM near QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY score DESC, item_id) <= 100),
        shares AS ({listed} UNION ALL {everyone} UNION ALL SELECT user_id, item_id, 0.5 / (59 + row_number() OVER
            (PARTITION BY user_id ORDER BY score DESC, item_id)) FROM beside),
        fused AS (SELECT user_id, item_id, sum(share) AS score FROM shares ANTI JOIN owned USING (user_id, item_id)
            GROUP BY ALL)
        SELECT user_id, item_id, score, row_number() OVER (PARTITION BY user_id ORDER BY score DESC, item_id) AS place
        FROM fused QUALIFY place <= {LENGTH}"""


PARTS = {"made": made, "in_sql": in_sql}


def part(name: str, home: Path, order: str = "merged") -> dict[str, float]:
    """One measurement, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.lists", "--part", name, "--home", str(home), "--order", order]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(users: int, items: int) -> dict[str, Any]:
    rows: list[dict[str, str]] = []
    found: dict[str, dict[str, dict[str, float]]] = {}
    for share in SHARES:
        count = int(users * share)
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            Night(settings_in(home), count, items).write()
            figures = found.setdefault(f"{count:,}", {})
            for name, made_by, order in (*(("made", each, each) for each in ORDERS), ("in_sql", "sql", "merged")):
                figures[made_by] = part(name, home, order)
                print(f"{count:,} users, {made_by}: {figures[made_by]}", file=sys.stderr, flush=True)
    for count, figures in found.items():
        for name, each in figures.items():
            told = f"{int(count.replace(',', '')) / each['seconds']:,.0f} a second"
            rows.append({"what": f"{count} users, {name}: lists of {LENGTH}", "value": told})
    sizes = np.log([float(count.replace(",", "")) for count in found])
    for name in ("merged", "ranked"):
        slope = np.polyfit(sizes, np.log([figures[name]["cpu"] for figures in found.values()]), 1)[0]
        rows.append({"what": f"{name}: growth of processor time, exponent", "value": f"{slope:.2f}"})
        told = " ".join(f"{figures[name]['memory']:,.0f}" for figures in found.values())
        rows.append({"what": f"{name}: most memory, by users, MB", "value": told})
    last = found[f"{users:,}"]
    rows.append(
        {"what": "merged, times DuckDB's", "value": f"{last['sql']['seconds'] / last['merged']['seconds']:.2f}"}
    )
    return {"rows": rows, "figures": found, "dataset": LISTS.name}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--order", choices=ORDERS, default="merged")
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options.home, options.order)))
        return
    print(json.dumps(measure(options.users, options.items)))


if __name__ == "__main__":
    main()
