"""What a night's lists and vectors are made from: ids, wants and features as the night knew them, and who counts."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from daybreak.datasets import ITEMS, USERS
from daybreak.errors import InputError
from daybreak.features.partials import PAIR_DAYS
from daybreak.features.services import TWO_TOWER
from daybreak.item_states import may_be_shown
from daybreak.learning import ID_ROWS, ITEM, USER
from daybreak.step_io import StepIO
from training.data.ids import IdMap, Ints, id_map
from training.data.nights import features_at, nights_with_features
from training.data.wants import number_of, wants_of
from training.retrieval import NightView, view_at


def night_view(io: StepIO, history_days: int, *, with_features: bool) -> NightView:
    """The end of the step's night; an error where what it needs was not made."""
    io.require(ID_ROWS)
    io.require(PAIR_DAYS)
    if with_features and not nights_with_features(io, TWO_TOWER, [io.ds]):
        raise InputError(
            f"the towers list from the features of the night, but {io.ds} lacks views of the service two_tower;"
            " run the jobs that make them first (`daybreak features`)"
        )
    users, items = id_map(io, USER), id_map(io, ITEM)
    wants = wants_of(io, users, items, history_days)
    features = features_at(io, TWO_TOWER, io.ds, users, items) if with_features else None
    return view_at(number_of(io.ds), wants, users, items, features)


def active_users(io: StepIO, users: IdMap) -> Ints:
    """All who are known, and not deactivated."""
    states = io.state(USERS)
    gone = users.rows(states.filter(pc.field("status") != "active")["user_id"])
    return np.setdiff1d(np.arange(len(users)), gone)


def shown_items(io: StepIO, items: IdMap) -> Ints:
    """The items that may be shown at the end of the day; all items where there is no catalogue."""
    states = io.state(ITEMS)
    if not states.num_rows:
        return np.arange(len(items))
    shown = items.rows(states.filter(may_be_shown(states, io.ds))["item_id"])
    return np.unique(shown[shown >= 0])
