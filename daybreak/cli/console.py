"""Where commands print: people read `console`, programs read `print_json`."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def as_text(value: Any) -> str:
    """Something delivered, for the terminal: as it is, but it steers neither the terminal nor the markup."""
    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value)))


def print_json(value: Any) -> None:
    """Prints one JSON document on standard output, with nothing around it."""
    print(json.dumps(value, indent=2, sort_keys=False, default=str))
