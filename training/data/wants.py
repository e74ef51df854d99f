"""Who wanted what, when, and since which night that is known: what retrieval models learn from.

Taken from `partials/pair_days`, where a night has counted what its delivery tells of each user, item and day. A want
counts for whoever stands at a night from the night that delivered it, so a late event never reaches into the past.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import DAY_US, EPOCH, days_before, days_between, parse_day
from daybreak.errors import InputError
from daybreak.features.partials import PAIR_DAYS
from daybreak.step_io import StepIO
from training.data.ids import IdMap, Ints

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
ROW = np.dtype([("user", "i8"), ("item", "i8"), ("moment", "f8"), ("weight", "f4"), ("known", "i8")])


def number_of(day: str) -> int:
    """A day as a number, one more than that of the day before."""
    return parse_day(day).toordinal()


def day_of(number: int) -> str:
    return date.fromordinal(number).isoformat()


@dataclass(frozen=True)
class Wants:
    """A row for each user, item and day; ordered by user, then by moment.

    `moments` are days and parts of a day on the scale of `number_of`, `known` the night that delivered the want.
    """

    users: Ints
    items: Ints
    moments: npt.NDArray[np.float64]
    known: Ints
    weights: Floats
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return len(self.users)

    @property
    def days(self) -> Ints:
        """The day of each want."""
        return np.floor(self.moments).astype(np.int64)

    def where(self, kept: Mask) -> Wants:
        return replace(
            self,
            users=self.users[kept],
            items=self.items[kept],
            moments=self.moments[kept],
            known=self.known[kept],
            weights=self.weights[kept],
        )

    def known_by(self, night: int) -> Wants:
        """Those that the night of this number knew."""
        return self.where((self.known <= night) & (self.moments < night + 1))

    def after(self, night: int) -> Wants:
        """Those of the days after a night."""
        return self.where(self.moments >= night + 1)

    @staticmethod
    def of(
        users: Ints,
        items: Ints,
        moments: npt.NDArray[np.float64],
        weights: Floats,
        n_users: int,
        n_items: int,
        known: Ints | None = None,
    ) -> Wants:
        """Wants in any order; where nothing else is said, each was known on the night of its own day."""
        known = np.floor(moments).astype(np.int64) if known is None else known
        order = np.lexsort((items, moments, users))
        return Wants(
            users[order],
            items[order],
            moments[order],
            known[order],
            weights[order].astype(np.float32),
            n_users,
            n_items,
        )


def wants_of(io: StepIO, users: IdMap, items: IdMap, history_days: int) -> Wants:
    """The wants of the last days, the night's own among them, read a night at a time."""
    since = days_before(io.ds, history_days - 1)
    nights = [_of_night(io, night, users, items) for night in days_between(since, io.ds)]
    rows = np.concatenate(nights)
    kept = rows[rows["moment"] >= number_of(since)]
    if not len(kept):
        raise InputError(
            f"{PAIR_DAYS.name} tells of no interest from {since} to {io.ds}: there is nothing to learn from; land those"
            " days and run jobs.partials, or raise history_days"
        )
    return Wants.of(
        kept["user"], kept["item"], kept["moment"], kept["weight"], len(users), len(items), known=kept["known"]
    )


def _of_night(io: StepIO, night: str, users: IdMap, items: IdMap) -> npt.NDArray[np.void]:
    """What one night delivered."""
    told = io.read(PAIR_DAYS, since=night, until=night, columns=["user_id", "item_id", "interest", "last_interest_ts"])
    told = told.filter(pc.greater(told["interest"], 0))
    rows = np.empty(told.num_rows, ROW)
    rows["user"], rows["item"] = users.rows(told["user_id"]), items.rows(told["item_id"])
    micros = told["last_interest_ts"].cast(pa.int64()).to_numpy()
    days, rest = np.divmod(micros, DAY_US)
    days += EPOCH.toordinal()
    rows["moment"] = np.minimum(days + rest / DAY_US, np.nextafter(days + 1.0, 0.0))  # not rounded into the next day
    rows["weight"] = told["interest"].to_numpy()
    rows["known"] = number_of(night)
    return rows[(rows["user"] >= 0) & (rows["item"] >= 0)]
