"""The candidates that users had on a night, measured, and to whom of them they were tied before the next.

What users were shown is what a list chooses from: those near in the social graph, those whom the model of people lists,
and the liveliest. Whom a user has uploaded as a contact is left out: what that user alone may know teaches nothing that
orders the lists of others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from daybreak.candidates import LIVELY_PEOPLE, PEOPLE_PAIRS
from daybreak.datasets import USERS
from daybreak.duckdb_files import rows_of
from daybreak.learning import PEOPLE_CANDIDATES
from daybreak.ranking.ties import LIVELY_MEASURES, PAIR_MEASURES, SHARED, Floats, listed, measured
from daybreak.step_io import StepIO
from training.data.ids import IdMap, Ints
from training.evaluation.ranking import Sets


@dataclass(frozen=True)
class Lesson:
    """Candidates that users had, measured, a row each: those of a user begin at one of `starts`, and `tied` are those
    to whom the user was then tied. Every user has one at least."""

    measures: Floats
    starts: Ints
    tied: NDArray[np.bool_]

    @classmethod
    def of(cls, users: Ints, measures: Floats, tied: NDArray[np.bool_]) -> Lesson:
        """From the candidates of users, in their order; of users who were tied to none of them nothing is learned."""
        teaching = np.isin(users, users[tied])
        users, measures, tied = users[teaching], measures[teaching], tied[teaching]
        return cls(measures, np.flatnonzero(np.diff(users, prepend=-1)), tied)

    @property
    def users(self) -> int:
        return len(self.starts)


def lesson_of(
    io: StepIO, engine: DuckDBPyConnection, night: str, users: IdMap, new: Sets, seen: Sets, lively: int
) -> Lesson:
    """What a night's candidates teach, by the ties that were newly made since; `seen` are nobody's candidates."""
    asked = np.flatnonzero(new.sizes)
    rows = _candidates(io, engine, night, users, asked, lively)
    one, other = (rows[name].to_numpy() for name in ("one", "other"))
    keys = one * len(users) + other
    allowed = ~np.isin(keys, seen.rows * len(users) + seen.items)
    rows, one, keys = rows.filter(pa.array(allowed)), one[allowed], keys[allowed]
    values = {measure.name: rows[measure.name].to_numpy() for measure in (*PAIR_MEASURES, *SHARED, *LIVELY_MEASURES)}
    values["listed"] = listed(rows["rank"].to_numpy())
    return Lesson.of(one, measured(values), np.isin(keys, new.rows * len(users) + new.items))


def _candidates(io: StepIO, engine: DuckDBPyConnection, night: str, users: IdMap, asked: Ints, lively: int) -> pa.Table:
    """The candidates of those asked for, in order, each with all that is measured."""
    tables = {
        name: rows_of(engine, table, io.paths(table, since=night, until=night))
        for name, table in (("pairs", PEOPLE_PAIRS), ("lively", LIVELY_PEOPLE), ("people", PEOPLE_CANDIDATES))
    }
    states = io.state(USERS).select(["user_id", *(measure.name for measure in SHARED)])
    engine.register("numbers", pa.table({"id": users.ids, "number": np.arange(len(users))}))
    engine.register("asked", pa.table({"number": asked}))
    engine.register("states", states)
    of_pair = ", ".join(f"coalesce(p.{measure.name}, 0)::DOUBLE AS {measure.name}" for measure in PAIR_MEASURES)
    alike = ", ".join(f"coalesce(s.{each.name} = t.{each.name}, false)::DOUBLE AS {each.name}" for each in SHARED)
    of_one = ", ".join(f"coalesce(l.{measure.name}, 0)::DOUBLE AS {measure.name}" for measure in LIVELY_MEASURES)
    found = engine.sql(
        f"""WITH askers AS (SELECT id, number FROM numbers JOIN asked USING (number)),
        liveliest AS (SELECT user_id FROM {tables["lively"]} ORDER BY these_days DESC, user_id LIMIT {lively}),
        near AS (SELECT pairs.* FROM {tables["pairs"]} pairs JOIN askers ON askers.id = user_id),
        ranked AS (SELECT people.* FROM {tables["people"]} people JOIN askers ON askers.id = user_id),
        pool AS (SELECT user_id, candidate_id FROM near UNION SELECT user_id, candidate_id FROM ranked
            UNION SELECT askers.id, liveliest.user_id FROM askers CROSS JOIN liveliest)
        SELECT a.number AS one, b.number AS other, coalesce(r.rank, -1) AS rank, {of_pair}, {alike}, {of_one}
        FROM pool JOIN numbers a ON a.id = pool.user_id JOIN numbers b ON b.id = pool.candidate_id
        LEFT JOIN near p ON p.user_id = pool.user_id AND p.candidate_id = pool.candidate_id
        LEFT JOIN ranked r ON r.user_id = pool.user_id AND r.candidate_id = pool.candidate_id
        LEFT JOIN {tables["lively"]} l ON l.user_id = pool.candidate_id
        LEFT JOIN states s ON s.user_id = pool.user_id LEFT JOIN states t ON t.user_id = pool.candidate_id
        WHERE NOT coalesce(p.contact, false)
        ORDER BY one, other"""
    ).to_arrow_table()
    for name in ("numbers", "asked", "states"):
        engine.unregister(name)
    return found
