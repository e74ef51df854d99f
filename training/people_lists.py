"""Whom the champion of people lists: for each active user other active users, none tied already, none kept apart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from daybreak.lake.schemas import data_schema
from daybreak.learning import PEOPLE_CANDIDATES
from training.data.ids import IdMap, Ints
from training.data.ties import Ties
from training.evaluation.ranking import NO_ITEM, Sets
from training.evaluation.top_k import top_k
from training.retrieval import NEVER, Scorer

DIGITS = 6


def people_listed(
    scorer: Scorer, ties: Ties, users: IdMap, active: Ints, night: int, length: int, block: int, version: int
) -> pa.Table:
    """The lists, best first; who has no tie is listed nobody."""
    seen, gone = ties.seen(night), np.setdiff1d(np.arange(len(users)), active)
    makers, others = np.divmod(ties.blocked, max(len(users), 1))
    kept_apart = Sets.of(makers, others, len(users))
    tables = []
    for start in range(0, len(active), block):
        rows = active[start : start + block]
        scores = scorer.for_users(rows)
        scores[:, gone] = NEVER
        apart = kept_apart.of_rows(rows)
        scores[apart.rows, apart.items] = NEVER
        lists = top_k(scores, seen.of_rows(rows), length)
        at, ranks = np.nonzero(lists != NO_ITEM)
        found = lists[at, ranks]
        tables.append(
            pa.table(
                {
                    "user_id": users.of(rows[at]),
                    "rank": pa.array(ranks, pa.int32()),
                    "candidate_id": users.of(found),
                    "score": np.round(scores[at, found].astype(np.float64), DIGITS),
                    "version": pa.array([version] * len(at), pa.int32()),
                }
            )
        )
    return pa.concat_tables(tables) if tables else data_schema(PEOPLE_CANDIDATES).empty_table()
