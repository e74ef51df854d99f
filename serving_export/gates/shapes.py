"""Gates on the lists as a whole: whom they reach, how long they are, how much they moved, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.duckdb_files import quoted
from daybreak.sources import Entity
from serving_export.gates.bench import Bench
from serving_export.gates.verdicts import EXAMPLES, Verdict, at_least, at_most

POPULAR_SHARE = 0.01
SCORE_BINS = 20
MIX_OF = {Entity.ITEM: "category", Entity.USER: "segment"}


def judge_shapes(bench: Bench, *, same_models: bool) -> Iterator[Verdict]:
    """Coverage and length, all together and by segment; then what is in the lists, beside the night before."""
    yield from _reach(bench)
    yield from _fallback(bench)
    yield _catalogue(bench)
    yield from _popular(bench)
    if bench.earlier_ds:
        yield from _churn(bench, same_models=same_models)
        yield from _mix(bench)
        if same_models:
            yield from _scores(bench)


def _reach(bench: Bench) -> Iterator[Verdict]:
    gates = bench.surface.gates
    bench.night.engine.execute(
        f"""CREATE OR REPLACE TEMP TABLE lengths AS SELECT expected.query_id, segment,
        coalesce(entries, 0) AS entries FROM expected LEFT JOIN
        (SELECT query_id, count(*) AS entries FROM tonight WHERE {bench.shown} GROUP BY ALL) USING (query_id)"""
    )
    before = dict(_coverage(bench, "earlier")) if bench.earlier_ds else {}
    for segment, covered, empty in bench.rows(
        f"""SELECT coalesce(segment, '') AS told, avg((entries >= {gates.min_length})::INT), avg((entries = 0)::INT)
        FROM lengths GROUP BY GROUPING SETS ((), (segment))
        HAVING grouping(segment) = 1 OR (segment IS NOT NULL AND count(*) >= {gates.segment_size}) ORDER BY ALL"""
    ):
        of = "" if segment == "" else f" AND segment = '{segment.replace(chr(39), chr(39) * 2)}'"
        short = _examples(bench, f"entries < {gates.min_length}{of}")
        yield at_least(
            "coverage", covered or 0.0, gates.min_coverage, before=before.get(segment), segment=segment, detail=short
        )
        yield at_most(
            "empty", empty or 0.0, gates.max_empty, segment=segment, detail=_examples(bench, f"entries = 0{of}")
        )


def _coverage(bench: Bench, table: str) -> list[tuple[str, float]]:
    """Of those who must have a list tonight, the share of whom had one that was long enough."""
    found = bench.rows(
        f"""SELECT coalesce(segment, ''), avg((coalesce(entries, 0) >= {bench.surface.gates.min_length})::INT)
        FROM expected LEFT JOIN (SELECT query_id, count(*) AS entries FROM {table} WHERE {bench.shown} GROUP BY ALL)
        USING (query_id) GROUP BY GROUPING SETS ((), (segment)) HAVING grouping(segment) = 1 OR segment IS NOT NULL"""
    )
    return [(str(segment), float(share)) for segment, share in found if share is not None]


def _examples(bench: Bench, which: str) -> str:
    rows = bench.rows(f"SELECT query_id FROM lengths WHERE {which} ORDER BY query_id LIMIT {EXAMPLES}")
    return ", ".join(str(query) for (query,) in rows)


def _fallback(bench: Bench) -> Iterator[Verdict]:
    """The list for everyone, and that of each segment, is as long as a list must be, or as there are candidates."""
    active = bench.value("SELECT count(*) FROM candidate_states WHERE is_active")
    bound = min(bench.surface.gates.min_length, active)
    entries = bench.value("SELECT count(*) FROM tonight WHERE audience = 'everyone'")
    yield at_least("fallback length", entries, bound)
    shortest = bench.rows("""SELECT query_id, count(*) AS entries FROM tonight WHERE audience = 'segment'
        GROUP BY ALL ORDER BY entries, query_id LIMIT 1""")
    if shortest:
        segment, entries = shortest[0]
        yield at_least("segment fallback length", entries, bound, detail=str(segment))


def _catalogue(bench: Bench) -> Verdict:
    """The share of candidates that some list shows."""

    def share(table: str) -> float:
        return bench.value(
            f"""SELECT (SELECT count(DISTINCT candidate_id) FROM {table} WHERE {bench.shown})
            / greatest((SELECT count(*) FROM candidate_states WHERE is_active), 1)"""
        )

    before = share("earlier") if bench.earlier_ds else None
    return at_least("catalogue", share("tonight"), bench.surface.gates.min_catalogue, before=before)


def _popular(bench: Bench) -> Iterator[Verdict]:
    """The share of shown entries that are among the most popular hundredth, by what happened on the day."""
    if bench.surface.candidate is not Entity.ITEM:
        return
    active = bench.value("SELECT count(*) FROM candidate_states WHERE is_active")
    bench.night.engine.execute(
        f"""CREATE OR REPLACE TEMP TABLE popular AS SELECT item_id AS candidate_id FROM {bench.newest_events()}
        WHERE event_type <> 'impression' GROUP BY ALL ORDER BY count(*) DESC, item_id
        LIMIT {max(1, int(active * POPULAR_SHARE))}"""
    )

    def share(table: str) -> float:
        return bench.value(
            f"""SELECT avg((popular.candidate_id IS NOT NULL)::INT) FROM {table} LEFT JOIN popular USING (candidate_id)
            WHERE {bench.shown}"""
        )

    before = share("earlier") if bench.earlier_ds else None
    yield at_most("popular", share("tonight"), bench.surface.gates.max_popular, before=before)


def _churn(bench: Bench, *, same_models: bool) -> Iterator[Verdict]:
    """The share of shown entries that the night before did not show to the same query."""
    gates = bench.surface.gates
    bound = gates.max_churn if same_models else gates.max_churn_new_model
    found = bench.rows(
        f"""WITH old AS (SELECT query_id, candidate_id FROM earlier WHERE {bench.shown})
        SELECT coalesce(segment, ''), avg((old.candidate_id IS NULL)::INT) FROM (SELECT query_id, candidate_id
        FROM tonight SEMI JOIN old USING (query_id) WHERE {bench.shown}) LEFT JOIN old USING (query_id, candidate_id)
        JOIN expected USING (query_id) GROUP BY GROUPING SETS ((), (segment)) HAVING grouping(segment) = 1
        OR (segment IS NOT NULL AND count(DISTINCT query_id) >= {gates.segment_size}) ORDER BY ALL"""
    )
    for segment, churn in found:
        if churn is not None:
            yield at_most("churn", churn, bound, segment=segment)


def _mix(bench: Bench) -> Iterator[Verdict]:
    """How far the mix of what is shown moved: half the sum of the changes of the shares."""
    column = quoted(MIX_OF[bench.surface.candidate])

    def mix(table: str) -> str:
        return f"""SELECT coalesce({column}, '') AS kind, count(*) / sum(count(*)) OVER () AS share FROM {table}
            JOIN candidate_states USING (candidate_id) WHERE {bench.shown} GROUP BY ALL"""

    moved = bench.rows(
        f"""SELECT coalesce(a.kind, b.kind) AS kind, coalesce(a.share, 0) - coalesce(b.share, 0) AS change
        FROM ({mix("tonight")}) a FULL JOIN ({mix("earlier")}) b ON a.kind = b.kind ORDER BY abs(change) DESC, kind"""
    )
    shift = sum(abs(change) for _, change in moved) / 2
    told = ", ".join(f"{kind or 'untold'} {change:+.3f}" for kind, change in moved[:EXAMPLES])
    yield at_most("mix shift", shift, bench.surface.gates.max_mix_shift, detail=told)


def _scores(bench: Bench) -> Iterator[Verdict]:
    """How far the distribution of scores moved, by twentieths of the night before."""

    def scores(table: str) -> str:
        return f"(SELECT score FROM {table} WHERE {bench.shown})"

    quantiles = ", ".join(str(number / SCORE_BINS) for number in range(1, SCORE_BINS))
    edges = bench.rows(f"SELECT quantile_disc(score, [{quantiles}]) FROM {scores('earlier')}")[0][0]
    if edges is None:
        return
    cuts = sorted(set(edges))
    binned = " + ".join(f"(score > {cut!r})::INT" for cut in cuts)

    def shares(table: str) -> dict[int, float]:
        rows = bench.rows(f"SELECT {binned} AS bin, count(*) / sum(count(*)) OVER () FROM {scores(table)} GROUP BY 1")
        return {int(bin_): float(share) for bin_, share in rows}

    tonight, earlier = shares("tonight"), shares("earlier")
    shift = sum(abs(tonight.get(n, 0.0) - earlier.get(n, 0.0)) for n in range(len(cuts) + 1)) / 2
    yield at_most("score shift", shift, bench.surface.gates.max_score_shift)
