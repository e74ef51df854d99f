"""Puts the shards of a night together: an index to be searched, its efforts found, some of its answers written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from daybreak.clock import end_of
from daybreak.errors import InputError
from daybreak.learning import Model
from indexing.ann import Ann, read
from indexing.arrays import NOWHERE, Ints
from indexing.choosing import margin, tuned
from indexing.contents import Contents, Known
from indexing.embedded import Embedded
from indexing.opened import OpenIndex
from indexing.plan import Plan
from indexing.recall import recall, sample
from indexing.spaces import Space, in_space
from indexing.specification import Effort, Kind

KNOWN_ANSWERS, KNOWN_LENGTH = 8, 5


@dataclass(frozen=True)
class Asked:
    """What is asked of an index: which share of the true first k, of how many questions, with what hidden."""

    target: float
    k: int
    questions: int
    filters: tuple[Ints, ...]


def assembled(plan: Plan, users: Embedded, ds: str, asked: Asked) -> tuple[OpenIndex, Mapping[Space, Sequence[Ann]]]:
    """The index of the night, and its shards."""
    anns = {space: _shards(plan, space) for space in Space}
    contents = Contents(
        ds=ds,
        model=Model.TWO_TOWER,
        version=plan.run.version,
        digest=plan.run.digest,
        fresh_until=end_of(ds).isoformat(),
        specifications=plan.specifications,
        efforts=dict.fromkeys(Space, Effort()),
        parts={},
    )
    index = OpenIndex(ds, contents, users, plan.items, anns)
    efforts = {space: _effort(plan, index, space, asked) for space in Space}
    index = index.saying(replace(contents, efforts=efforts))
    return with_known_answers(index, plan.seed), anns


def with_known_answers(index: OpenIndex, seed: int) -> OpenIndex:
    """The same index with some of its answers written down: for users, and beside items."""
    users, items = (each.names(sample(len(each), KNOWN_ANSWERS, seed, 5)) for each in (index.users, index.items))
    asked = [(Space.FOR_USERS, name) for name in users]
    asked += [(Space.FOR_ITEMS, name) for name in items if index.row(name) != NOWHERE]
    known = tuple(Known(space, name, tuple(index.ask(space, name, KNOWN_LENGTH).ids)) for space, name in asked)
    return index.saying(replace(index.contents, known=known))


def _shards(plan: Plan, space: Space) -> list[Ann]:
    """The shards of a space, as mapped tasks have built them."""
    vectors, specification = plan.vectors(space), plan.specifications[space]
    found = []
    for number in range(plan.items.shards):
        mine = vectors[plan.items.shard(number)]
        path = None if specification.kind is Kind.EXACT else plan.shard_path(space, number, mine)
        if path is not None and not path.exists():
            raise InputError(
                f"shard {number} of {plan.items.shards} of {space} was not built from tonight's vectors as"
                f" {specification}; run indexing.shard with number={number} first"
            )
        found.append(read(path, specification, mine))
    return found


def _effort(plan: Plan, index: OpenIndex, space: Space, asked: Asked) -> Effort:
    """The least effort that finds enough, with each filter too, on questions that no gate asks."""
    entity = index.users if space is Space.FOR_USERS else index.items
    k = min(asked.k, len(plan.items))
    queries = in_space(space, np.asarray(entity.vectors[sample(len(entity), asked.questions, plan.seed, 0)]))
    truths = [(hidden, index.search(space, queries, k, hidden=hidden, exact=True)[0]) for hidden in asked.filters]

    def recall_with(effort: Effort) -> float:
        return min(
            recall(index.search(space, queries, k, hidden=hidden, effort=effort)[0], truth) for hidden, truth in truths
        )

    return tuned(plan.specifications[space], recall_with, margin(asked.target, len(queries), k))[0]
