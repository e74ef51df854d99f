"""The past, as Feast's own historical retrieval tells it from our tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest

from daybreak.features.counted import USER_SESSIONS
from daybreak.features.declaration import FeatureView
from daybreak.features.described import ITEM_CATALOGUE, ITEM_TEXT
from daybreak.lake import Lake, Window
from daybreak.lake.schemas import data_schema
from daybreak.settings import Settings
from tests.feature_repo.nights import MONDAY, TUESDAY, Row, key, rows, write

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LATER = datetime(2026, 11, 19, tzinfo=UTC)
OF_EVERY_TYPE = pytest.mark.parametrize("view", [USER_SESSIONS, ITEM_CATALOGUE, ITEM_TEXT], ids=lambda view: view.name)


def write_before(lake: Lake, view: FeatureView, found: list[Row]) -> None:
    """Monday's rows, as they were written before any of the view's features was declared."""
    bare = tuple(column for column in view.dataset.columns if column.name not in view.feature_names)
    before = replace(view.dataset, columns=bare)
    table = pa.Table.from_pylist(found, schema=data_schema(before))
    lake.table(before).replace(table, lake.begin(view.made_by, MONDAY))


def history(settings: Settings, view: FeatureView, numbers: range) -> list[Row]:
    """What Feast finds of these entities, later."""
    from daybreak.feature_store import feast_objects, open_store

    store = open_store(settings)
    store.apply(feast_objects(settings))
    asked = pd.DataFrame([{**key(view, number), "event_timestamp": LATER} for number in numbers])
    found = store.get_historical_features(asked, [f"{view.name}:{name}" for name in view.feature_names])
    return found.to_arrow().sort_by([(name, "ascending") for name in view.keys]).to_pylist()


@OF_EVERY_TYPE
def test_features_that_no_file_has_yet_are_null(settings: Settings, lake: Lake, view: FeatureView) -> None:
    """From when they are declared to the first night that makes them."""
    write_before(lake, view, rows(view, MONDAY, range(2)))
    for found in history(settings, view, range(2)):
        assert {name: found[name] for name in view.feature_names} == dict.fromkeys(view.feature_names)


@OF_EVERY_TYPE
def test_features_that_older_files_lack_are_null_there(settings: Settings, lake: Lake, view: FeatureView) -> None:
    """Entities with a row of after the declaration have them."""
    write_before(lake, view, rows(view, MONDAY, [0]))
    write(lake, view, TUESDAY, rows(view, TUESDAY, [1]))
    before, after = history(settings, view, range(2))
    (written,) = lake.table(view.dataset).read(Window(TUESDAY)).to_pylist()
    assert {name: before[name] for name in view.feature_names} == dict.fromkeys(view.feature_names)
    assert {name: after[name] for name in view.feature_names} == {name: written[name] for name in view.feature_names}
