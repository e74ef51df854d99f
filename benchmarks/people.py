"""Whom people are tied to next, foretold: `python -m benchmarks.people`.

CollegeMsg, messages among 1,899 students: two are tied from their first message on. The first 90% of all ties are
known, the rest are to be found: for each who was there and newly tied to somebody who was there, the share of these
among the first 20 listed. The same where 80% and where 70% are known, and the next tenth is to be found. The order is
learned, as on any night, from what candidates measured at three earlier moments, a tenth of all ties apart, and from
the ties that followed each; nothing of the test is seen before.

Beside it: PageRank that starts anew at the user and prefers recent ties, exact, with a half-life of 30 days as is
customary, and with half-life and restart that were best on the tenth of ties before the test; who was tied most lately,
with the half-life that was best there; and friends in common in three ways. The data is named by --data or
DAYBREAK_BENCH_DATA.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from benchmarks.public_data import Pairs, add_data_option, data_folder, first_contacts, told
from daybreak.errors import InputError
from daybreak.ranking.ties import NAMES, measured
from jobs.lively import lively
from jobs.near_people import MEASURES, near
from jobs.people_graph import PeopleGraph
from jobs.people_pairs import PeoplePairsConfig
from jobs.tie_arrays import Ties, among, ties_known
from training.data.tie_lessons import Lesson
from training.evaluation.confidence import difference
from training.models.tie_weights import learned
from training.tie_order import TieOrderConfig

DAY = "2026-11-20"
REACH = PeoplePairsConfig(ds=DAY).reach
LEARNING = TieOrderConfig(ds=DAY)
MOMENTS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LESSONS = 3
LENGTH = 20
HALF_LIVES, RESTARTS, CUSTOMARY = (3, 7, 14, 30, 90), (0.15, 0.3, 0.5), (30, 0.15)
STEPS = 30
DAY_US = 86_400 * 10**6
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
IN_COMMON: dict[str, Callable[[Floats], Floats]] = {
    "resource allocation": lambda degrees: 1 / degrees,
    "Adamic-Adar": lambda degrees: np.where(degrees > 1, 1 / np.log(np.maximum(degrees, 2)), 0),
    "common neighbours": np.ones_like,
}


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known by a moment, and who is newly tied until the next: users by users."""

    ties: Ties
    known: Pairs
    new: Mask
    at: float

    @classmethod
    def of(cls, contacts: Pairs, share: float, until: float) -> Moment:
        cut, end = (int(len(contacts) * each) for each in (share, until))
        known, later = contacts.of(slice(0, cut)), contacts.of(slice(cut, end))
        ties = ties_known(_edges(known), pa.array([], pa.string()))
        ids = np.array([int(name) for name in ties.ids.to_pylist()])
        place = np.full(int(max(contacts.users.max(), contacts.items.max())) + 1, -1)
        place[ids] = np.arange(len(ids))
        there = (place[later.users] >= 0) & (place[later.items] >= 0)
        one, other = place[later.users[there]], place[later.items[there]]
        new = np.zeros((len(ids), len(ids)), np.bool_)
        new[one, other] = new[other, one] = True
        numbered = Pairs(place[known.users], place[known.items], known.moments, known.weights)
        return cls(ties, numbered, new, float(known.moments[-1]))

    @property
    def asked(self) -> Ints:
        """Who is newly tied."""
        return np.flatnonzero(self.new.any(axis=1))

    def tied(self, weights: Floats) -> csr_matrix:
        """The ties, each with a weight, both ways round."""
        known, users = self.known, self.ties.users
        ends = np.r_[known.users, known.items], np.r_[known.items, known.users]
        return csr_matrix((np.tile(weights, 2), ends), shape=(users, users))

    def fading(self, half_life_days: float) -> csr_matrix:
        return self.tied(0.5 ** ((self.at - self.known.moments) / half_life_days))

    def candidates(self) -> tuple[Ints, Ints, Floats]:
        """The candidates of those asked for, as on any night: who, whom, and all that is measured."""
        graph, users = PeopleGraph.of(self.ties, REACH), self.ties.users
        found, counts = near(graph, REACH, 0, users), lively(self.ties)
        liveliest = np.lexsort((np.arange(users), -counts["these_days"]))[: LEARNING.lively]
        pool = np.union1d(found.keys, (np.arange(users)[:, None] * users + liveliest).ravel())
        pool = pool[~among(pool, graph.apart) & np.isin(pool // users, self.asked)]
        at = np.minimum(np.searchsorted(found.keys, pool), len(found.keys) - 1)
        reached = found.keys[at] == pool
        values = {name: np.zeros(len(pool)) for name in NAMES}
        values |= {name: np.where(reached, found.measures[name][at], 0.0) for name in MEASURES if name in NAMES}
        values |= {name: counts[name][pool % users] for name in counts}
        return *np.divmod(pool, users), measured(values)


def _edges(pairs: Pairs) -> pa.Table:
    """Ties as they are delivered."""
    count = len(pairs)
    return pa.table({
        "src_user_id": pa.array([f"{user:05}" for user in pairs.users.tolist()]),
        "dst_user_id": pa.array([f"{user:05}" for user in pairs.items.tolist()]),
        "edge_type": pa.repeat("friend", count),
        "updated_ts": pa.array((pairs.moments * DAY_US).astype(np.int64), pa.timestamp("us", tz="UTC")),
        "status": pa.repeat("active", count),
        "ds": pa.repeat(DAY, count),
    })  # fmt: skip


def recalled(moment: Moment, scores: Floats) -> Floats:
    """For each who is asked for, the share of new ties among the first listed."""
    asked = moment.asked
    scores = np.where(moment.tied(np.ones(len(moment.known)))[asked].toarray() > 0, -np.inf, scores)
    scores[np.arange(len(asked)), asked] = -np.inf
    top = np.argsort(-scores, axis=1, kind="stable")[:, :LENGTH]
    new = moment.new[asked]
    listed = np.isfinite(np.take_along_axis(scores, top, 1))
    return (np.take_along_axis(new, top, 1) & listed).sum(axis=1) / new.sum(axis=1)


def pagerank(moment: Moment, half_life_days: float, restart: float) -> Floats:
    """Exact personalised PageRank over ties that fade."""
    ties = moment.fading(half_life_days)
    onward = (diags(1 / np.maximum(np.asarray(ties.sum(axis=1)).ravel(), 1e-12)) @ ties).T.tocsr()
    start = np.zeros((moment.ties.users, len(moment.asked)))
    start[moment.asked, np.arange(len(moment.asked))] = 1
    at = start
    for _ in range(STEPS):
        at = restart * start + (1 - restart) * (onward @ at)
    return np.asarray(at.T)


def newly_tied(moment: Moment, half_life_days: float) -> Floats:
    counts = np.asarray(moment.fading(half_life_days).sum(axis=0)).ravel()
    return np.tile(counts, (len(moment.asked), 1))


def in_common(moment: Moment, kind: str) -> Floats:
    ties = moment.tied(np.ones(len(moment.known)))
    degrees = np.maximum(np.asarray(ties.sum(axis=0)).ravel(), 1)
    return np.asarray((ties[moment.asked] @ diags(IN_COMMON[kind](degrees)) @ ties).toarray())


def ours(moments: list[Moment]) -> Floats:
    """What is recalled at the last moment by what the earlier ones teach."""
    lessons = []
    for moment in moments[:-1]:
        users, others, measures = moment.candidates()
        lessons.append(Lesson.of(users, measures, moment.new[users, others]))
    last = moments[-1]
    users, others, measures = last.candidates()
    scores = np.full((last.ties.users, last.ties.users), -np.inf)
    scores[users, others] = measures @ learned(lessons, LEARNING.prior_worth)
    return recalled(last, scores[last.asked])


def compared(moments: list[Moment]) -> dict[str, Floats]:
    """Ours and all beside it at the last moment; what is tuned is tuned at the one before."""
    before, last = moments[-2:]
    tuned = max(product(HALF_LIVES, RESTARTS), key=lambda each: recalled(before, pagerank(before, *each)).mean())
    lately = max(HALF_LIVES, key=lambda each: recalled(before, newly_tied(before, each)).mean())
    return {
        "ours": ours(moments),
        "PageRank, 30 days": recalled(last, pagerank(last, *CUSTOMARY)),
        f"PageRank, tuned ({tuned[0]} days, restart {tuned[1]})": recalled(last, pagerank(last, *tuned)),
        f"newly tied most, tuned ({lately} days)": recalled(last, newly_tied(last, lately)),
        **{name: recalled(last, in_common(last, name)) for name in IN_COMMON},
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    contacts = first_contacts(data_folder(options.data))
    moments = [Moment.of(contacts, share, share + 0.1) for share in MOMENTS]
    rows, figures = [], {}
    for end in range(len(moments), LESSONS, -1):
        last, found = moments[end - 1], compared(moments[end - 1 - LESSONS : end])
        known, asked = f"{MOMENTS[end - 1]:.0%}", f"{int(last.new.sum())} new ties of {len(last.asked)}"
        rows += [{"what": f"{known} known: {name}", "value": f"{each.mean():.4f}"} for name, each in found.items()]
        gain = difference(found["ours"], found["PageRank, 30 days"], options.seed)
        told = f"{gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
        rows.append({"what": f"  ours beyond PageRank, {asked}", "value": told})
        figures[known] = {name: each.mean() for name, each in found.items()}
    return {"rows": rows, f"recall_at_{LENGTH}": figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_option(parser)
    parser.add_argument("--seed", type=int, default=1)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        told(error)
