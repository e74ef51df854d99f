"""How many ties users have, and how many of these are new.

How new a tie is, is told by the share of all ties that came since: a graph that grows by ties a second and one that
grows by ties a week fade alike.
"""

from __future__ import annotations

import numpy as np

from jobs.people_graph import times
from jobs.tie_arrays import Floats, Ties, turned

HALF_AFTER = {"lately": 0.3, "these_days": 0.08, "just_now": 0.02}
"""The share of all ties that came since, by which a tie counts half."""
DIGITS = 9


def lively(ties: Ties) -> dict[str, Floats]:
    """For each user, by number: all ties, and ties that fade. Who is tied in more ways than one is one tie, as old as
    the oldest of them; a follow is a tie of both."""
    told = [ties.friends.keys, ties.follows.keys, turned(ties.users, ties.follows.keys)]
    keys = np.concatenate(told)
    moments = np.concatenate([ties.friends.moments, np.tile(ties.follows.moments, 2)])
    order = np.lexsort((moments, keys))
    keys, moments = keys[order], moments[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    keys, moments = keys[first], moments[first]
    since = (keys.size - np.searchsorted(np.sort(moments), moments, side="right")) / max(keys.size, 1)
    owners = keys // max(ties.users, 1)
    counts = {"ties": times(ties.users, keys).astype(np.float64)}
    for name, share in HALF_AFTER.items():
        faded = np.bincount(owners, 0.5 ** (since / share), minlength=ties.users)
        counts[name] = np.round(faded, DIGITS)
    return counts
