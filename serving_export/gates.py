"""Judges the lists as lists, before anybody sees them.

Writes `serving/gates`, one row per surface and gate, and fails where one does not hold: what is live stays live. What
users have and what may be shown is read again from the raw tables and not taken from the step that made the lists.
A second run of a day replaces the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.datasets import GATES, LISTS
from daybreak.errors import GateError
from daybreak.lake.digest import rows_digest
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from daybreak.surfaces import Entity, Surface, load_surfaces
from serving_export.facts import Facts, Ints, Names, gather
from serving_export.lists import FALLBACK

Flags = npt.NDArray[np.bool_]

EXAMPLES = 3


class GatesConfig(StepConfig):
    """The gates stand in `surfaces.yaml`; there is nothing else to set."""


@dataclass(frozen=True)
class Verdict:
    """What one gate measured, what it had to keep, and examples where it did not."""

    gate: str
    value: float
    bound: str
    passed: bool
    detail: str = ""


def run(config: GatesConfig, io: StepIO) -> Summary:
    """Judges every surface; raises with all that failed."""
    lists, facts = io.day(LISTS), gather(io)
    rows = []
    for name, surface in load_surfaces(io.settings.surfaces).items():
        mine = lists.filter(pc.equal(lists["surface"], name))
        rows += [{"surface": name, **vars(verdict)} for verdict in judge(surface, mine, facts)]
    lists_digest = rows_digest(lists)
    io.write(GATES, pa.Table.from_pylist([{**row, "lists_digest": lists_digest} for row in rows]))
    failed = [row for row in rows if not row["passed"]]
    if failed:
        told = "; ".join(
            f"{row['surface']} {row['gate']} is {row['value']:g} and must be {row['bound']}"
            + (f" ({row['detail']})" if row["detail"] else "")
            for row in failed
        )
        raise GateError(
            f"{len(failed)} of {len(rows)} list gates failed on {config.ds}: {told}. What was live stays live",
            {"gates": len(rows), "failed": len(failed)},
        )
    return {"gates": len(rows), "failed": 0}


def judge(surface: Surface, lists: pa.Table, facts: Facts) -> list[Verdict]:
    """Every gate of a surface on its lists."""
    own = lists.filter(pc.not_equal(lists["query_id"], FALLBACK))
    names, expected = _queries(surface, facts)
    queries = names.numbers(own["query_id"])
    lengths = np.bincount(queries[queries >= 0], minlength=len(names))[expected]
    fallback = lists.num_rows - own.num_rows
    return [
        _at_least(
            "coverage",
            _share(lengths >= surface.gates.min_length),
            surface.gates.min_coverage,
            _examples(names, expected[lengths < surface.gates.min_length]),
        ),
        _at_most("empty", _share(lengths == 0), surface.gates.max_empty, _examples(names, expected[lengths == 0])),
        _at_least("fallback length", fallback, min(surface.gates.min_length, len(facts.active_items))),
        _at_most("longest list", lengths.max(initial=0), surface.length),
        *(_never(gate, broken, lists) for gate, broken in _broken_rules(surface, lists, facts)),
    ]


def _broken_rules(surface: Surface, lists: pa.Table, facts: Facts) -> Iterator[tuple[str, Flags]]:
    """For each rule, which rows break it; the rules of the fallback are those that need no query."""
    names, expected = _queries(surface, facts)
    queries, candidates = names.numbers(lists["query_id"]), facts.items.numbers(lists["candidate_id"])
    is_fallback = pc.equal(lists["query_id"], FALLBACK).to_numpy()
    yield "duplicates", _repeated(lists)
    yield "order", ~_in_order(lists)
    yield "unknown queries", ~is_fallback & ~np.isin(queries, expected)
    yield "unknown items", candidates < 0
    if surface.rules.own and surface.query is surface.candidate:
        yield "own item", ~is_fallback & (queries == candidates)
    if surface.rules.owned and surface.query is Entity.USER:
        owned = facts.owned.queries * len(facts.items) + facts.owned.items
        is_known = (queries >= 0) & (candidates >= 0)
        yield "already owned", is_known & np.isin(queries * len(facts.items) + candidates, owned)
    if surface.rules.inactive:
        yield "inactive items", ~np.isin(candidates, facts.active_items)


def _queries(surface: Surface, facts: Facts) -> tuple[Names, Ints]:
    """The names of what is asked for, and the numbers of those that must have a list."""
    if surface.query is Entity.USER:
        return facts.users, facts.active_users
    return facts.items, facts.active_items


def _repeated(lists: pa.Table) -> Flags:
    """The rows whose candidate stands in the same list more than once."""
    queries, candidates = _codes(lists["query_id"]), _codes(lists["candidate_id"])
    pairs = queries * (candidates.max(initial=0) + 1) + candidates
    _, places, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    return counts[places] > 1


def _codes(ids: pa.ChunkedArray) -> Ints:
    """A number for each id, the same for the same id."""
    return ids.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)


def _in_order(lists: pa.Table) -> Flags:
    """Whether each row's rank follows the one before it in its list, at no higher score."""
    query = _codes(lists["query_id"])
    rank, score = lists["rank"].to_numpy(), lists["score"].to_numpy()
    order = np.lexsort((rank, query))
    query, rank, score = query[order], rank[order], score[order]
    is_first = np.r_[True, query[1:] != query[:-1]] if len(query) else np.zeros(0, bool)
    follows = np.r_[True, (rank[1:] == rank[:-1] + 1) & (score[1:] <= score[:-1])] if len(query) else is_first
    fine = np.empty(len(query), bool)
    fine[order] = np.where(is_first, rank == 0, follows) & np.isfinite(score)
    return fine


def _never(gate: str, broken: Flags, lists: pa.Table) -> Verdict:
    rows = np.flatnonzero(broken)[:EXAMPLES]
    examples = [f"{lists['query_id'][i].as_py() or 'fallback'} → {lists['candidate_id'][i]}" for i in rows.tolist()]
    return _at_most(gate, int(broken.sum()), 0, ", ".join(examples))


def _share(which: Flags) -> float:
    return float(which.mean()) if len(which) else 0.0


def _examples(names: Names, numbers: Ints) -> str:
    return ", ".join(names.of(numbers[:EXAMPLES]).to_pylist())


def _at_least(gate: str, value: float, bound: float, detail: str = "") -> Verdict:
    passed = float(value) >= bound
    return Verdict(gate, float(value), f">= {bound:g}", passed, "" if passed else detail)


def _at_most(gate: str, value: float, bound: float, detail: str = "") -> Verdict:
    passed = float(value) <= bound
    return Verdict(gate, float(value), f"<= {bound:g}", passed, "" if passed else detail)
