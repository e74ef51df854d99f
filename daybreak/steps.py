"""Steps: what a night is made of, each declared once and run by one runner.

A folder of the house lists its steps in `<folder>/steps.py` as `STEPS`. `daybreak run jobs.ingest --ds 2026-11-20`
runs one, and an Airflow task runs exactly that line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from daybreak import clock
from daybreak.contracts import Dataset
from daybreak.errors import InputError, SettingsError
from daybreak.targets import load

FOLDERS = ("jobs", "feature_repo", "training", "indexing", "validation", "serving_export")

Summary = dict[str, Any]
Memory = Annotated[
    str, Field(pattern=r"^\d+(MB|GB)$", description="memory that the engine may take; the rest is spilled")
]
"""How much memory an engine may take, as a step is told it."""


class StepConfig(BaseModel):
    """What a run of a step can be told. The day is always given; nothing is taken from the clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ds: str

    @field_validator("ds")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        clock.parse_day(value)
        return value

    def digest(self) -> str:
        """A short hash of all that was configured but the day."""
        values = self.model_dump(mode="json", exclude={"ds"})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class StepSpec:
    """One step: where its code is, what it is configured by, and which datasets it reads and writes."""

    name: str
    target: str
    config: str
    reads: tuple[Dataset, ...] = ()
    writes: tuple[Dataset, ...] = ()
    runtime: Literal["python", "spark"] = "python"

    def configure(self, ds: str, values: Mapping[str, Any]) -> StepConfig:
        """The step's configuration for a day, every error at once."""
        config_class = load(self.config)
        try:
            config = config_class(ds=ds, **values)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, line['loc']))}: {line['msg']}" for line in error.errors())
            names = ", ".join(name for name in config_class.model_fields if name != "ds")
            raise SettingsError(f"step {self.name} cannot be run: {problems}. It takes: {names or 'nothing'}") from None
        if not isinstance(config, StepConfig):
            raise SettingsError(f"step {self.name}: {self.config} is not a StepConfig")
        return config


def all_steps() -> dict[str, StepSpec]:
    """Every step of the house, by name, in the order of the folders."""
    steps: dict[str, StepSpec] = {}
    for folder in FOLDERS:
        try:
            specs = load(f"{folder}.steps:STEPS")
        except ModuleNotFoundError as error:
            if error.name not in (folder, f"{folder}.steps"):
                raise
            continue
        for spec in specs:
            if spec.name in steps:
                raise SettingsError(f"two steps are called {spec.name}")
            steps[spec.name] = spec
    return steps


def step_named(name: str) -> StepSpec:
    steps = all_steps()
    if name not in steps:
        raise InputError(f"there is no step '{name}'; the steps are: {', '.join(steps)}")
    return steps[name]
