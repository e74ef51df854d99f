"""The daily partials: what each night's delivery adds to what was counted, one row per entity and day.

A night writes one partition: what its own delivery tells, by the `day` on which it happened. So a late event finds its
day, a window of any length is a sum over partials, and the night of an earlier day, built again, adds up just what had
been delivered by then.
"""

from __future__ import annotations

from daybreak.contracts import Between, Column, ColumnType, Dataset

STRING, INT64, TIMESTAMP = ColumnType.STRING, ColumnType.INT64, ColumnType.TIMESTAMP

DAY = "day"
HAPPENED = Column(DAY, STRING, "the day it happened on")

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


TOTALS = (
    *(_sum(name, f"{event_type} events") for event_type, name in COUNTS.items()),
    _sum("interest", "weight of interest"),
    _sum("spend_micros", "paid in purchases, in millionths"),
    _sum("rating_micros", "sum of the ratings, in millionths"),
    _sum("dwell_ms", "milliseconds spent on views"),
    _sum("dwells", "views that tell the time spent"),
)
"""What the events add up to, in whole numbers, so that any order adds up alike."""

MOMENTS = (
    Column("last_ts", TIMESTAMP, "when the last of the events happened"),
    Column("last_interest_ts", TIMESTAMP, "when the last one that tells of interest happened", nullable=True),
    Column("last_purchase_ts", TIMESTAMP, "when the last purchase happened", nullable=True),
)

SUMS = tuple(column.name for column in TOTALS)
LATEST = tuple(column.name for column in MOMENTS)

USER_DAYS = Dataset(
    name="partials/user_days",
    doc="What a user did on a day, as a night delivered it.",
    columns=(Column("user_id", STRING, "the user"), HAPPENED, *TOTALS, *MOMENTS),
    key=("user_id", DAY),
)

ITEM_DAYS = Dataset(
    name="partials/item_days",
    doc="What users did with an item on a day, as a night delivered it.",
    columns=(Column("item_id", STRING, "the item"), HAPPENED, *TOTALS, *MOMENTS),
    key=("item_id", DAY),
)

PAIR_DAYS = Dataset(
    name="partials/pair_days",
    doc="What a user did with an item on a day, as a night delivered it.",
    columns=(
        Column("user_id", STRING, "the user"),
        Column("item_id", STRING, "the item"),
        HAPPENED,
        *TOTALS,
        *MOMENTS,
    ),
    key=("user_id", "item_id", DAY),
)

TASTE_DAYS = Dataset(
    name="partials/taste_days",
    doc="A user's interest by category and brand on a day, as the night that delivered it knew the items.",
    columns=(
        Column("user_id", STRING, "the user"),
        Column("category", STRING, "the category, null where the item has none", nullable=True),
        Column("brand", STRING, "the brand, null where the item has none", nullable=True),
        HAPPENED,
        _sum("interest", "weight of interest"),
        _sum("events", "events of interest"),
    ),
    key=("user_id", "category", "brand", DAY),
)

SESSION_DAYS = Dataset(
    name="partials/session_days",
    doc="A visit's part on a day, as a night delivered it.",
    columns=(
        Column("user_id", STRING, "the user"),
        Column("session_id", STRING, "the visit"),
        HAPPENED,
        Column("first_ts", TIMESTAMP, "when the first of its events happened"),
        Column("last_ts", TIMESTAMP, "when the last of its events happened"),
        _sum("events", "events"),
        _sum("views", "view events"),
    ),
    key=("user_id", "session_id", DAY),
)

LAST_ITEMS_KEPT = 20
"""So many a list of last items holds, and so many a user and day are enough for it."""

LAST_ITEMS = Dataset(
    name="partials/last_items",
    doc="The last items of interest to a user on a day, as a night delivered it: no more than a list can hold.",
    columns=(
        Column("user_id", STRING, "the user"),
        Column("item_id", STRING, "the item"),
        HAPPENED,
        Column("last_ts", TIMESTAMP, "when the user last showed interest in it"),
    ),
    key=("user_id", "item_id", DAY),
)

PARTIALS = (USER_DAYS, ITEM_DAYS, PAIR_DAYS, TASTE_DAYS, SESSION_DAYS, LAST_ITEMS)
