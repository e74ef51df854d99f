"""The features that are counted from what users did: of users, of items, and of the ties between them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from daybreak.contracts import AT_LEAST_0, SHARE, ColumnType
from daybreak.features.declaration import NIGHTLY, Feature, FeatureView
from daybreak.features.entities import BRAND, CATEGORY, ITEM, USER
from daybreak.features.partials import COUNTS

STRINGS, INT64, FLOAT64, TIMESTAMP = ColumnType.STRINGS, ColumnType.INT64, ColumnType.FLOAT64, ColumnType.TIMESTAMP

WINDOWS = (1, 7, 28)
LONGEST_WINDOW = max(WINDOWS)
LINGER_DAYS = 7
"""So many nights an entity that has left the longest window still gets a row, which says so. After them its last row
is too old to count, and nothing is known of the entity."""
REACH_DAYS = LONGEST_WINDOW + LINGER_DAYS
HALF_LIFE_DAYS = 7
"""What an event says fades to a half in so many days."""
COUNTED = ("impression", "view", "cart", "purchase")


def _counts() -> Iterator[Feature]:
    for kind in COUNTED:
        for days in WINDOWS:
            yield Feature(f"{COUNTS[kind]}_{days}d", INT64, f"{kind} events", days, AT_LEAST_0)


def _rates() -> Iterator[Feature]:
    for days in WINDOWS[1:]:
        yield Feature(
            f"click_rate_{days}d",
            FLOAT64,
            "views per impression; of few impressions, drawn towards the rate over all",
            days,
            AT_LEAST_0,
        )
    yield Feature(
        "conversion_rate_28d",
        FLOAT64,
        "purchases per view; of few views, drawn towards the rate over all",
        28,
        AT_LEAST_0,
    )
    yield Feature("ratings_28d", INT64, "ratings", 28, AT_LEAST_0)
    yield Feature("rating_mean_28d", FLOAT64, "mean of the ratings", 28)
    yield Feature("dismissals_28d", INT64, "dismissals", 28, AT_LEAST_0)
    yield Feature("active_days_7d", INT64, "days with any event", 7, AT_LEAST_0)
    yield Feature("active_days_28d", INT64, "days with any event", 28, AT_LEAST_0)


def _recency() -> Iterator[Feature]:
    yield Feature("last_event_ts", TIMESTAMP, "when the last event happened")
    yield Feature(
        "recency_score", FLOAT64, f"1 just after an event, halved every {HALF_LIFE_DAYS} days since", None, SHARE
    )


USER_ACTIVITY = FeatureView(
    name="user_activity",
    doc="What a user did lately: counts, rates, spending, engagement and recency.",
    entities=(USER,),
    features=(
        *_counts(),
        *_rates(),
        Feature("spend_7d", FLOAT64, "paid in purchases", 7, AT_LEAST_0),
        Feature("spend_28d", FLOAT64, "paid in purchases", 28, AT_LEAST_0),
        Feature("engagement_7d", FLOAT64, "weight of interest per active day", 7, AT_LEAST_0),
        *_recency(),
        Feature("last_purchase_ts", TIMESTAMP, "when the last purchase happened", REACH_DAYS),
    ),
    made_by="jobs.user_activity",
    owner="recommendations",
    fresh_within=NIGHTLY,
    ttl=timedelta(days=LINGER_DAYS),
)

ITEM_ACTIVITY = FeatureView(
    name="item_activity",
    doc="What users did with an item lately: counts, rates, engagement, the trend of its popularity, recency.",
    entities=(ITEM,),
    features=(
        *_counts(),
        *_rates(),
        Feature("interest_7d", INT64, "weight of interest", 7, AT_LEAST_0),
        Feature("interest_28d", INT64, "weight of interest", 28, AT_LEAST_0),
        Feature("popularity_trend", FLOAT64, "interest per day in 7 days over that in the 21 before, smoothed", 28),
        *_recency(),
    ),
    made_by="jobs.item_activity",
    owner="recommendations",
    fresh_within=NIGHTLY,
    ttl=timedelta(days=LINGER_DAYS),
)

USER_SESSIONS = FeatureView(
    name="user_sessions",
    doc="How a user visits: how often, how long, how deep, and with what last.",
    entities=(USER,),
    features=(
        Feature("sessions_7d", INT64, "visits", 7, AT_LEAST_0),
        Feature("sessions_28d", INT64, "visits", 28, AT_LEAST_0),
        Feature("session_minutes_28d", FLOAT64, "mean minutes from the first to the last event", 28, AT_LEAST_0),
        Feature("session_events_28d", FLOAT64, "mean events per visit", 28, AT_LEAST_0),
        Feature("session_depth_28d", FLOAT64, "mean views per visit", 28, AT_LEAST_0),
        Feature("dwell_s_28d", FLOAT64, "mean seconds spent on a view", 28, AT_LEAST_0),
        Feature("last_session_ts", TIMESTAMP, "when the last visit ended"),
        Feature("last_items", STRINGS, "the last items of interest, the newest first", REACH_DAYS),
    ),
    made_by="jobs.user_sessions",
    owner="recommendations",
    fresh_within=NIGHTLY,
    ttl=timedelta(days=LINGER_DAYS),
)


def _affinity(of: str) -> tuple[Feature, ...]:
    return (
        Feature(
            "affinity",
            FLOAT64,
            f"the {of}'s share of the user's interest, halved every {HALF_LIFE_DAYS} days",
            28,
            SHARE,
        ),
        Feature(
            "interest",
            FLOAT64,
            f"weight of the user's interest in the {of}, halved every {HALF_LIFE_DAYS} days",
            28,
            AT_LEAST_0,
        ),
        Feature("events_28d", INT64, "events of interest", 28, AT_LEAST_0),
    )


USER_CATEGORY = FeatureView(
    name="user_category",
    doc="How much a user is drawn to a category.",
    entities=(USER, CATEGORY),
    features=_affinity("category"),
    made_by="jobs.user_category",
    owner="recommendations",
    fresh_within=NIGHTLY,
    ttl=timedelta(days=LINGER_DAYS),
)

USER_BRAND = FeatureView(
    name="user_brand",
    doc="How much a user is drawn to a brand.",
    entities=(USER, BRAND),
    features=_affinity("brand"),
    made_by="jobs.user_brand",
    owner="recommendations",
    fresh_within=NIGHTLY,
    ttl=timedelta(days=LINGER_DAYS),
)

USER_ITEM = FeatureView(
    name="user_item",
    doc="A user's recent contact with an item, told on the nights after one; the 28 days end with the last contact.",
    entities=(USER, ITEM),
    features=(
        Feature("impressions_28d", INT64, "times it was shown", 28, AT_LEAST_0),
        Feature("views_28d", INT64, "times it was viewed", 28, AT_LEAST_0),
        Feature("carts_28d", INT64, "times it was put in the cart", 28, AT_LEAST_0),
        Feature("purchases_28d", INT64, "times it was bought", 28, AT_LEAST_0),
        Feature("last_contact_ts", TIMESTAMP, "when the last event of the two happened"),
    ),
    made_by="jobs.user_item",
    owner="recommendations",
    fresh_within=NIGHTLY,
    ttl=timedelta(days=LONGEST_WINDOW),
)
