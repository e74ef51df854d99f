"""Who is tied to whom, since when: what a model of people learns from.

Taken from `raw/edges`. A friendship ties both; a follow ties who follows, though both have to do with one another then.
Of a pair of whom one has blocked the other nothing is told, nor of ties that hold no more as of the night.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import DAY_US, EPOCH
from daybreak.contracts import DS
from daybreak.datasets import EDGES
from daybreak.errors import InputError
from daybreak.step_io import StepIO
from training.data.histories import histories_at
from training.data.ids import IdMap, Ints
from training.data.tower_nights import new_wants
from training.data.wants import Mask, Wants, number_of
from training.evaluation.ranking import Sets

Moments = npt.NDArray[np.float64]
BLOCK, FRIEND = "block", "friend"
TYING = (FRIEND, "follow")
"""What ties two users. Contacts that one side uploaded and suggestions that one side dismissed tie nobody."""


@dataclass(frozen=True)
class Ties:
    """Users by users. `between` has every tie from both its ends, `made` only from those who made it; `blocked` numbers
    the pairs that are kept apart, both ways round, as first times all users plus second."""

    between: Wants
    made: Wants
    blocked: Ints

    @staticmethod
    def of(
        makers: Ints, others: Ints, moments: Moments, known: Ints, mutual: Mask, blocked: Ints, n_users: int
    ) -> Ties:
        """From ties as they were made, each known since a night; those that are mutual are made by both."""

        def back(also: Mask) -> Wants:
            users, whom = np.r_[makers, others[also]], np.r_[others, makers[also]]
            ones = np.ones(len(users), np.float32)
            when, since = np.r_[moments, moments[also]], np.r_[known, known[also]]
            return Wants.of(users, whom, when, ones, n_users, n_users, since)

        return Ties(back(np.ones(len(makers), np.bool_)), back(mutual), blocked)

    def known_by(self, night: int) -> Ties:
        """Those that a night knew."""
        return Ties(self.between.known_by(night), self.made.known_by(night), self.blocked)

    def seen(self, night: int) -> Sets:
        """For each user those who are never shown: the user, and whom the user is tied to already."""
        made, everyone = histories_at(night, self.made), np.arange(self.made.n_users)
        users = np.repeat(everyone, made.sizes)
        return Sets.of(np.r_[users, everyone], np.r_[made.items, everyone], len(everyone))

    def new(self, night: int, days: int) -> Sets:
        """The ties that were newly made in the days after a night."""
        users, others, _ = new_wants(night, self.made, histories_at(night, self.made), days)
        return Sets.of(users, others, self.made.n_users)


def ties_of(io: StepIO, users: IdMap) -> Ties:
    """The ties as the night knows them; an error where it knows of none."""
    ties = ties_if_any(io, users)
    if not len(ties.made):
        raise InputError(
            f"{EDGES.name} tells of no tie between known users until {io.ds}: there is nothing to learn people from;"
            " land edges, or leave the model people out (training.due, option models)"
        )
    return ties


def ties_if_any(io: StepIO, users: IdMap) -> Ties:
    """The ties as the night knows them."""
    rows = io.read(EDGES, until=io.ds, columns=["src_user_id", "dst_user_id", "edge_type", "updated_ts", "status", DS])
    order = [("updated_ts", "ascending"), (DS, "ascending")]
    told = rows.sort_by(order).group_by(["src_user_id", "dst_user_id", "edge_type"], use_threads=False)
    states = told.aggregate([("updated_ts", "first"), ("status", "last"), (DS, "min")])
    states = states.filter(pc.equal(states["status_last"], "active"))
    makers, others = (users.rows(states[f"{end}_user_id"]) for end in ("src", "dst"))
    there = (makers >= 0) & (others >= 0) & (makers != others)
    kinds = states["edge_type"].combine_chunks()
    apart = there & pc.equal(kinds, BLOCK).to_numpy(zero_copy_only=False)
    pairs = makers * len(users) + others
    blocked = np.unique(np.r_[pairs[apart], (others * len(users) + makers)[apart]])
    ties = pc.is_in(kinds, value_set=pa.array(TYING)).to_numpy(zero_copy_only=False)
    kept = there & ties & ~np.isin(pairs, blocked)
    micros = states["updated_ts_first"].cast(pa.int64()).to_numpy()
    moments = EPOCH.toordinal() + micros / DAY_US
    known = np.array([number_of(str(day)) for day in states[f"{DS}_min"].to_pylist()], np.int64)
    mutual = pc.equal(kinds, FRIEND).to_numpy(zero_copy_only=False)
    return Ties.of(makers[kept], others[kept], moments[kept], known[kept], mutual[kept], blocked, len(users))
