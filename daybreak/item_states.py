"""What the state of an item says: which items may be shown.

Those who make lists and who report ask here. Negatives are sampled by Spark, which says the rule in its own words, in
`jobs.negatives`; a test holds the two together.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import end_of


def may_be_shown(states: pa.Table, ds: str) -> pa.ChunkedArray:
    """For each state of an item, whether the item is active, launched and not yet retired at the end of the day."""
    end = pa.scalar(end_of(ds), pa.timestamp("us", tz="UTC"))
    launched = pc.fill_null(pc.less(states["launched_ts"], end), True)
    retired = pc.fill_null(pc.less(states["retired_ts"], end), False)
    return pc.and_(pc.and_(pc.equal(states["status"], "active"), launched), pc.invert(retired))
