"""Lists out of scores, for all whom a night makes lists for: each active user, and beside each item that may be shown.

Every item that may be shown is scored, exactly, in blocks of users or items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from daybreak.learning import ITEM, USER
from daybreak.step_io import StepIO
from training.data.ids import Ints
from training.evaluation.ranking import NO_ITEM, Sets
from training.evaluation.top_k import top_k
from training.night_view import active_users, shown_items
from training.retrieval import NEVER, NightView, Scorer

DIGITS = 6
COLUMNS = pa.schema(
    {
        "query": pa.string(),
        "query_id": pa.string(),
        "rank": pa.int32(),
        "item_id": pa.string(),
        "score": pa.float64(),
    }
)


@dataclass(frozen=True)
class Listing:
    """How much is listed for a user and beside an item, and how many of them are worked on at once."""

    a_user: int
    an_item: int
    block: int

    def listed(self, io: StepIO, scorer: Scorer, view: NightView) -> pa.Table:
        """All lists: those of users, then those beside items; an item never stands beside itself."""
        users, items = active_users(io, view.users), shown_items(io, view.items)
        hidden = np.setdiff1d(np.arange(len(view.items)), items)
        blocks = [
            *self._blocks(scorer, view, USER, users, hidden, self.a_user),
            *self._blocks(scorer, view, ITEM, items, hidden, self.an_item),
        ]
        return pa.concat_tables(blocks) if blocks else COLUMNS.empty_table()

    def _blocks(
        self, scorer: Scorer, view: NightView, query: str, queries: Ints, hidden: Ints, length: int
    ) -> Iterator[pa.Table]:
        ids, score = (view.users, scorer.for_users) if query == USER else (view.items, scorer.for_items)
        for start in range(0, len(queries), self.block):
            block = queries[start : start + self.block]
            scores = score(block)
            scores[:, hidden] = NEVER
            lists = top_k(scores, _themselves(block) if query == ITEM else _nothing(block), length)
            rows, ranks = np.nonzero(lists != NO_ITEM)
            found = lists[rows, ranks]
            columns = [
                pa.array([query] * len(rows), pa.string()),
                ids.of(block[rows]),
                pa.array(ranks, pa.int32()),
                view.items.of(found),
                pa.array(np.round(scores[rows, found].astype(np.float64), DIGITS)),
            ]
            yield pa.table(columns, schema=COLUMNS)


def _themselves(block: Ints) -> Sets:
    return Sets(np.arange(len(block) + 1), block)


def _nothing(block: Ints) -> Sets:
    return Sets(np.zeros(len(block) + 1, int), block[:0])
