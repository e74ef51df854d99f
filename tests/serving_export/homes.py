"""Homes that whole files of tests begin from: settings with a lake of their own, which cost no night to make again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daybreak.settings import Settings
from serving_export.night import Night, night_of
from tests.lake import io_of


def home_in(folder: Path, surfaces: str = "") -> Settings:
    """An empty home with these surfaces."""
    file = folder / "surfaces.yaml"
    file.write_text(surfaces)
    return Settings(home=folder / "home", surfaces_file=file)


def copied(settings: Settings, folder: Path) -> Settings:
    """A copy of a home, to be changed."""
    shutil.copytree(settings.home, folder / "home")
    return home_in(folder, settings.surfaces.read_text())


@contextmanager
def opened_night(settings: Settings, ds: str, step: str = "serving_export.lists") -> Iterator[Night]:
    """The night as a step sees it, while the block runs."""
    with night_of(io_of(step, settings, ds), "1GB") as night:
        yield night
