"""Nights that several tests begin from; each changes a copy."""

from __future__ import annotations

import pytest

from daybreak.settings import Settings
from tests.e2e.nights import TONIGHT, YESTERDAY, copy_of, deliver_world, run_night, settings_in


@pytest.fixture(scope="package")
def yesterday(tmp_path_factory: pytest.TempPathFactory, spark: object) -> Settings:
    """A lake after yesterday's night, with tonight's files delivered."""
    settings = settings_in(tmp_path_factory.mktemp("yesterday"))
    deliver_world(settings.landing)
    run_night(settings, YESTERDAY)
    return settings


@pytest.fixture(scope="package")
def undisturbed(yesterday: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same after a night that nobody disturbed."""
    settings = copy_of(yesterday, tmp_path_factory.mktemp("undisturbed"))
    run_night(settings, TONIGHT)
    return settings
