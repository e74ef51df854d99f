"""Gates that look at the lists from outside: an exact search of the raw vectors, and what users wanted on the day."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.duckdb_files import literal
from daybreak.interest import WEIGHTS
from daybreak.sources import Entity, SourceName
from daybreak.vectors import directions, matrix_of, run_of, vectors_of
from serving_export.arrays import Ints
from serving_export.gates.bench import Bench
from serving_export.gates.verdicts import EXAMPLES, Verdict, at_least
from serving_export.night import OWNING, Range
from serving_export.rulebooks import rulebook
from serving_export.rules import Rulebook

SAMPLE = 200
LEAST_HITS = 30
"""So many hits the lists of the night before must have had for theirs to be compared with."""


def judge_exact(bench: Bench, seed: int) -> Iterator[Verdict]:
    """Of a sample of queries, the share of the towers' entries that an exact search of the night's vectors finds too:
    ids that were shuffled, or vectors of another model, find others."""
    source = bench.surface.sources.get(SourceName.TWO_TOWER)
    run = run_of(bench.night.io, bench.night.ds)
    if source is None or run is None:
        return
    listed = _sampled(bench, seed)
    if not listed.num_rows:
        return
    found, examples = _found_exactly(bench, listed, vectors_of(bench.night.io, run, bench.night.ds), source.quota)
    yield at_least("exact", found, bench.surface.gates.min_exact, detail=", ".join(examples[:EXAMPLES]))


def _sampled(bench: Bench, seed: int) -> pa.Table:
    """What the towers proposed for some queries, drawn by the seed."""
    return bench.night.engine.sql(
        f"""WITH asked AS (SELECT DISTINCT query_id FROM tonight WHERE audience = 'query'
        AND made = {literal(bench.night.ds)} ORDER BY hash(query_id || {literal(str(seed))}) LIMIT {SAMPLE})
        SELECT query_id, candidate_id FROM tonight SEMI JOIN asked USING (query_id) WHERE audience = 'query'
        AND list_contains(string_split(sources, '+'), {literal(SourceName.TWO_TOWER)}) ORDER BY ALL"""
    ).to_arrow_table()


def _found_exactly(bench: Bench, listed: pa.Table, rows: pa.Table, quota: int) -> tuple[float, list[str]]:
    of_items = rows.filter(pc.equal(rows["entity"], Entity.ITEM.value))
    of_queries = rows.filter(pc.equal(rows["entity"], bench.surface.query.value))
    everybody = Range(0, len(bench.night.names[bench.surface.query]))
    rules = rulebook(bench.surface, bench.night, everybody)
    shown = bench.night.items.of(np.flatnonzero(rules.shown))
    of_items = of_items.filter(pc.is_in(of_items["entity_id"], value_set=shown))
    way_out = "run training.embeddings with full=true for this night"
    items, queries = (matrix_of(each["vector"], "embeddings/vectors", way_out) for each in (of_items, of_queries))
    if bench.surface.query is Entity.ITEM:
        items, queries = directions(items), directions(queries)
    asked = pc.unique(listed["query_id"])
    at = pc.index_in(asked, value_set=of_queries["entity_id"].combine_chunks())
    number_of = pc.index_in(listed["candidate_id"], value_set=of_items["entity_id"].combine_chunks()).to_numpy()
    line_of = pc.index_in(listed["query_id"], value_set=asked).to_numpy()
    if not len(items):
        return 0.0, []
    scores = queries[np.nan_to_num(at.to_numpy(zero_copy_only=False), nan=0).astype(int)] @ items.T
    deep = min(quota + _kept_out(rules, bench.night.names[bench.surface.query].numbers(asked)), len(items)) - 1
    least = -np.partition(-scores, deep, axis=1)[:, deep]
    known = np.isfinite(number_of.astype(float))
    number = np.where(known, np.nan_to_num(number_of.astype(float)), 0).astype(int)
    inside = known & (scores[line_of, number] >= least[line_of] - 1e-4 * np.abs(least[line_of]))
    wrong = listed.filter(pa.array(~inside)).slice(0, EXAMPLES).to_pylist()
    return float(inside.mean()), [f"{row['query_id']} → {row['candidate_id']}" for row in wrong]


def _kept_out(rules: Rulebook, queries: Ints) -> int:
    """The most that rules may keep from one of these queries of what lies nearer: so far down an entry may stand."""
    pairs = [keys // rules.n_candidates for keys in rules.of(np.sort(queries)).keys.values()]
    kept_apart = np.bincount(np.concatenate([np.zeros(0, np.int64), *pairs]), minlength=1).max()
    return int(kept_apart) + (int(rules.regions.is_kept.sum()) if rules.regions else 0)


def judge_hits(bench: Bench) -> Iterator[Verdict]:
    """Users who wanted something on the newest day that their list shows, beside the same of the lists of the night
    before. Tonight's lists were made knowing of that day, so where they know less of it than those, they are wrong."""
    if bench.surface.query is not Entity.USER or bench.surface.candidate is not Entity.ITEM or not bench.earlier_ds:
        return
    wanting = ", ".join(literal(kind) for kind in WEIGHTS)
    owning = ", ".join(map(literal, OWNING))
    bench.night.engine.execute(
        f"""CREATE OR REPLACE TEMP TABLE wants AS SELECT DISTINCT user_id AS query_id, item_id AS candidate_id
        FROM {bench.newest_events()} WHERE event_type IN ({wanting})"""
    )
    if bench.surface.rules.owned:
        bench.night.engine.execute(
            f"""DELETE FROM wants WHERE EXISTS (SELECT 1 FROM {bench.events} WHERE event_type IN ({owning})
            AND user_id = query_id AND item_id = candidate_id)"""
        )
    if bench.surface.rules.seen_days:
        return

    def hits(table: str) -> float:
        return bench.value(
            f"""SELECT count(DISTINCT query_id) FROM {table} SEMI JOIN wants USING (query_id, candidate_id)
            WHERE {bench.shown}"""
        )

    before, tonight = hits("earlier"), hits("tonight")
    if before >= LEAST_HITS:
        bound = bench.surface.gates.min_hits_kept * before
        yield at_least("hits on the newest day", tonight, bound, before=before)
