"""Where each user stands in the social graph, in `features/user_graph`: a row for each user and night.

A tie is what the newest row of it says that had been delivered by the night. Friendship is mutual: it is told in one
direction, counts for both users, and counts once where both told it; it lasts until nobody who told it still does.
A follow leads one way. Blocks and ties with oneself give nothing. A user who has ever had a friend or a follow has a
row; one whose ties have all ended has zeros, so that no older row speaks for that user.

Spark finds the state of every tie on every night; the measures are taken on arrays, on this machine. A night with the
ties of the night before takes its measures. Users with more than `most_neighbours` have no `clustering`.

The first run also builds earlier nights, each committed by itself. A second run of a night replaces it with the same
rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from daybreak.contracts import DS
from daybreak.datasets import EDGES
from daybreak.features.described import USER_GRAPH
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.feature_nights import nights_to_build, stamped_arrow
from jobs.graph_measures import Floats, Graph, Ints, clustering, pagerank

TIE = ("src_user_id", "dst_user_id", "edge_type")
NOBODY = pa.array([], pa.large_string())
TIES_A_SLICE = 1 << 22
DIGITS = 9


class UserGraphConfig(StepConfig):
    """Whose neighbours are compared pair by pair."""

    most_neighbours: int = Field(1_000, ge=2, description="users with more neighbours have no `clustering`")


@dataclass(frozen=True)
class Ties:
    """The states of ties between numbered users: each holds from the night numbered `since` to before `until`."""

    users: pa.Array
    src: npt.NDArray[np.int32]
    dst: npt.NDArray[np.int32]
    follow: npt.NDArray[np.bool_]
    active: npt.NDArray[np.bool_]
    since: npt.NDArray[np.int32]
    until: npt.NDArray[np.int32]

    def among(self, users: pa.Array) -> tuple[npt.NDArray[np.generic], ...]:
        """The columns, with the ends numbered by their places among other users."""
        place = pc.index_in(self.users, users).to_numpy()
        return place[self.src], place[self.dst], self.follow, self.active, self.since, self.until

    def known_on(self, number: int) -> Ints:
        """The users who have had a tie by the night of that number."""
        told = self.since <= number
        known = np.zeros(len(self.users), np.bool_)
        known[self.src[told]] = known[self.dst[told]] = True
        return np.flatnonzero(known)

    def graph_on(self, number: int, known: Ints) -> Graph:
        """The graph of that night, of its known users in their order."""
        place = np.zeros(len(self.users), np.int64)
        place[known] = np.arange(known.size)
        holds = self.active & (self.since <= number) & (number < self.until)
        friends, follows = holds & ~self.follow, holds & self.follow
        return Graph.of(
            known.size,
            (place[self.src[friends]], place[self.dst[friends]]),
            (place[self.src[follows]], place[self.dst[follows]]),
        )


def tie_states(edges: DataFrame, nights: list[str]) -> DataFrame:
    """What was known of each tie, from the night numbered `since` to before the one numbered `until`.

    A row delivered later with an older moment does not take the place of the state that stands.
    """
    since = F.size(F.filter(F.array(*(F.lit(night) for night in nights)), lambda night: night < F.col(DS)))
    later = Over.partitionBy(*TIE).orderBy("since")
    return (
        edges.where(F.col("edge_type").isin("friend", "follow") & (F.col("src_user_id") != F.col("dst_user_id")))
        .groupBy(*TIE, since.alias("since"))
        .agg(F.max(F.struct("updated_ts", DS, "status")).alias("state"))
        .withColumn("standing", F.max("state").over(later))
        .where(F.col("state") == F.col("standing"))
        .withColumn("until", F.coalesce(F.lead("since").over(later), F.lit(len(nights))))
        .select(
            "src_user_id",
            "dst_user_id",
            (F.col("edge_type") == "follow").alias("follow"),
            (F.col("state.status") == "active").alias("active"),
            "since",
            "until",
        )
    )


def measures(graph: Graph, most_neighbours: int) -> dict[str, pa.Array]:
    """The features of each user of the graph."""
    return {
        "friends": pa.array(graph.friends),
        "following": pa.array(graph.following),
        "followers": pa.array(graph.followers),
        "pagerank": _rounded(pagerank(graph)),
        "clustering": _rounded(clustering(graph, most_neighbours)),
    }


def run(config: UserGraphConfig, io: StepIO) -> Summary:
    """Builds this night, and the earlier ones that the view lacks."""
    nights = nights_to_build(io, USER_GRAPH)
    ties = _collected(tie_states(io.frame(EDGES), nights), sum(io.days(EDGES).values()))
    rows = measured = 0
    before, features = None, {}
    for number, night in enumerate(nights):
        known = ties.known_on(number)
        graph = ties.graph_on(number, known)
        if before is None or not graph.equals(before):
            before, features = graph, measures(graph, config.most_neighbours)
            measured += 1
        table = pa.table({"user_id": ties.users.take(pa.array(known)), **features})
        rows += io.write(USER_GRAPH.dataset, stamped_arrow(table, night, io.settings.night_due), days=[night]).rows
    return {"rows": rows, "nights": len(nights), "first_night": nights[0], "nights_measured": measured}


def _rounded(values: Floats) -> pa.Array:
    """To so many digits that the order of adding does not show; null where there is no number."""
    return pa.array(np.round(values, DIGITS), from_pandas=True)


def _collected(states: DataFrame, rows: int) -> Ties:
    """The states on this machine, fetched slice by slice: Spark bounds what one answer may hold."""
    parts = [_numbered(part) for part in _slices(states, 1 + rows // TIES_A_SLICE)]
    users = reduce(lambda known, part: pa.concat_arrays([known, part.users]).unique(), parts, NOBODY).sort()
    return Ties(users, *map(np.concatenate, zip(*(part.among(users) for part in parts), strict=True)))


def _slices(states: DataFrame, count: int) -> Iterator[pa.Table]:
    if count == 1:
        yield states.toArrow()
        return
    slice_of = F.pmod(F.xxhash64("src_user_id", "dst_user_id"), F.lit(count))
    states.persist(StorageLevel.DISK_ONLY)
    try:
        yield from (states.where(slice_of == number).toArrow() for number in range(count))
    finally:
        states.unpersist()


def _numbered(states: pa.Table) -> Ties:
    """The states with their users numbered."""
    src, dst = (states[f"{end}_user_id"].combine_chunks().cast(pa.large_string()) for end in ("src", "dst"))
    users = pa.concat_arrays([src, dst]).unique()
    ends = (pc.index_in(end, users).to_numpy() for end in (src, dst))
    return Ties(users, *ends, *(states[name].to_numpy() for name in ("follow", "active", "since", "until")))
