"""What the towers' champion lists tonight, in `candidates/two_tower`: for each user, and beside each item.

Searches the release of the index that this very night has made, so lists, index, ids and vectors are of one version.
Whole populations are searched exactly where that is no slower than the index. Works block by block, in this process or
by Spark's workers, with the same result. Without a release nothing is listed.
"""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
from pydantic import Field

from daybreak.indexes import CHANNEL, INDEX_BUILDS
from daybreak.learning import TOWER_CANDIDATES
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from indexing.listing import SCHEMA, Listing, listed_by_spark, listed_here
from indexing.opened import OpenIndex


class CandidatesConfig(StepConfig):
    """How much is listed, how much is asked at once, and who asks."""

    a_user: int = Field(150, ge=1, description="items listed for a user")
    an_item: int = Field(60, ge=1, description="items listed beside an item")
    exact_up_to: int = Field(200_000, ge=0, description="items up to which everybody's lists are searched exactly")
    block: int = Field(8_192, ge=1, description="users or items asked for at once")
    engine: Literal["here", "spark"] = Field("here", description="who searches: this process, or Spark's workers")
    ship: bool = Field(False, description="Spark brings the release to its workers, who cannot see home/releases")


def run(config: CandidatesConfig, io: StepIO) -> Summary:
    """Lists for everybody who has a vector."""
    builds = io.day(INDEX_BUILDS, columns=["release", "version"]).to_pylist()
    if not builds:
        io.write(TOWER_CANDIDATES, SCHEMA.empty_table())
        return {"release": "no champion yet", "rows": 0}
    release = io.releases(CHANNEL).open(builds[0]["release"])
    index, version = OpenIndex.of(release), int(builds[0]["version"])
    listing = Listing(config.a_user, config.an_item, config.block, config.exact_up_to, version)
    if config.engine == "spark":
        commit = io.write(TOWER_CANDIDATES, listed_by_spark(io.spark, listing, index, release, ship=config.ship))
    else:
        commit = io.write(TOWER_CANDIDATES, pa.Table.from_batches(listed_here(listing, index), SCHEMA))
    return {"release": release.id, "version": version, "rows": commit.rows}
