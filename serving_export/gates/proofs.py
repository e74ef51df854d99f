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
from serving_export.gates.bench import Bench
from serving_export.gates.verdicts import EXAMPLES, Verdict, at_least
from serving_export.night import OWNING

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
    shown = bench.night.items.of(bench.night.active(Entity.ITEM))
    of_items = of_items.filter(pc.is_in(of_items["entity_id"], value_set=shown))
    way_out = "run training.embeddings with full=true for this night"
    items, queries = (matrix_of(each["vector"], "embeddings/vectors", way_out) for each in (of_items, of_queries))
    if bench.surface.query is Entity.ITEM:
        items, queries = directions(items), directions(queries)
    asked = pc.unique(listed["query_id"])
    at = pc.index_in(asked, value_set=of_queries["entity_id"].combine_chunks())
    number_of = pc.index_in(listed["candidate_id"], value_set=of_items["entity_id"].combine_chunks()).to_numpy()
    line_of = pc.index_in(listed["query_id"], value_set=asked).to_numpy()
    scores = queries[np.nan_to_num(at.to_numpy(zero_copy_only=False), nan=0).astype(int)] @ items.T
    deep = min(_depth(bench, quota), items.shape[0]) - 1
    least = -np.partition(-scores, deep, axis=1)[:, deep]
    known = np.isfinite(number_of.astype(float))
    number = np.where(known, np.nan_to_num(number_of.astype(float)), 0).astype(int)
    inside = known & (scores[line_of, number] >= least[line_of] - 1e-4 * np.abs(least[line_of]))
    wrong = listed.filter(pa.array(~inside)).slice(0, EXAMPLES).to_pylist()
    return float(inside.mean()), [f"{row['query_id']} → {row['candidate_id']}" for row in wrong]


def _depth(bench: Bench, quota: int) -> int:
    """How far down an entry may stand: past what rules may have kept from any query in between."""
    owned = bench.value(
        f"""SELECT max(met) FROM (SELECT user_id, count(DISTINCT item_id) AS met FROM {bench.events}
        WHERE event_type IN ({", ".join(map(literal, OWNING))}, 'dismiss') GROUP BY ALL)"""
    )
    return quota + int(owned) + 1


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
