"""Makes Feast's registry say exactly what is declared: entities, views, services, what is computed on request.

What is no longer declared is removed: a view with what the online store holds of it, a feature that left its view once
`feature_repo.materialize` fills that anew, which its next run does. A registry in a file is written beside
its place and renamed, so a killed run leaves the old one whole. Writes `feast/feature_store.yaml` below home, the
configuration for Feast's own command line. A second run changes nothing.

A feature whose type changed is refused, because readers would decode what is online as the wrong type: give it a new
name, or say `--set retype=<view>`; the next materialization then fills that view anew.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from daybreak.errors import SettingsError
from daybreak.features.online import PROJECT
from daybreak.features.views import VIEWS
from daybreak.files import written_beside
from daybreak.settings import Settings
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from feature_repo.online_store import online_store

KINDS = ("entities", "feature_views", "on_demand_feature_views", "feature_services", "data_sources")


class ApplyConfig(StepConfig):
    """What may change in place."""

    retype: str = Field("", description="a view whose features may change their types")


def run(config: ApplyConfig, io: StepIO) -> Summary:
    """Applies every declaration and removes the rest."""
    from daybreak.feature_store import feast_objects, open_store, registry_file, store_config

    _forget_removed_views(io.settings)
    registry = None if io.settings.feature_registry else registry_file(io.settings)
    beside = _copy_beside(registry) if registry else None
    store = open_store(io.settings, beside)
    objects = feast_objects(io.settings)
    refuse_changed_types(store, objects, config.retype)
    obsolete = no_longer_declared(store, objects)
    store.apply(objects, objects_to_delete=obsolete, partial=False)
    if registry and beside:
        with written_beside(registry) as file:
            file.write(beside.read_bytes())
        beside.unlink()
    _write_yaml(io.settings.feast_home / "feature_store.yaml", store_config(io.settings))
    return {"objects": len(objects), "removed": sorted(each.name for each in obsolete)}


def no_longer_declared(store: Any, objects: list[Any]) -> list[Any]:
    """What the registry has and nobody declares."""
    declared = {(_kind(each), each.name) for each in objects}
    declared |= {("FileSource", name) for name in VIEWS} | {("RequestSource", "request")}
    found = [each for kind in KINDS for each in getattr(store, f"list_{kind}")()]
    return [each for each in found if (_kind(each), each.name) not in declared and each.name != "__dummy"]


def refuse_changed_types(store: Any, objects: list[Any], retype: str) -> None:
    """Raises where a feature has another type than it was applied with."""
    declared = {each.name: each for each in objects if _kind(each) == "FeatureView"}
    for applied in store.list_feature_views():
        if applied.name == retype or applied.name not in declared:
            continue
        types = {field.name: field.dtype for field in declared[applied.name].features}
        for field in applied.features:
            if field.name in types and types[field.name] != field.dtype:
                raise SettingsError(
                    f"feature {applied.name}.{field.name} was applied as {field.dtype} and is now declared"
                    f" {types[field.name]}: readers would decode what is online as the wrong type. Give it a new name,"
                    f" or change it in place: daybreak run feature_repo.apply --set retype={applied.name}, then"
                    " feature_repo.materialize"
                )


def _kind(each: Any) -> str:
    return type(each).__name__


def _copy_beside(registry: Path) -> Path:
    beside = registry.with_name("registry.new.db")
    registry.parent.mkdir(parents=True, exist_ok=True)
    beside.unlink(missing_ok=True)
    if registry.exists():
        shutil.copyfile(registry, beside)
    return beside


def _forget_removed_views(settings: Settings) -> None:
    """So that a view that comes back is filled anew."""
    online = online_store(settings)
    for view in online.marks():
        if view not in VIEWS:
            online.forget(view)


def _write_yaml(path: Path, configuration: dict[str, Any]) -> None:
    """For `feast -f`; only its owner may read it, as it may hold a password."""
    with written_beside(path) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"# {PROJECT}: written by feature_repo.apply\n{yaml.safe_dump(configuration)}".encode())
