"""The command line, and a model of a kind that is made up."""

from __future__ import annotations

import pytest

from daybreak.settings import Settings
from tests.daybreak.command_line import Command, command_line
from tests.training.registry.toys import KIND, LOADER
from training.registry.loaders import LOADERS


@pytest.fixture
def daybreak(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line under `settings`."""
    return command_line(monkeypatch, capsys)


@pytest.fixture(autouse=True)
def _toys_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOADERS, KIND, LOADER)
