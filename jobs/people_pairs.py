"""Who is near each user in the social graph and not tied to the user yet, in `candidates/people_pairs`; and how many
ties everybody has, and how many of them are new, in `candidates/lively_people`.

Taken from the ties that hold by the night. For each user the `per_measure` best by each measure, the newest who follow
the user, and the contacts that the user uploaded; every pair has all measures, rounded, and where two are equal the
lower id comes first. Nobody is named who is deactivated, who is tied to the user already, whom the user dismissed, or
of whom or by whom the user is blocked. Who follows the user without being followed back is named.

A contact is known to who uploaded it and to nobody else: it names the candidate to that user, and no measure of
anybody and no other list tells of it. A dismissal only takes the one away from the other.

Only the newest `most_ties` ties of a user are walked over, by every measure, so a hub costs no more than anybody with
that many: `common` and its kin lead over a user's newest friends to theirs, `walk` and `pagerank` over the newest ties
of any kind, `follow_pmi` over the newest follows to their newest followers. What a friend in common counts for, and
what is by chance, is told by all friends and follows, also those that are not walked over. `pagerank` keeps the
`most_reached` strongest after each step, which tells a little too little: an approximation. On random, clustered and
hubbed graphs the exact scores of the fifty so found add up to 0.999 of those of the exact fifty best.

Works through blocks of users that cost about `block_work` steps of walks of two steps each, in this process or by
Spark's workers, with the same rows. A second run of a night replaces it with the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from daybreak.candidates import LIVELY_PEOPLE, PEOPLE_PAIRS
from daybreak.contracts import DS
from daybreak.datasets import EDGES, USERS
from daybreak.lake.schemas import data_schema, full_schema
from daybreak.sorted_keys import contained
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.lively import lively
from jobs.near_people import MEASURES, near, ranges
from jobs.people_graph import PeopleGraph, Reach
from jobs.tie_arrays import TIE_COLUMNS, Ties, deactivated, ties_known

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = data_schema(PEOPLE_PAIRS)
COLUMNS = (
    "user_id string, candidate_id string, common long, adamic_adar double, allocation double, walk double,"
    " pagerank double, follow_pmi double, follows boolean, contact boolean"
)
"""The same for Spark."""
IDS = "ids.arrow"
Batches = Iterator[pa.RecordBatch]


class PeoplePairsConfig(StepConfig):
    """How far is looked around each user, how much is kept, and who looks."""

    per_measure: int = Field(50, ge=1, description="people kept for each user by each measure")
    most_ties: int = Field(500, ge=1, description="newest ties of a user that are walked over")
    most_reached: int = Field(300, ge=1, description="people whom `pagerank` keeps of a user after each step")
    steps: int = Field(5, ge=1, description="steps of `pagerank`")
    restart: float = Field(0.3, gt=0, lt=1, description="chance at which each of its steps starts anew at the user")
    half_life_days: float = Field(30.0, gt=0, description="days after which a tie is walked over half as often")
    block_work: int = Field(5_000_000, ge=1, description="steps of walks of two steps that a block of users costs")
    engine: Literal["here", "spark"] = Field("here", description="who looks: this process, or Spark's workers")
    ship: bool = Field(False, description="Spark brings the graph to its workers, who cannot see the scratch folder")

    @property
    def reach(self) -> Reach:
        """How far is looked."""
        return Reach(self.most_ties, self.per_measure, self.most_reached, self.half_life_days, self.restart, self.steps)


@dataclass(frozen=True)
class PairsListing:
    """The graph, the ids of its users by number, and how far is looked in it."""

    graph: PeopleGraph
    ids: pa.Array
    reach: Reach

    def blocks(self, work: int) -> list[tuple[int, int]]:
        """Users in order, cut where they have cost so much."""
        return list(ranges(self.graph.work, work))

    def listed(self, first: int, last: int) -> pa.RecordBatch:
        """The pairs of the users from the number `first` to before `last`."""
        found = near(self.graph, self.reach, first, last)
        users, others = np.divmod(found.keys, max(self.graph.users, 1))
        columns = {
            "user_id": self.ids.take(pa.array(users)).cast(pa.string()),
            "candidate_id": self.ids.take(pa.array(others)).cast(pa.string()),
            **{name: pa.array(found.measures[name]) for name in MEASURES},
            "common": pa.array(found.measures["common"].astype(np.int64)),
            "follows": pa.array(contained(found.keys, self.graph.admirers)),
            "contact": pa.array(contained(found.keys, self.graph.contacts)),
        }
        return pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA)

    def save(self, folder: Path) -> None:
        """Writes graph and ids as files that other processes map."""
        self.graph.save(folder)
        with pa.OSFile(str(folder / IDS), "wb") as file, pa.ipc.new_file(file, _id_schema()) as writer:
            writer.write(pa.record_batch([self.ids], schema=_id_schema()))


def run(config: PeoplePairsConfig, io: StepIO) -> Summary:
    """Lists who is near whom tonight."""
    ties = ties_known(io.read(EDGES, columns=TIE_COLUMNS), deactivated(io.state(USERS)))
    io.write(LIVELY_PEOPLE, lively_people(ties))
    friendships, follows, contacts = ties.friends.keys.size // 2, ties.follows.keys.size, ties.contacts.size
    if not friendships + follows + contacts:
        io.write(PEOPLE_PAIRS, SCHEMA.empty_table())
        return {"graph": "no ties between active users yet", "rows": 0}
    listing = PairsListing(PeopleGraph.of(ties, config.reach), ties.ids, config.reach)
    blocks = listing.blocks(config.block_work)
    if config.engine == "spark":
        with io.scratch() as folder:
            frame = listed_by_spark(io.spark, listing, blocks, folder, ship=config.ship)
            commit = io.write(PEOPLE_PAIRS, frame)
    else:
        batches = (_of_day(listing.listed(*block), io.ds) for block in blocks)
        commit = io.write(PEOPLE_PAIRS, pa.RecordBatchReader.from_batches(full_schema(PEOPLE_PAIRS), batches))
    return {
        "users": ties.users,
        "friendships": friendships,
        "follows": follows,
        "contacts": contacts,
        "blocks": len(blocks),
        "rows": commit.rows,
    }


def lively_people(ties: Ties) -> pa.Table:
    """How many ties everybody has, and how many of them are new."""
    columns = {"user_id": ties.ids.cast(pa.string()), **lively(ties)}
    return pa.table(columns, schema=data_schema(LIVELY_PEOPLE))


def listed_by_spark(
    spark: SparkSession, listing: PairsListing, blocks: list[tuple[int, int]], folder: Path, *, ship: bool
) -> DataFrame:
    """The same pairs, a task for each block. Workers map the graph where it was written, below the folder, or, with
    `ship`, a copy that Spark brings to each of them."""
    place = folder / f"people-{folder.name}"
    place.mkdir()
    listing.save(place)
    if ship:
        spark.sparkContext.addFile(str(place), recursive=True)
    frame = spark.range(0, len(blocks), numPartitions=len(blocks))
    return frame.mapInArrow(_by_worker(blocks, listing.reach, str(place), shipped=ship), COLUMNS)


def _by_worker(
    blocks: list[tuple[int, int]], reach: Reach, place: str, *, shipped: bool
) -> Callable[[Batches], Batches]:
    def listed(batches: Batches) -> Batches:
        listing = _opened(_brought(place) if shipped else place, reach)
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield listing.listed(*blocks[number])

    return listed


@lru_cache(maxsize=1)
def _opened(place: str, reach: Reach) -> PairsListing:
    """The graph, opened once in each worker process."""
    folder = Path(place)
    with pa.memory_map(str(folder / IDS)) as file:
        ids = pa.ipc.open_file(file).read_all().column(0).combine_chunks()
    return PairsListing(PeopleGraph.opened(folder), ids, reach)


def _brought(place: str) -> str:
    """Where Spark has put what it was given."""
    from pyspark import SparkFiles

    return str(SparkFiles.get(Path(place).name))


def _id_schema() -> pa.Schema:
    return pa.schema([pa.field("id", pa.large_string())])


def _of_day(batch: pa.RecordBatch, ds: str) -> pa.RecordBatch:
    return batch.append_column(DS, pa.repeat(ds, batch.num_rows))
