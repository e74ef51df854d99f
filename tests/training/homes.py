"""Homes in which a night has learned something, made once and copied by whoever changes them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.tiny import Row, day


def copy_of(settings: Settings, place: Path, **changes: Any) -> Settings:
    """The same home at another place, with its own lake and its own MLflow."""
    shutil.copytree(settings.root, place / "copy")
    return settings.elsewhere(place / "copy", **changes)


def run_night(settings: Settings, night: int, *steps: str, **overrides: Any) -> dict[str, Row]:
    """The summaries of some steps, those of `training` by their short names."""
    specs = [step_named(step if "." in step else f"training.{step}") for step in steps]
    records = run_steps(specs, day(night), settings, overrides=overrides)
    return {record.step.removeprefix("training."): record.summary for record in records}
