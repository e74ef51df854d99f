"""Gates on what no list may hold, whoever it is for: each rule asked of the raw tables in words of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from daybreak.duckdb_files import literal, quoted
from daybreak.sources import KINDS, Entity
from daybreak.surfaces import VARIANTS, Condition
from serving_export.candidates import variants
from serving_export.gates.bench import Bench
from serving_export.gates.verdicts import EXAMPLES, Verdict, never
from serving_export.night import MUTUAL, OWNING, TYING

OWN_LISTS = "(FROM tonight WHERE audience = 'query')"


def judge_rules(bench: Bench) -> list[Verdict]:
    """Every rule that is on, and those that always are."""
    return [_never(bench, gate, sql) for gate, sql in [*_always(bench), *_rules(bench)]]


def _never(bench: Bench, gate: str, broken: str) -> Verdict:
    """`broken` selects the entries that break the rule, as query and candidate."""
    count = int(bench.value(f"SELECT count(*) FROM ({broken})"))
    examples = bench.rows(f"FROM ({broken}) ORDER BY ALL LIMIT {EXAMPLES}") if count else []
    return never(gate, count, [(str(query), str(candidate)) for query, candidate, *_ in examples])


def _always(bench: Bench) -> Iterator[tuple[str, str]]:
    lists = "audience, query_id"
    yield (
        "duplicates",
        f"SELECT query_id, candidate_id FROM tonight GROUP BY {lists}, candidate_id HAVING count(*) > 1",
    )
    yield (
        "order",
        f"""SELECT query_id, min(candidate_id) FROM tonight GROUP BY {lists}
        HAVING max(rank) <> count(*) - 1 OR min(rank) <> 0 OR count(DISTINCT rank) <> count(*)""",
    )
    yield "scores", "SELECT query_id, candidate_id FROM tonight WHERE NOT isfinite(score)"
    yield "unknown queries", f"SELECT query_id, candidate_id FROM {OWN_LISTS} ANTI JOIN expected USING (query_id)"
    yield (
        "unknown candidates",
        "SELECT query_id, candidate_id FROM tonight ANTI JOIN candidate_states USING (candidate_id)",
    )
    yield (
        "too long",
        f"SELECT query_id, candidate_id FROM tonight WHERE rank >= {bench.surface.stored}",
    )


def _rules(bench: Bench) -> Iterator[tuple[str, str]]:
    surface, rules = bench.surface, bench.surface.rules
    of_users = surface.query is Entity.USER
    if rules.own and surface.query is surface.candidate:
        yield "own", f"SELECT query_id, candidate_id FROM {OWN_LISTS} WHERE query_id = candidate_id"
    if of_users and surface.candidate is Entity.ITEM:
        yield from _history(bench)
    if of_users and surface.candidate is Entity.USER:
        yield from _company(bench)
    if rules.inactive:
        yield "inactive", _of_candidates("NOT is_active")
    if rules.out_of_stock and surface.candidate is Entity.ITEM:
        yield "out_of_stock", _of_candidates("in_stock = false")
    for column in dict.fromkeys(condition.column for condition in rules.conditions):
        told = "candidate_id" if column == f"{surface.candidate}_id" else column
        broken = [_broken(condition, told) for condition in rules.conditions if condition.column == column]
        yield f"condition {column}", _of_candidates(" OR ".join(broken))
    if rules.regions and of_users and surface.candidate is Entity.ITEM:
        yield "regions", _regions(bench)
    for column, most in surface.caps.items():
        yield f"cap {column}", _capped(bench, column, most)


def _history(bench: Bench) -> Iterator[tuple[str, str]]:
    rules = bench.surface.rules
    repeats = [literal(name) for name in bench.surface.asked if KINDS[name].repeats]
    if rules.owned:
        proposed = f"AND len(list_intersect(string_split(sources, '+'), [{', '.join(repeats)}])) = 0" if repeats else ""
        kinds = ", ".join(map(literal, OWNING))
        yield "owned", _met(bench, f"event_type IN ({kinds})", proposed)
    if rules.seen_days:
        recent = f"event_type = 'impression' AND {bench.night.age} < {rules.seen_days}"
        yield "seen", _met(bench, recent)
    if rules.dismissed:
        yield "dismissed", _met(bench, "event_type = 'dismiss'")


def _met(bench: Bench, which: str, also: str = "") -> str:
    """Entries of items that the user met in such events."""
    return f"""SELECT query_id, candidate_id FROM {OWN_LISTS} lists WHERE true {also} AND EXISTS
        (SELECT 1 FROM {bench.events} WHERE {which} AND user_id = query_id AND item_id = candidate_id)"""


def _company(bench: Bench) -> Iterator[tuple[str, str]]:
    rules, night = bench.surface.rules, bench.night
    kept_apart = {"tied": (TYING, MUTUAL), "blocked": (("block",), ("block",)), "dismissed": (("dismiss",), ())}
    for rule, (kinds, mutual) in kept_apart.items():
        if not getattr(rules, rule):
            continue
        pairs = night.tied(*kinds, mutual=mutual)
        bench.keep(
            f"{rule}_pairs",
            pa.table({"query_id": night.users.of(pairs.queries), "candidate_id": night.users.of(pairs.others)}),
        )
        yield (
            rule,
            f"SELECT query_id, candidate_id FROM {OWN_LISTS} SEMI JOIN {rule}_pairs USING (query_id, candidate_id)",
        )


def _of_candidates(which: str) -> str:
    return f"SELECT query_id, candidate_id FROM tonight JOIN candidate_states USING (candidate_id) WHERE {which}"


def _broken(condition: Condition, told: str) -> str:
    """The condition that a candidate breaks it, by the column that tells."""
    column = quoted(told)
    if condition.at_least is not None:
        return f"{column} < {condition.at_least!r}"
    if condition.at_most is not None:
        return f"{column} > {condition.at_most!r}"
    named = ", ".join(map(literal, condition.one_of or condition.none_of or ("",)))
    return f"{column} {'NOT ' if condition.one_of is not None else ''}IN ({named})"


def _regions(bench: Bench) -> str:
    night = bench.night
    states = night.states[Entity.USER]
    bench.keep("countries", pa.table({"query_id": night.users.ids, "country": states["country"]}))
    return f"""SELECT query_id, candidate_id FROM {OWN_LISTS} JOIN candidate_states USING (candidate_id)
        LEFT JOIN countries USING (query_id) WHERE regions IS NOT NULL
        AND (country IS NULL OR NOT list_contains(string_split(regions, ' '), country))
        UNION ALL SELECT query_id, candidate_id FROM tonight JOIN candidate_states USING (candidate_id)
        WHERE audience <> 'query' AND regions IS NOT NULL"""


def _capped(bench: Bench, column: str, most: int) -> str:
    if column == VARIANTS:
        groups = pa.array(variants(bench.night))
        bench.keep("variants", pa.table({"candidate_id": bench.night.items.ids, "shared": groups}))
        counted = "(SELECT candidate_id, shared FROM variants WHERE shared >= 0)"
    else:
        counted = f"(SELECT candidate_id, {quoted(column)} AS shared FROM candidate_states WHERE shared IS NOT NULL)"
    return f"""SELECT query_id, min(candidate_id) FROM tonight JOIN {counted} USING (candidate_id)
        GROUP BY audience, query_id, shared HAVING count(*) > {most}"""
