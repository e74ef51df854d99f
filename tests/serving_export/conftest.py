"""Surfaces that most tests of lists begin from."""

from __future__ import annotations

import pytest

from tests.serving_export.nights import PLAIN


@pytest.fixture
def settings(settings):
    """The settings of a home whose surfaces are plain."""
    settings.surfaces.write_text(PLAIN)
    return settings
