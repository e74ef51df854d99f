"""The page of settings cannot rot."""

from __future__ import annotations

from daybreak.settings import Settings
from daybreak.settings_page import settings_page
from daybreak.steps import all_steps
from daybreak.targets import load
from tests.conftest import REPOSITORY


def test_the_page_of_settings_is_what_is_declared() -> None:
    """`make fmt` writes the page; a changed setting without it fails here."""
    assert (REPOSITORY / "docs" / "settings.md").read_text() == settings_page()


def test_every_setting_and_option_says_what_it_is() -> None:
    """Those of steps too."""
    options = {
        f"{spec.name}.{name}": field
        for spec in all_steps().values()
        for name, field in load(spec.config).model_fields.items()
        if name != "ds"
    }
    fields = {**Settings.model_fields, **options}
    assert [name for name, field in fields.items() if not field.description] == []
