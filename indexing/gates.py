"""What an index must prove before it goes live: gates over the release as it lies on disk.

Each measures one thing and says what it came to; a gate that cannot be asked yet, such as a comparison with a night
that is not there, is left out. Recall is asked against exact truth, on questions that the search was not tuned on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from daybreak.errors import GateError, InputError
from daybreak.indexes import INDEX_GATES
from daybreak.lake.schemas import data_schema
from daybreak.learning import ITEM, USER
from daybreak.releases import Check, Release
from indexing.arrays import NOWHERE, Floats, Ints
from indexing.contents import Known
from indexing.embedded import Embedded
from indexing.opened import NOTHING, OpenIndex
from indexing.recall import recall, sample
from indexing.soundness import drift, filled, longest_by_usual
from indexing.spaces import Space, in_space

BOTH = "both"
NEAREST = 100
ENOUGH = 50
"""True entries of a group, below which the share of them that is found says nothing."""
EXAMPLES = 5


class Limits(BaseModel):
    """What the gates hold an index to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recall_k: int = Field(100, ge=1, description="entries whose recall is asked")
    group_slack: float = Field(0.05, ge=0, lt=1, description="by how much less of a group's entries may be found")
    questions: int = Field(256, ge=1, description="users and items that are asked about")
    rank: float = Field(3.0, ge=1, description="directions that vectors must fill at least, or they have collapsed")
    longest: float = Field(100.0, gt=1, description="length of the longest vector, by the usual one, at most")
    drift: float = Field(0.9, gt=0, le=1, description="how far vectors may move in a night, once turned: 1 is chance")
    neighbours: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of yesterday's first ten beside an item that are among its hundred, beyond chance",
    )
    bytes_factor: float = Field(4.0, gt=1, description="factor by which the bytes of the index may change in a night")
    size_change: float = Field(0.3, gt=0, description="share by which the number of items may change in a night")
    stayed: float = Field(
        0.7, ge=0, le=1, description="share of yesterday's items, and of its users, that must be there still"
    )
    together: int = Field(4, ge=1, description="searches that the load test asks at a time")
    slowest_ms: float = Field(2_000.0, gt=0, description="milliseconds that one of them may take")


@dataclass(frozen=True)
class Gate:
    """One verdict."""

    space: str
    name: str
    value: float
    bound: str
    passed: bool
    detail: str = ""


def at_least(space: str, name: str, value: float, bound: float, detail: str = "") -> Gate:
    passed = bool(value >= bound)
    return Gate(space, name, round(float(value), 6), f">= {bound:g}", passed, "" if passed else detail)


def at_most(space: str, name: str, value: float, bound: float, detail: str = "") -> Gate:
    passed = bool(value <= bound)
    return Gate(space, name, round(float(value), 6), f"<= {bound:g}", passed, "" if passed else detail)


class Judge:
    """Asks an opened index everything."""

    def __init__(self, index: OpenIndex, limits: Limits, target: float, seed: int) -> None:
        self._index, self._limits, self._target, self._seed = index, limits, target, seed

    def of_vectors(self) -> Iterator[Gate]:
        """Whether the vectors are worth searching."""
        for entity, embedded in (("items", self._index.items), ("users", self._index.users)):
            vectors = embedded.vectors
            yield at_least(BOTH, f"{entity}_rank", filled(vectors), min(self._limits.rank, _fullest(embedded)))
            yield at_most(BOTH, f"{entity}_longest", longest_by_usual(vectors, vectors), self._limits.longest)

    def of_recall(self, groups: Mapping[str, Ints], filters: Mapping[str, Ints]) -> Iterator[Gate]:
        """The share of the true best that is found: overall, of the entries in each group, and with what each filter
        hides hidden."""
        for space in Space:
            queries = self._queries(space, 1)
            truth, found = self._both(space, queries, NOTHING)
            yield at_least(space, "recall", recall(found, truth), self._target)
            for name, rows in groups.items():
                if int(np.isin(truth, rows).sum()) >= ENOUGH:
                    least = self._target - self._limits.group_slack
                    yield at_least(space, f"recall_{name}", recall(found, truth, rows), least)
            for name, hidden in filters.items():
                truth, found = self._both(space, queries, hidden)
                yield at_least(space, f"recall_{name}", recall(found, truth), self._target)

    def _queries(self, space: Space, number: int) -> Floats:
        return questions(space, self._index, self._limits.questions, self._seed, number)

    def _both(self, space: Space, queries: Floats, hidden: Ints) -> tuple[Ints, Ints]:
        truth, _ = self._index.search(space, queries, self._limits.recall_k, hidden=hidden, exact=True)
        found, _ = self._index.search(space, queries, self._limits.recall_k, hidden=hidden)
        return truth, found

    def of_ids(self, told: Callable[[str, list[str]], Floats]) -> Iterator[Gate]:
        """Whether ids and vectors belong together: each sampled id must have the vector that the night's table has
        `told` of it, and beside an item's own direction nothing may be nearer than itself."""
        same, wrong = [], []
        items, users = (self._some_of(each) for each in (self._index.items, self._index.users))
        for entity, names in ((ITEM, items), (USER, users)):
            for name, vector in zip(names, told(entity, names), strict=True):
                same.append(np.array_equal(self._index.vector(entity, name), vector))
                if not same[-1]:
                    wrong.append(f"{entity} {name}")
        yield at_least(BOTH, "id_round_trip", float(np.mean(same)), 1.0, _some(wrong))
        vectors = in_space(Space.FOR_ITEMS, told(ITEM, items))
        _, scores = self._index.search(Space.FOR_ITEMS, vectors, 1)
        own = np.einsum("ij,ij->i", vectors, vectors)
        found = scores[:, 0] >= own - 1e-4
        lost = [name for name, right in zip(items, found, strict=True) if not right]
        yield at_least(Space.FOR_ITEMS, "finds_itself", float(found.mean()), self._target, _some(lost))

    def _some_of(self, embedded: Embedded) -> list[str]:
        return embedded.names(sample(len(embedded), self._limits.questions, self._seed, 2))

    def of_canaries(self, canaries: tuple[Known, ...]) -> Iterator[Gate]:
        """Questions whose answers a person wrote down."""
        if not canaries:
            return
        missed = []
        for canary in canaries:
            found = self._answer(canary)
            missed += [f"{canary.space} {canary.id} misses {each}" for each in canary.found if each not in found]
        yield at_most(BOTH, "canaries_missed", len(missed), 0, _some(missed))

    def _answer(self, canary: Known) -> set[str]:
        """What is found for it: nothing, where nobody knows whom it asks about."""
        try:
            return set(self._index.ask(canary.space, canary.id, self._limits.recall_k).ids)
        except InputError:
            return set()

    def of_yesterday(self, before: OpenIndex) -> Iterator[Gate]:
        """How it changed since the index before: how many there are, whether they are the same, and where the items'
        vectors lie."""
        change = abs(len(self._index.items) / max(len(before.items), 1) - 1)
        yield at_most(BOTH, "size_change", change, self._limits.size_change)
        for entity, now, then in (
            ("items", self._index.items, before.items),
            ("users", self._index.users, before.users),
        ):
            stayed = float((now.rows(then.ids) != NOWHERE).mean())
            yield at_least(BOTH, f"{entity}_stayed", stayed, self._limits.stayed)
        yield from self._of_moves(before)

    def _of_moves(self, before: OpenIndex) -> Iterator[Gate]:
        shared = self._index.items.ids.filter(pc.is_in(self._index.items.ids, value_set=before.items.ids))
        if len(shared) < 2:
            return
        now, then = self._index.items.rows(shared), before.items.rows(shared)
        if self._index.items.width == before.items.width:
            moved = drift(before.items.vectors[then], self._index.items.vectors[now])
            yield at_most(BOTH, "drift", moved, self._limits.drift)
        chance = NEAREST / max(len(shared) - 1, 1)
        if chance < 1:
            kept = (self._kept(before, shared) - chance) / (1 - chance)
            yield at_least(Space.FOR_ITEMS, "neighbours_kept", kept, self._limits.neighbours)

    def _kept(self, before: OpenIndex, shared: pa.Array) -> float:
        """The share of yesterday's ten nearest that are still among the hundred nearest; asked beside what both can
        find."""
        chosen = sample(len(shared), self._limits.questions, self._seed, 3)
        kept = total = 0
        for name in (shared[int(row)].as_py() for row in chosen):
            if before.row(name) == NOWHERE:
                continue
            then = [each for each in before.ask(Space.FOR_ITEMS, name, 10).ids if self._index.row(each) != NOWHERE]
            now = set(self._index.ask(Space.FOR_ITEMS, name, NEAREST).ids)
            kept, total = kept + sum(each in now for each in then), total + len(then)
        return kept / max(total, 1)

    def of_load(self) -> Iterator[Gate]:
        """Some searches at a time: each finds what it finds alone, and none takes too long."""
        queries = self._queries(Space.FOR_USERS, 4)
        alone, _ = self._index.search(Space.FOR_USERS, queries, self._limits.recall_k)
        seconds = [0.0] * len(queries)

        def asked(row: int) -> Ints:
            began = time.perf_counter()
            rows, _ = self._index.search(Space.FOR_USERS, queries[row : row + 1], self._limits.recall_k)
            seconds[row] = time.perf_counter() - began
            return rows[0]

        with ThreadPoolExecutor(self._limits.together) as pool:
            found = np.stack(list(pool.map(asked, range(len(queries)))))
        yield at_least(BOTH, "same_under_load", recall(found, alone), 0.999)
        slowest = max(seconds) * 1e3
        within = slowest <= self._limits.slowest_ms
        told = "" if within else f"{slowest:.0f} ms"
        yield Gate(BOTH, "too_slow_under_load", float(not within), f"<= {self._limits.slowest_ms:g} ms", within, told)


def questions(space: Space, index: OpenIndex, count: int, seed: int, number: int) -> Floats:
    """Vectors to ask with: of users or of items, drawn without chance. Other numbers draw others."""
    asked = index.users if space is Space.FOR_USERS else index.items
    rows = sample(len(asked), count, seed, number)
    return in_space(space, np.asarray(asked.vectors[rows]))


def _fullest(embedded: Embedded) -> float:
    """Half of the directions that so few vectors, or so narrow ones, can fill at all."""
    return max(min(len(embedded), embedded.width - 1) / 2, 1.0)


def tail(items: Embedded) -> Ints:
    """The half of the items that is wanted least, by their bias."""
    bias = np.asarray(items.vectors[:, -1])
    return np.flatnonzero(bias <= np.median(bias))


def _some(what: list[str]) -> str:
    return ", ".join(what[:EXAMPLES]) + (f" and {len(what) - EXAMPLES} more" if len(what) > EXAMPLES else "")


def rows_of(gates: Sequence[Gate], release_id: str) -> pa.Table:
    """The verdict as a table keeps it."""
    rows = [
        {
            "space": gate.space,
            "gate": gate.name,
            "value": gate.value,
            "bound": gate.bound,
            "passed": gate.passed,
            "detail": gate.detail,
            "release": release_id,
        }
        for gate in gates
    ]
    return pa.Table.from_pylist(rows, schema=data_schema(INDEX_GATES))


def check_of(gate: Gate) -> Callable[[Release], Check]:
    """A gate as the audit of a release records it."""
    told = f"{gate.value:g}, bound {gate.bound}" + (f": {gate.detail}" if gate.detail else "")
    return lambda _: Check(f"{gate.space}.{gate.name}", gate.passed, told)


def refuse_failed(gates: Sequence[Gate], ds: str) -> None:
    """Raises where a gate did not hold, with all of them."""
    failed = [
        f"{gate.space} {gate.name} is {gate.value:g} and must be {gate.bound}"
        + (f" ({gate.detail})" if gate.detail else "")
        for gate in gates
        if not gate.passed
    ]
    if failed:
        raise GateError(f"the index of {ds} failed its gates: {'; '.join(failed)}. What was live stays live")
