"""Lists that stay as they are: of queries of which nothing was heard since their lists were made.

A night between two full ones makes lists anew for those who did something, or of whom something new is told, and keeps
the others', less what the rules keep out by now. It is a full night where a week has gone by, where the shelf is
declared otherwise or other models serve, where the night before left no lists, and where a sample of the kept lists,
made anew, has too little in common with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import EPOCH, days_before, parse_day
from daybreak.contracts import Dataset
from daybreak.datasets import EDGES, EVENTS, ITEMS, LISTS, SHELVES, USERS
from daybreak.duckdb_files import literal, rows_of
from daybreak.sources import Entity
from daybreak.surfaces import Surface
from serving_export.arrays import Ints, places
from serving_export.night import NAMES, Night, Range
from serving_export.rerank.selection import Cap
from serving_export.rules import Rulebook
from serving_export.shelf import QUERY, SCHEMA

SAMPLE = 100
_STATES = {Entity.USER: USERS, Entity.ITEM: ITEMS}


@dataclass(frozen=True)
class Earlier:
    """The lists of the night before, where they may be kept."""

    name: str
    surface: Surface
    night: Night
    ds: str

    def quiet(self, among: Range) -> Ints:
        """The queries of a range of whom nothing was heard on the day."""
        night, key = self.night, f"{self.surface.query}_id"
        heard = [f"SELECT {key} AS id FROM {self._tonight(EVENTS)}", f"SELECT {key} AS id FROM {self._state()}"]
        if self.surface.candidate is Entity.USER:
            ends = self._tonight(EDGES)
            heard += [f"SELECT {end}_user_id AS id FROM {ends}" for end in ("src", "dst")]
        rows = night.engine.sql(
            f"""SELECT number FROM {NAMES[self.surface.query]} q ANTI JOIN ({" UNION ALL ".join(heard)}) heard
            ON heard.id = q.id WHERE {among.of("number")} ORDER BY number"""
        ).to_arrow_table()
        return np.intersect1d(rows["number"].to_numpy(), night.active(self.surface.query))

    def _tonight(self, dataset: Dataset) -> str:
        """What this night was delivered."""
        return rows_of(self.night.engine, dataset, self.night.io.delivered(dataset))

    def _state(self) -> str:
        return self._tonight(_STATES[self.surface.query])

    def kept(self, queries: Ints, among: Range, rules: Rulebook, caps: Sequence[Cap]) -> tuple[pa.Table, Ints]:
        """The lists of these queries that may stay: without what the rules keep out by now, still long enough and
        within caps, and of people none of whose ties changed; and whose they are."""
        night, surface = self.night, self.surface
        lists = rows_of(night.engine, LISTS, night.io.paths(LISTS, since=self.ds, until=self.ds))
        rows = night.engine.sql(
            f"""SELECT q.number AS query, c.number AS candidate, lists.* FROM {lists} lists
            JOIN {NAMES[surface.query]} q ON q.id = query_id JOIN {NAMES[surface.candidate]} c ON c.id = candidate_id
            WHERE surface = {literal(self.name)} AND audience = {literal(QUERY)} AND {among.of("q.number")}
            ORDER BY query, rank"""
        ).to_arrow_table()
        rows = _of(rows, queries)
        if surface.candidate is Entity.USER:
            stirred = pc.is_in(rows["candidate"], value_set=pa.array(self._tied_anew()))
            rows = _of(rows, np.setdiff1d(queries, rows.filter(stirred)["query"].to_numpy()))
        asked, candidates = rows["query"].to_numpy(), rows["candidate"].to_numpy()
        rows = rows.filter(pa.array(rules.of(np.unique(asked)).allows(asked, candidates)))
        whole, lengths = np.unique(rows["query"].to_numpy(), return_counts=True)
        whole = np.setdiff1d(whole[lengths >= surface.length], _over(rows, caps))
        rows = _of(rows, whole)
        ranks = pa.array(places(rows["query"].to_numpy()), pa.int32())
        rows = rows.set_column(rows.schema.get_field_index("rank"), "rank", ranks)
        return rows.append_column("ds", pa.array([night.ds] * rows.num_rows, pa.string())).select(SCHEMA.names), whole

    def _tied_anew(self) -> Ints:
        """The numbers of users of whose ties the day tells something."""
        rows = self.night.numbered(
            f"""SELECT DISTINCT number FROM {NAMES[Entity.USER]} u JOIN {self._tonight(EDGES)}
            ON u.id IN (src_user_id, dst_user_id)"""
        )
        return rows["number"].to_numpy()


def _of(rows: pa.Table, queries: Ints) -> pa.Table:
    return rows.filter(pa.array(np.isin(rows["query"].to_numpy(), queries)))


def _over(rows: pa.Table, caps: Sequence[Cap]) -> Ints:
    """The queries whose lists hold more of a group than a cap allows by now."""
    queries, candidates = rows["query"].to_numpy(), rows["candidate"].to_numpy()
    over = [np.zeros(0, np.int64)]
    for cap in caps:
        groups = cap.groups[candidates]
        pairs, counts = np.unique(np.stack([queries[groups >= 0], groups[groups >= 0]]), axis=1, return_counts=True)
        over.append(pairs[0][counts > cap.most])
    return np.concatenate(over)


def earlier(
    name: str, surface: Surface, night: Night, recipe: str, models: str, full_every_days: int
) -> Earlier | None:
    """The lists of the night before; None where this night is a full one."""
    before = days_before(night.ds, 1)
    if (parse_day(night.ds) - EPOCH.date()).days % full_every_days == 0 or not night.io.written(LISTS, [before]):
        return None
    rows = night.io.read(SHELVES, since=before, until=before)
    mine = rows.filter(pc.equal(rows["surface"], name)).to_pylist()
    if not mine or (mine[0]["recipe"], mine[0]["models"]) != (recipe, models):
        return None
    return Earlier(name, surface, night, before)


def alikeness(kept: pa.Table, anew: pa.Table, length: int) -> float:
    """Of the entries that these lists show when they are made anew, the share that the kept ones show too."""
    shown = anew.filter(pc.less(anew["rank"], length))
    held = kept.filter(pc.less(kept["rank"], length)).select(["query_id", "candidate_id"])
    both = shown.join(held, keys=["query_id", "candidate_id"], join_type="inner")
    return both.num_rows / max(shown.num_rows, 1)
