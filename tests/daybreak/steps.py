"""A step for tests of the runner: it does what its configuration says, right or wrong."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
from pydantic import Field

from daybreak.candidates import COOCCURRENCE, POPULARITY, TRENDING
from daybreak.errors import GateError
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, StepSpec, Summary
from tests.daybreak.rows import rows


class ToyConfig(StepConfig):
    """What the step is to do."""

    tag: str = "toy"
    number: int = Field(3, ge=0)
    fault: Literal["none", "reads", "asks", "writes", "refuses", "breaks"] = "none"


def run(config: ToyConfig, io: StepIO) -> Summary:
    """Reads popularity up to the day, writes trending of the day."""
    known = io.read(POPULARITY)
    if config.fault == "reads":
        io.read(COOCCURRENCE)
    if config.fault == "asks":
        io.require(COOCCURRENCE)
    if config.fault == "writes":
        io.write(POPULARITY, rows(config.tag))
    if config.fault == "refuses":
        raise GateError("the toy refuses; try another", {"seen": known.num_rows})
    commit = io.write(TRENDING, _noise(config))
    if config.fault == "breaks":
        raise ZeroDivisionError("the toy broke")
    return {"known": known.num_rows, "rows": commit.rows, "seed": io.seed}


def _noise(config: ToyConfig) -> pa.Table:
    return rows(config.tag, config.number)


TOY = StepSpec(
    "tests.toy",
    target="tests.daybreak.steps:run",
    config="tests.daybreak.steps:ToyConfig",
    reads=(POPULARITY,),
    writes=(TRENDING,),
)
