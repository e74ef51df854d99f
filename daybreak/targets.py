"""Loads what a step, command or plug-in names as `module:attribute`, so that the core never imports the folders
above it."""

from __future__ import annotations

import importlib
from typing import Any

from daybreak.errors import SettingsError


def load(target: str) -> Any:
    """The object that `module:attribute` names."""
    module_name, _, attribute = target.partition(":")
    if not attribute:
        raise SettingsError(f"target '{target}' must be of the form module:attribute")
    module = importlib.import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise SettingsError(f"target '{target}': module {module_name} holds no '{attribute}'") from None
