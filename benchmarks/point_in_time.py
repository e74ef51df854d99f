"""Point-in-time joins: Daybreak's two engines against Feast's stores and a bare ASOF join, how they grow, and skew.

Two million rows of three nightly views (two of users, one of items, a TTL of 7 days) are joined to a million spine rows
of 100,000 users. Each contender has a process of its own and 2 GB. CPU seconds count all that it started; start-up
(imports, and Spark's session) is told apart. Growth is the exponent from a million to sixteen million spine rows; a
skewed spine has 20% of its rows in one user. Feast's default store has to be asked for: it takes minutes and gigabytes.
Run: `python -m benchmarks.point_in_time [--parts …] [--contenders …] [--millions …]`.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.point_in_time_contenders import CONTENDERS

MILLION = 1_000_000
USERS, ITEMS = 100_000, 20_000
GROWTH = (1, 4, 16)
ENGINES = ("daybreak_spark", "daybreak_duckdb")
SKEW = 0.2
PARTS = ("contenders", "growth", "skew")
COMPARED = (
    ("Feast on Spark / Daybreak on Spark (bar: 4)", "feast_spark", "daybreak_spark", False),
    ("Daybreak on DuckDB / bare ASOF (bar: at most 1.5)", "daybreak_duckdb", "bare_duckdb", False),
    ("  the same, where order is not promised", "daybreak_duckdb_any_order", "bare_duckdb", False),
    ("Feast on DuckDB / Daybreak on DuckDB, whole (bar: 5)", "feast_duckdb", "daybreak_duckdb", True),
    ("  the same, without the start-up of either", "feast_duckdb", "daybreak_duckdb", False),
    ("Feast's default store / Daybreak on DuckDB", "feast_dask", "daybreak_duckdb", False),
)
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    default = [name for name in CONTENDERS if name != "feast_dask"]
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=default)
    parser.add_argument("--millions", nargs="+", type=int, default=GROWTH, help="spine rows that growth is tried on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        figures = measure(Path(home), options.parts, options.contenders, options.millions)
    print(json.dumps(figures, indent=2))


def measure(home: Path, parts: Sequence[str], contenders: Sequence[str], millions: Sequence[int]) -> Figures:
    """The parts that were asked for; what several of them need is measured once."""
    even = _world(home / "even", MILLION)
    names = contenders if "contenders" in parts else ENGINES
    at_one = {name: _used(name, even) for name in names}
    rows: list[Figures] = []
    figures: Figures = {"rows": rows, "contenders": at_one}
    if "contenders" in parts:
        rows += [_told(f"{name}: CPU s (start), MB, rows", used) for name, used in at_one.items()] + _ratios(at_one)
    engines = [name for name in ENGINES if name in at_one]
    if "growth" in parts:
        figures["growth"] = {name: {1: at_one[name]} for name in engines}
        for more in (more for more in millions if more > 1):
            spine = _world(home / "larger", more * MILLION)
            for name in engines:
                figures["growth"][name][more] = used = _used(name, spine)
                rows.append(_told(f"{name}, {more}M spine rows: CPU s (start), MB, rows", used))
        rows += [_exponent(name, by_size) for name, by_size in figures["growth"].items()]
    if "skew" in parts:
        skewed = _world(home / "skewed", MILLION, SKEW)
        figures["skew"] = {name: _used(name, skewed) for name in engines}
        for name, used in figures["skew"].items():
            ratio = used["cpu_s"] / at_one[name]["cpu_s"]
            rows.append({"what": f"{name}, skewed / even (bar: at most 1.5)", "value": f"{ratio:.2f}"})
    return figures


def _used(name: str, folder: Path) -> Figures:
    """What a contender used, in a process of its own; what it wrote goes again."""
    command = [sys.executable, "-m", "benchmarks.point_in_time_contenders", name, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    out = folder / f"{name}.parquet"
    shutil.rmtree(out) if out.is_dir() else out.unlink()
    return json.loads(done.stdout.splitlines()[-1])


def _told(what: str, used: Figures) -> Figures:
    return {"what": what, "value": f"{used['cpu_s']:.1f} (+{used['start_s']:.1f})  {used['mb']:,.0f}  {used['rows']:,}"}


def _ratios(used: dict[str, Figures]) -> list[Figures]:
    return [
        {"what": what, "value": f"{_cpu_s(used[one], whole) / _cpu_s(used[other], whole):.2f}"}
        for what, one, other, whole in COMPARED
        if one in used and other in used
    ]


def _cpu_s(used: Figures, whole: bool) -> float:
    return used["cpu_s"] + (used["start_s"] if whole else 0.0)


def _exponent(name: str, by_size: dict[int, Figures]) -> Figures:
    most = max(by_size)
    exponent = math.log(by_size[most]["cpu_s"] / by_size[1]["cpu_s"]) / math.log(most) if most > 1 else 1.0
    return {"what": f"{name}, growth exponent to {most}M (bar: 1.05)", "value": f"{exponent:.2f}"}


def _world(folder: Path, spine_rows: int, in_one: float = 0.0) -> Path:
    """A spine over four weeks, of which one user has a part, and the nights of three views."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(
            f"""COPY (
                SELECT 'u' || lpad((CASE WHEN hash(i, 7) % 100 < {in_one * 100} THEN 1 ELSE hash(i, 1) % {USERS} END)
                           ::VARCHAR, 8, '0') AS user_id,
                       'i' || lpad((hash(i, 2) % {ITEMS})::VARCHAR, 8, '0') AS item_id,
                       TIMESTAMPTZ '2026-09-01 00:00:00+00' + to_microseconds((hash(i, 3) % 2419200000000)::BIGINT)
                           AS ts,
                       i AS request, ['home', 'feed', 'mail'][1 + i % 3] AS surface, (i % 10)::INTEGER AS position
                FROM range({spine_rows}) AS t(i)
            ) TO '{folder}/spine.parquet'"""
        )
        _view(
            engine, folder / "activity.parquet", ("user_id", USERS), 9, "k * d % 1000 / 10 AS clicks, {n} AS sessions"
        )
        _view(engine, folder / "taste.parquet", ("user_id", USERS), 8, "k * d % 977 / 10 AS price, {g} AS genre")
        _view(engine, folder / "stock.parquet", ("item_id", ITEMS), 15, "k / 10 AS popularity, {n} AS pieces")
    return folder


def _view(engine: duckdb.DuckDBPyConnection, path: Path, key: tuple[str, int], nights: int, columns: str) -> None:
    """Every entity in each of so many nights, spread over the four weeks and available three hours after midnight."""
    name, entities = key
    values = columns.format(n="((k + d) % 50)::INTEGER", g="['a', 'b', 'c', 'd'][1 + (k + d) % 4]")
    engine.execute(
        f"""COPY (
            SELECT '{name[0]}' || lpad(k::VARCHAR, 8, '0') AS {name},
                   TIMESTAMPTZ '2026-09-01 00:00:00+00' + to_hours(24 * (d * 28 // {nights})) AS event_ts,
                   event_ts + to_hours(3) AS available_ts, {values}
            FROM range({nights}) AS nights(d), range({entities}) AS entities(k) ORDER BY d, k
        ) TO '{path}'"""
    )


if __name__ == "__main__":
    sys.exit(main())
