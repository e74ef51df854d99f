"""The page `docs/settings.md`, written from the settings and from what each step can be told:
`python -m daybreak.settings_page > docs/settings.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from daybreak.settings import PREFIX, Settings
from daybreak.steps import StepSpec, all_steps
from daybreak.targets import load

HEAD = """# Settings

Each is a line of `daybreak.toml` in the working directory (or where `DAYBREAK_CONFIG` points), or a variable, which
wins: `spark_memory = "8g"` or `DAYBREAK_SPARK_MEMORY=8g`. An unknown name is an error. `make fmt` writes this page; a
test fails where it is stale.

| setting | default | what it is |
| --- | --- | --- |"""
STEPS = """
## Steps

What a step can be told stands below its name, or is said for one run with `--set`:

```toml
[steps."jobs.popularity"]
half_life_days = 3
```

```sh
daybreak run jobs.popularity --ds 2026-11-20 --set half_life_days=3
```
"""


def settings_page() -> str:
    """The whole page, in Markdown."""
    lines = [HEAD, *(_row(PREFIX + name.upper(), field) for name, field in Settings.model_fields.items()), STEPS]
    return "\n".join([*lines, *(line for spec in all_steps().values() for line in _section(spec))])


def _section(spec: StepSpec) -> Iterator[str]:
    config = load(spec.config)
    fields = {name: field for name, field in config.model_fields.items() if name != "ds"}
    if fields:
        yield f"### {spec.name}\n\n{config.__doc__}\n\n| option | default | what it is |\n| --- | --- | --- |"
        yield from _rows(fields)
        yield ""


def _rows(fields: Mapping[str, FieldInfo], within: str = "") -> Iterator[str]:
    """A row for each option; of one that holds options of its own, a row for each of them."""
    for name, field in fields.items():
        if isinstance(field.default, BaseModel):
            own = type(field.default).model_fields
            chosen = {each: _with_default(own[each], getattr(field.default, each)) for each in own}
            yield from _rows(chosen, f"{within}{name}.")
        else:
            yield _row(f"{within}{name}", field)


def _with_default(field: FieldInfo, default: Any) -> FieldInfo:
    changed = copy(field)
    changed.default = default
    return changed


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{name}` | {_told(field.default)} | {field.description} |"


def _told(default: Any) -> str:
    if default is PydanticUndefined or default in (None, "", {}):
        return ""
    return f"`{default}`" if isinstance(default, str | Path) else f"`{json.dumps(default)}`"


if __name__ == "__main__":
    sys.stdout.write(settings_page())
