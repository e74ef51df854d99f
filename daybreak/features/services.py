"""What each model is given of the features. A new service is a new line here."""

from __future__ import annotations

from daybreak.features.counted import (
    ITEM_ACTIVITY,
    USER_ACTIVITY,
    USER_BRAND,
    USER_CATEGORY,
    USER_ITEM,
    USER_SESSIONS,
)
from daybreak.features.declaration import Chosen, FeatureService
from daybreak.features.described import ITEM_CATALOGUE, ITEM_TEXT, USER_GRAPH, USER_PROFILE
from daybreak.features.on_request import ACCOUNT_AGE, CONTACT, IDLE, ITEM_AGE

RANKER = FeatureService(
    "ranker",
    "What the ranker knows of a user, an item and the two together.",
    (
        Chosen(USER_PROFILE, ("country", "device", "segment", "signup_ts")),
        Chosen(USER_ACTIVITY),
        Chosen(USER_SESSIONS),
        Chosen(ITEM_CATALOGUE, ("category", "brand", "price", "launched_ts", "title_words", "description_words")),
        Chosen(ITEM_ACTIVITY),
        Chosen(ITEM_TEXT, ("text_vector",)),
        Chosen(USER_CATEGORY, found_by=("user_id", "item_catalogue__category")),
        Chosen(USER_BRAND, found_by=("user_id", "item_catalogue__brand")),
        Chosen(USER_ITEM),
    ),
    (ACCOUNT_AGE, ITEM_AGE, IDLE, CONTACT),
)

TWO_TOWER = FeatureService(
    "two_tower",
    "What the two towers know of users and of items, each by itself.",
    (
        Chosen(USER_PROFILE),
        Chosen(USER_ACTIVITY),
        Chosen(USER_SESSIONS),
        Chosen(ITEM_CATALOGUE),
        Chosen(ITEM_ACTIVITY),
        Chosen(ITEM_TEXT),
    ),
    (ACCOUNT_AGE, ITEM_AGE, IDLE),
)

PEOPLE = FeatureService(
    "people",
    "What is known of a user as somebody to know.",
    (
        Chosen(USER_PROFILE),
        Chosen(USER_ACTIVITY, ("active_days_7d", "active_days_28d", "last_event_ts")),
        Chosen(USER_GRAPH),
    ),
    (ACCOUNT_AGE, IDLE),
)

SERVICES: dict[str, FeatureService] = {service.name: service for service in (RANKER, TWO_TOWER, PEOPLE)}
