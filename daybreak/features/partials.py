"""The daily partials: what each night's delivery adds to what was counted, a row an entity, day and delivery.

They are partitioned as events are: by the day the events happened on, and below it by the day that delivered them. So
a night adds its own delivery alone, a late event finds its day, a window of any length is a sum over partials, and
the night of an earlier day, built again, adds up just what had been delivered by then.
"""

from __future__ import annotations

from daybreak.contracts import DS, LANDED_DS, Between, Column, ColumnType, Dataset

STRING, INT64, TIMESTAMP = ColumnType.STRING, ColumnType.INT64, ColumnType.TIMESTAMP
PARTITION = (DS, LANDED_DS)

COUNTS = {
    "impression": "impressions",
    "view": "views",
    "cart": "carts",
    "purchase": "purchases",
    "rating": "ratings",
    "dismiss": "dismissals",
}
"""The column that counts each type of event."""


def _sum(name: str, doc: str) -> Column:
    return Column(name, INT64, doc, rules=(Between(0),))


def counts() -> tuple[Column, ...]:
    """A column an event type, and what the events add up to, in whole numbers so that any order adds up alike."""
    return (
        *(_sum(name, f"{event_type} events") for event_type, name in COUNTS.items()),
        _sum("interest", "weight of interest"),
        _sum("spend_micros", "paid in purchases, in millionths"),
        _sum("rating_micros", "sum of the ratings, in millionths"),
        _sum("dwell_ms", "milliseconds spent on views"),
        _sum("dwells", "views that tell the time spent"),
        Column("last_ts", TIMESTAMP, "when the last of the events happened"),
        Column("last_purchase_ts", TIMESTAMP, "when the last purchase happened", nullable=True),
    )


USER_DAYS = Dataset(
    name="partials/user_days",
    doc="What a user did on a day, by delivery.",
    columns=(Column("user_id", STRING, "the user"), *counts()),
    key=("user_id",),
    partition=PARTITION,
)

ITEM_DAYS = Dataset(
    name="partials/item_days",
    doc="What users did with an item on a day, by delivery.",
    columns=(Column("item_id", STRING, "the item"), *counts()),
    key=("item_id",),
    partition=PARTITION,
)

PAIR_DAYS = Dataset(
    name="partials/pair_days",
    doc="What a user did with an item on a day, by delivery.",
    columns=(
        Column("user_id", STRING, "the user"),
        Column("item_id", STRING, "the item"),
        *counts(),
    ),
    key=("user_id", "item_id"),
    partition=PARTITION,
)

TASTE_DAYS = Dataset(
    name="partials/taste_days",
    doc="A user's interest by category and brand on a day, by delivery, with what was known of the items then.",
    columns=(
        Column("user_id", STRING, "the user"),
        Column("category", STRING, "the category", nullable=True),
        Column("brand", STRING, "the brand", nullable=True),
        _sum("interest", "weight of interest"),
        _sum("events", "events of interest"),
    ),
    key=("user_id", "category", "brand"),
    partition=PARTITION,
)

SESSION_DAYS = Dataset(
    name="partials/session_days",
    doc="A visit's part on a day, by delivery.",
    columns=(
        Column("user_id", STRING, "the user"),
        Column("session_id", STRING, "the visit"),
        Column("first_ts", TIMESTAMP, "when the first of its events happened"),
        Column("last_ts", TIMESTAMP, "when the last of its events happened"),
        _sum("events", "events"),
        _sum("views", "view events"),
    ),
    key=("user_id", "session_id"),
    partition=PARTITION,
)

LAST_ITEMS = Dataset(
    name="partials/last_items",
    doc="The last items of interest to a user on a day, by delivery: no more than a list of last items can hold.",
    columns=(
        Column("user_id", STRING, "the user"),
        Column("item_id", STRING, "the item"),
        Column("last_ts", TIMESTAMP, "when the user last showed interest in it"),
    ),
    key=("user_id", "item_id"),
    partition=PARTITION,
)

PARTIALS = (USER_DAYS, ITEM_DAYS, PAIR_DAYS, TASTE_DAYS, SESSION_DAYS, LAST_ITEMS)
