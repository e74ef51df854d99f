"""How often each place of a shelf is looked at, told by its clicks beside those that features alone make likely.

What stands on top is clicked because it is seen, and so is bought. An order that is judged by such purchases as they
are is judged by how like it is to the order that was shown. Purchases that count the more the less their place is
looked at judge it as if all places were looked at alike (inverse propensity weighting).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.evaluation.ranking import Floats, Ints

PLACES = 20
LEAST_CLICKS = 50.0
"""A place of which fewer clicks are expected is looked at as often as the one before it, for all that is known."""
LEAST_LOOKS = 0.1
"""So that no purchase counts more than ten."""


def looks(places: Ints, clicked: npt.ArrayLike, expected: npt.ArrayLike) -> Floats:
    """For each place, counted from 0, how often it is looked at beside the first; never more than the one before."""
    at = np.minimum(places, PLACES - 1)
    clicks, likely = (np.bincount(at, np.asarray(told, np.float64), PLACES) for told in (clicked, expected))
    share = np.ones(PLACES)
    for place in range(PLACES):
        before = share[place - 1] if place else np.inf
        known = likely[place] >= LEAST_CLICKS
        share[place] = min(before, clicks[place] / likely[place]) if known else min(before, 1.0)
    return np.asarray(np.maximum(share / max(share[0], 1e-9), LEAST_LOOKS))


def seldom_seen(places: Ints, looked_at: Floats) -> Floats:
    """How much what happened at each of these places counts."""
    return np.asarray(1 / looked_at[np.minimum(places, PLACES - 1)])
