"""Why rows were refused: for each rule what it asks for, how many rows broke it, and a few of them to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.datasets import DATASETS

EXAMPLES = 3
PATH_PARTS = 3
ROW_CHARACTERS = 200
LINE_RULES = {
    "row.json": "the line must be one JSON object",
    "row.encoding": "the line must be text in UTF-8",
}
CONFLICT = ".conflict"


@dataclass(frozen=True)
class Example:
    """One refused row: where it stands, and how it begins."""

    file: str
    line: int
    row: str


@dataclass(frozen=True)
class Refusal:
    """One rule and the rows that broke it; `share` is that of the dataset's rows, where their number is known."""

    dataset: str
    rule: str
    meaning: str
    rows: int
    share: float | None
    examples: tuple[Example, ...]


def refusals(quarantine: pa.Table, rows_in: Mapping[str, int]) -> list[Refusal]:
    """Every rule that was broken, the most often broken first. A row that broke two rules counts for each."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for group in quarantine.group_by(["dataset", "rules"]).aggregate([([], "count_all")]).to_pylist():
        for rule in group["rules"].split():
            counts[group["dataset"], rule] += group["count_all"]
    examples = _examples(quarantine)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        Refusal(
            dataset=dataset,
            rule=rule,
            meaning=meaning(dataset, rule),
            rows=rows,
            share=rows / rows_in[dataset] if rows_in.get(dataset) else None,
            examples=examples[dataset, rule],
        )
        for (dataset, rule), rows in ordered
    ]


def meaning(dataset: str, rule: str) -> str:
    """What a rule asks for, in words."""
    if rule in LINE_RULES:
        return LINE_RULES[rule]
    if rule.endswith(CONFLICT):
        return f"a row with this {rule.removesuffix(CONFLICT)} and other contents had landed before"
    declared = dict(DATASETS[dataset].rules()) if dataset in DATASETS else {}
    return declared.get(rule, "a rule that is no longer declared")


def _examples(quarantine: pa.Table) -> dict[tuple[str, str], tuple[Example, ...]]:
    """The first rows, by file and line, that broke each rule."""
    found: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for row in _first_of_each_group(quarantine).to_pylist():
        for rule in row["rules"].split():
            if len(found[row["dataset"], rule]) < EXAMPLES:
                found[row["dataset"], rule].append(_example(row))
    return {key: tuple(examples) for key, examples in found.items()}


def _first_of_each_group(quarantine: pa.Table) -> pa.Table:
    """The first rows of each distinct pair of dataset and broken rules; only these leave Arrow."""
    order = pc.sort_indices(
        quarantine, [("dataset", "ascending"), ("rules", "ascending"), ("file", "ascending"), ("line", "ascending")]
    )
    groups = quarantine.select(["dataset", "rules"]).take(order)
    codes = [groups[name].combine_chunks().dictionary_encode().indices.to_numpy() for name in groups.column_names]
    starts = np.r_[True, (codes[0][1:] != codes[0][:-1]) | (codes[1][1:] != codes[1][:-1])]
    first_rows = np.flatnonzero(starts) if quarantine.num_rows else np.zeros(0, np.int64)
    places = np.arange(quarantine.num_rows) - np.repeat(first_rows, np.diff(np.r_[first_rows, quarantine.num_rows]))
    chosen = quarantine.take(order.take(pa.array(np.flatnonzero(places < EXAMPLES))))
    return chosen.sort_by([("dataset", "ascending"), ("file", "ascending"), ("line", "ascending")])


def _example(row: Mapping[str, Any]) -> Example:
    text = row["row"]
    cut = text if len(text) <= ROW_CHARACTERS else text[:ROW_CHARACTERS] + "…"
    return Example("/".join(row["file"].split("/")[-PATH_PARTS:]), row["line"], cut)
