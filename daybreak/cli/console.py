"""Where commands print: people read `console`, programs read `print_json`."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Prints one JSON document on standard output, with nothing around it."""
    print(json.dumps(value, indent=2, sort_keys=False, default=str))
