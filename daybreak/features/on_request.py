"""Features of the moment of a request: one function each, run over training rows and by the online store alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from daybreak.clock import DAY_US
from daybreak.contracts import ColumnType
from daybreak.features.counted import USER_ACTIVITY, USER_ITEM
from daybreak.features.declaration import RequestFeature
from daybreak.features.described import ITEM_CATALOGUE, USER_PROFILE

if TYPE_CHECKING:
    import pyarrow as pa

REQUEST_TS = "request_ts"
"""The column with the moment of a request, online and in training rows."""
HOUR_US = DAY_US / 24


def _elapsed(moments: pa.Array, since: pa.Array, unit_us: float) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    instant = pa.timestamp("us", tz="UTC")
    micros = pc.subtract(moments.cast(instant).cast(pa.int64()), since.cast(instant).cast(pa.int64()))
    return pc.divide(micros.cast(pa.float64()), unit_us)


def days_since(moments: pa.Array, since: pa.Array) -> pa.Array:
    """Days from `since` to each moment; null where that is not known."""
    return _elapsed(moments, since, DAY_US)


def hours_since(moments: pa.Array, since: pa.Array) -> pa.Array:
    """Hours from `since` to each moment; null where that is not known."""
    return _elapsed(moments, since, HOUR_US)


ACCOUNT_AGE = RequestFeature(
    "account_age_days",
    ColumnType.FLOAT64,
    "days since the user joined",
    (USER_PROFILE.given("signup_ts"),),
    days_since,
)
ITEM_AGE = RequestFeature(
    "item_age_days",
    ColumnType.FLOAT64,
    "days since the item could first be shown",
    (ITEM_CATALOGUE.given("launched_ts"),),
    days_since,
)
IDLE = RequestFeature(
    "hours_since_last_event",
    ColumnType.FLOAT64,
    "hours since the user's last known event",
    (USER_ACTIVITY.given("last_event_ts"),),
    hours_since,
)
CONTACT = RequestFeature(
    "hours_since_contact",
    ColumnType.FLOAT64,
    "hours since the user's last known contact with the item",
    (USER_ITEM.given("last_contact_ts"),),
    hours_since,
)
ON_REQUEST = (ACCOUNT_AGE, ITEM_AGE, IDLE, CONTACT)


def with_request_features(
    batches: Iterable[pa.RecordBatch], moments: str, features: Sequence[RequestFeature]
) -> Iterator[pa.RecordBatch]:
    """Each batch with the features of its rows' moments after its own columns."""
    import pyarrow as pa

    for batch in batches:
        arrays = [
            feature.compute(batch[moments], *(batch[given.name] for given in feature.inputs)) for feature in features
        ]
        names = [*batch.schema.names, *(feature.name for feature in features)]
        yield pa.RecordBatch.from_arrays([*batch.columns, *arrays], names)
