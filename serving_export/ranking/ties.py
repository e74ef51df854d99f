"""Whom a user will be tied to next, of the candidates: measures of the night, weighed as earlier nights teach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from daybreak.candidates import LIVELY_PEOPLE, PEOPLE_PAIRS
from daybreak.contracts import Dataset
from daybreak.learning import PEOPLE_CANDIDATES, TIE_ORDER
from daybreak.ranking.ties import LIVELY_MEASURES, NAMES, PAIR_MEASURES, SHARED, chances, listed, measured
from daybreak.sorted_keys import found_at
from daybreak.sources import Entity
from serving_export.arrays import Floats, Ints
from serving_export.merge import Merged
from serving_export.names import Names
from serving_export.night import NAMES as TABLES
from serving_export.night import Night, Range


@dataclass(frozen=True)
class Told:
    """What a table tells of pairs, by pair; the last value of each is for pairs of which it tells nothing."""

    keys: Ints
    values: Mapping[str, Floats]

    @classmethod
    def of(cls, night: Night, sql: str) -> Told:
        """From a query that gives the numbers of two users, `one` and `other`, and what is told of them."""
        rows = night.engine.sql(f"{sql} ORDER BY one, other").to_arrow_table()
        keys = rows["one"].to_numpy() * len(night.users) + rows["other"].to_numpy()
        return cls(keys, {name: np.append(rows[name].to_numpy(), 0.0) for name in rows.column_names[2:]})

    def at(self, keys: Ints) -> dict[str, Floats]:
        """What is told of these pairs."""
        rows = found_at(keys, self.keys)
        return {name: values[rows] for name, values in self.values.items()}


@dataclass(frozen=True)
class TieScorer:
    """All that is measured of the candidates of a range of users, and what each measure weighs."""

    weights: Floats
    users: int
    pairs: Told
    ranks: Told
    shared: Mapping[str, Ints]
    lively: Mapping[str, Floats]

    @classmethod
    def of(cls, night: Night, among: Range) -> TieScorer:
        return cls(
            _weights(night),
            len(night.users),
            Told.of(night, _pairs(night, PEOPLE_PAIRS, _measures(), among)),
            Told.of(night, _pairs(night, PEOPLE_CANDIDATES, "(1 + rank)::DOUBLE AS place", among)),
            {measure.name: _shared(night, measure.name) for measure in SHARED},
            _lively(night),
        )

    def measured(self, users: Ints, candidates: Ints) -> dict[str, Floats]:
        """Every measure of each pair, by name."""
        keys = users * self.users + candidates
        values = self.pairs.at(keys)
        values["listed"] = listed(self.ranks.at(keys)["place"].astype(np.int64) - 1)
        for name, groups in self.shared.items():
            values[name] = ((groups[users] >= 0) & (groups[users] == groups[candidates])).astype(np.float64)
        return values | {name: counts[candidates] for name, counts in self.lively.items()}

    def weighed(self, users: Ints, candidates: Ints) -> dict[str, Floats]:
        """What each measure adds to the logit of each pair."""
        terms = measured(self.measured(users, candidates)) * self.weights
        return {name: terms[:, at] for at, name in enumerate(NAMES)}

    def worth(self, merged: Merged) -> Floats:
        """For each candidate, the chance to be the one of the user's candidates to whom the user is tied next."""
        logits = measured(self.measured(merged.queries, merged.candidates)) @ self.weights
        return chances(logits, np.flatnonzero(np.diff(merged.queries, prepend=-1)))


def _weights(night: Night) -> Floats:
    rows = night.io.day(TIE_ORDER, columns=["measure", "weight"]).to_pylist()
    told = {row["measure"]: row["weight"] for row in rows}
    return np.array([told.get(name, 0.0) for name in NAMES])


def _measures() -> str:
    return ", ".join(f"{measure.name}::DOUBLE AS {measure.name}" for measure in PAIR_MEASURES)


def _pairs(night: Night, table: Dataset, told: str, among: Range) -> str:
    names = TABLES[Entity.USER]
    return f"""SELECT q.number AS one, c.number AS other, {told} FROM {night.rows(table)}
        JOIN {names} q ON q.id = user_id JOIN {names} c ON c.id = candidate_id WHERE {among.of("q.number")}"""


def _shared(night: Night, column: str) -> Ints:
    """The group of each user by what a column says; -1 where it says nothing."""
    values = night.states[Entity.USER][column]
    return Names(values.drop_null()).numbers(values)


def _lively(night: Night) -> dict[str, Floats]:
    """What is counted of each user's ties."""
    names = [measure.name for measure in LIVELY_MEASURES]
    rows = night.numbered(f"SELECT user_id, {', '.join(names)} FROM {night.rows(LIVELY_PEOPLE)}")
    at = night.users.numbers(rows["user_id"])
    counts = {name: np.zeros(len(night.users)) for name in names}
    for name in names:
        counts[name][at[at >= 0]] = rows[name].to_numpy()[at >= 0]
    return counts
