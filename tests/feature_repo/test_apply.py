"""Feast's registry says what is declared, no more and no less."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from daybreak.contracts import ColumnType
from daybreak.errors import NightError, SettingsError
from daybreak.features.declaration import Feature, FeatureView
from daybreak.features.entities import USER
from daybreak.features.on_request import ON_REQUEST
from daybreak.features.services import SERVICES
from daybreak.features.views import VIEWS, view_named
from daybreak.lake import Lake
from daybreak.runner import run_steps
from daybreak.settings import Settings, load_settings
from daybreak.steps import step_named
from tests.conftest import REPOSITORY
from tests.feature_repo.nights import MONDAY, rows, write
from tests.lake import land

APPLY, MATERIALIZE = "feature_repo.apply", "feature_repo.materialize"


def extra(kind: ColumnType = ColumnType.INT64) -> FeatureView:
    """A view that is not in the house."""
    mood = Feature("mood", kind, "how a user feels")
    return FeatureView("moods", "Moods.", (USER,), (mood,), "jobs.moods", "people", timedelta(hours=36))


def test_the_registry_holds_what_is_declared(settings: Settings) -> None:
    """Entities, views with all their words, services, and what is computed on request."""
    from daybreak.feature_store import open_store

    run_steps([step_named(APPLY)], MONDAY, settings)
    store = open_store(settings)
    assert {view.name for view in store.list_feature_views()} == set(VIEWS)
    for name, view in VIEWS.items():
        found = store.get_feature_view(name)
        assert [field.name for field in found.features] == list(view.feature_names)
        assert [field.description for field in found.features] == [each.doc for each in view.features]
        assert (found.description, found.owner) == (view.doc, view.owner)
        assert found.tags["made_by"] == view.made_by
        assert found.ttl == (view.ttl or timedelta(0))
        assert {column.name for column in found.entity_columns} == set(view.keys)
    for name, service in SERVICES.items():
        chosen = store.get_feature_service(name).feature_view_projections
        assert {f"{view.name}__{field.name}" for view in chosen for field in view.features} == {
            *service.outputs,
            *(f"on_request_{each.name}__{each.name}" for each in service.on_request),
        }
    assert len(store.list_on_demand_feature_views()) == len(ON_REQUEST)


def test_a_view_that_is_no_longer_declared_is_removed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the registry and from the online store; a second run finds nothing to do."""
    from daybreak.feature_store import open_store

    monkeypatch.setitem(VIEWS, "moods", extra())
    run_steps([step_named(APPLY)], MONDAY, settings)
    assert "moods" in {view.name for view in open_store(settings).list_feature_views()}
    monkeypatch.delitem(VIEWS, "moods")
    (record,) = run_steps([step_named(APPLY)], MONDAY, settings)
    assert record.summary["removed"] == ["moods", "moods"], "the view and its source"
    assert "moods" not in {view.name for view in open_store(settings).list_feature_views()}
    with sqlite3.connect(settings.feast_home / "online.db") as database:
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    assert "daybreak_user_profile" in tables
    assert "daybreak_moods" not in tables
    assert run_steps([step_named(APPLY)], MONDAY, settings)[0].summary["removed"] == []


def test_a_feature_of_another_type_is_refused_unless_that_is_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers would take the bytes of one type for another."""
    monkeypatch.setitem(VIEWS, "moods", extra())
    run_steps([step_named(APPLY)], MONDAY, settings)
    monkeypatch.setitem(VIEWS, "moods", extra(ColumnType.STRING))
    with pytest.raises(SettingsError, match=r"moods\.mood was applied as Int64 and is now declared String"):
        run_steps([step_named(APPLY)], MONDAY, settings)
    run_steps([step_named(APPLY)], MONDAY, settings, overrides={"retype": "moods"})


def test_a_server_that_does_not_answer_is_told_in_a_sentence(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is changed; its password is not told."""
    land(lake, MONDAY)
    monkeypatch.setenv("DAYBREAK_ONLINE_STORE", "redis://:secret@127.0.0.1:1/0")
    for name in (APPLY, MATERIALIZE):
        with pytest.raises(NightError, match=r"redis://127\.0\.0\.1:1/0 failed while") as told:
            run_steps([step_named(name)], MONDAY, load_settings())
        assert "secret" not in str(told.value)
        assert "\n" not in str(told.value)


def test_past_values_come_back_as_of_their_moment(settings: Settings, lake: Lake) -> None:
    """Feast's own historical read of our tables: what was known then, of the current version's files alone."""
    import pandas as pd

    from daybreak.feature_store import open_store

    view = view_named("user_activity")
    write(lake, view, "2026-11-15", rows(view, "2026-11-15", [0], spend_7d=-1.0, last_event_ts=None))
    early = pd.Timestamp("2026-11-15T12:00:00.5Z")
    write(lake, view, "2026-11-15", rows(view, "2026-11-15", [0, 1], spend_7d=1.0, last_event_ts=early))
    write(lake, view, MONDAY, rows(view, MONDAY, [0], spend_7d=2.0, last_event_ts=None))
    run_steps([step_named(APPLY)], MONDAY, settings)
    moments = ["2026-11-16T05:59:59Z", "2026-11-16T06:00:00Z", "2026-11-17T06:00:00Z", "2026-11-23T00:00:00.000001Z"]
    asked = pd.DataFrame(
        [
            {"user_id": user, "event_timestamp": pd.Timestamp(moment), "request_ts": pd.Timestamp(moment)}
            for user in ("u0", "u1", "u9")
            for moment in moments
        ]
    )
    features = ["user_activity:spend_7d", "on_request_hours_since_last_event:hours_since_last_event"]
    found = open_store(settings).get_historical_features(asked, features, full_feature_names=True).to_df()
    assert len(found) == len(asked)
    found = found.sort_values(["user_id", "event_timestamp"])
    spent = [None if pd.isna(value) else value for value in found["user_activity__spend_7d"]]
    assert spent == [None, 1.0, 2.0, 2.0, None, 1.0, 1.0, None, None, None, None, None]
    idle = [
        None if pd.isna(value) else value
        for value in found["on_request_hours_since_last_event__hours_since_last_event"]
    ]
    assert idle == [None, 18.0, None, None, None, 18.0, 42.0, None, None, None, None, None]


def test_the_feast_command_finds_the_same_in_the_folder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads one file of it and no step; the configuration beside it says what the settings' defaults do."""
    from feast.repo_config import load_repo_config
    from feast.repo_operations import get_repo_files, parse_repo

    from daybreak.feature_store import feast_objects, store_config

    folder = REPOSITORY / "feature_repo"
    assert [path.name for path in get_repo_files(folder)] == ["definitions.py"]
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    found = parse_repo(folder)
    declared = feast_objects(settings)
    for kind in (found.entities, found.feature_views, found.on_demand_feature_views, found.feature_services):
        assert {each.name for each in kind} - {"__dummy"} <= {each.name for each in declared}
    assert len(found.feature_views) == len(VIEWS)
    assert len(found.feature_services) == len(SERVICES)
    assert load_repo_config(folder, folder / "feature_store.yaml").project == "daybreak"
    beside = yaml.safe_load((folder / "feature_store.yaml").read_text())
    monkeypatch.delenv("DAYBREAK_HOME")
    assert _at_home(beside, "../var") == _at_home(store_config(Settings()), str(folder / "var"))
    configured = load_repo_config(folder, _applied(settings))
    assert configured.online_store.path == str(settings.feast_home / "online.db")


def _applied(settings: Settings) -> Path:
    run_steps([step_named(APPLY)], MONDAY, settings)
    return settings.feast_home / "feature_store.yaml"


def _at_home(configuration: dict[str, Any], home: str) -> Any:
    return json.loads(json.dumps(configuration).replace(home, "HOME"))
