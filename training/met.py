"""How well the lists that models made last night met what users newly wanted on the day for which they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before
from daybreak.errors import InputError
from daybreak.learning import ITEM, LISTED, USER, Model
from daybreak.step_io import StepIO
from training.data.histories import histories_at
from training.data.ids import IdMap, Ints, id_map
from training.data.tower_nights import new_wants
from training.data.wants import number_of, wants_of
from training.evaluation.confidence import Interval, interval
from training.evaluation.ranking import NO_ITEM, Floats, Sets, per_query, places

LENGTH = 20
HISTORY_DAYS = 90


@dataclass(frozen=True)
class Met:
    """The NDCG of each user who had a list of this version and then wanted something new."""

    version: int
    ndcg: Floats

    @cached_property
    def interval(self) -> Interval:
        return interval(self.ndcg, seed=0)


def met_by(io: StepIO, models: Sequence[Model]) -> dict[Model, Met | None]:
    """What last night's lists of each model met; None where there were none, or nobody wanted anything new."""
    eve = days_before(io.ds, 1)
    listed = {model: io.read(LISTED[model], since=eve, until=eve) for model in models}
    if not any(lists.num_rows for lists in listed.values()):
        return dict.fromkeys(models)
    users, items = id_map(io, USER), id_map(io, ITEM)
    try:
        wants = wants_of(io, users, items, HISTORY_DAYS)
    except InputError:
        return dict.fromkeys(models)
    night = number_of(eve)
    histories = histories_at(night, wants)
    wanted_by, wanted, _ = new_wants(night, wants, histories)
    seen = Sets(histories.starts, histories.items)
    relevant = Sets.of(wanted_by, wanted, len(users))
    return {model: _met(lists, users, items, relevant, seen) for model, lists in listed.items()}


def _met(listed: pa.Table, users: IdMap, items: IdMap, relevant: Sets, seen: Sets) -> Met | None:
    listed = listed.filter(pc.field("query") == USER)
    if not listed.num_rows:
        return None
    order = [("query_id", "ascending"), ("rank", "ascending")]
    listed = listed.sort_by(order)
    rows, found = users.rows(listed["query_id"]), items.rows(listed["item_id"])
    judged = np.intersect1d(np.unique(rows), np.flatnonzero(relevant.sizes > 0))
    if not len(judged):
        return None
    lists = _first_unseen(rows, found, judged, seen, len(items))
    wanted = relevant.of_rows(judged)
    ndcg = per_query(wanted, places(lists, wanted), (LENGTH,))[f"ndcg_at_{LENGTH}"]
    return Met(int(listed["version"][0].as_py()), ndcg)


def _first_unseen(rows: Ints, found: Ints, judged: Ints, seen: Sets, n_items: int) -> Ints:
    """The first entries of each user's list that the user had not wanted before, as models are judged by."""
    known = seen.rows * n_items + seen.items
    kept = np.isin(rows, judged) & (found >= 0) & ~np.isin(rows * n_items + found, known)
    rows, found = rows[kept], found[kept]
    order = np.argsort(rows, kind="stable")
    rows, found = rows[order], found[order]
    firsts = np.searchsorted(rows, judged)
    at = np.arange(len(rows)) - np.repeat(firsts, np.diff(np.r_[firsts, len(rows)]))
    lists = np.full((len(judged), LENGTH), NO_ITEM)
    short = at < LENGTH
    lists[np.searchsorted(judged, rows[short]), at[short]] = found[short]
    return lists
