"""All feature views. A new view is a new line here."""

from __future__ import annotations

from daybreak.errors import InputError
from daybreak.features.counted import (
    ITEM_ACTIVITY,
    USER_ACTIVITY,
    USER_BRAND,
    USER_CATEGORY,
    USER_ITEM,
    USER_SESSIONS,
)
from daybreak.features.declaration import FeatureView
from daybreak.features.described import ITEM_CATALOGUE, ITEM_TEXT, USER_GRAPH, USER_PROFILE

VIEWS: dict[str, FeatureView] = {
    view.name: view
    for view in (
        USER_PROFILE,
        USER_ACTIVITY,
        USER_SESSIONS,
        USER_GRAPH,
        ITEM_CATALOGUE,
        ITEM_ACTIVITY,
        ITEM_TEXT,
        USER_CATEGORY,
        USER_BRAND,
        USER_ITEM,
    )
}


def view_named(name: str) -> FeatureView:
    if name not in VIEWS:
        raise InputError(f"no feature view is called '{name}'; there are: {', '.join(VIEWS)}")
    return VIEWS[name]
