"""May a model become champion? Pure judgements of what was measured, each with its limit and a sentence.

A night that learned something worse, something overconfident, something that has forgotten the new items, something
that does not fit the reader, or whose export says other things than the model, is stopped here; the champion stays. A
measure that was not taken is not judged; one that is not a number never passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

MEGABYTE = 1_000_000


class Spread(Protocol):
    """A mean and its 95% interval."""

    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class GateLimits(BaseModel):
    """What a challenger must keep to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    comparison: Literal["unless_worse", "not_worse", "better"] = Field(
        "unless_worse",
        description="what a challenger must be beside the champion; unless_worse: not proven worse, and within"
        " tolerated_loss on average; not_worse: proven to be within tolerated_loss; better: proven better",
    )
    tolerated_loss: float = Field(
        0.02, ge=0, lt=1, description="share of the champion's measure that a challenger may lose for being fresher"
    )
    must_beat_baseline: bool = Field(
        True, description="whether a challenger must be proven better than the baseline, where that was measured"
    )
    calibration_error: float = Field(
        0.05, gt=0, le=1, description="largest expected calibration error of probabilities"
    )
    cold_start_loss: float = Field(
        0.1, ge=0, le=1, description="share of the champion's measure of new items or users that may be lost"
    )
    size_mb: float = Field(2_000, gt=0, description="largest size of a model, in megabytes")
    export_gap: float = Field(
        0.001, ge=0, description="largest difference between what a model says and what its export says"
    )


@dataclass(frozen=True)
class Gate:
    """One judgement."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    detail: str


@dataclass(frozen=True)
class Evidence:
    """What was measured of a challenger, and of the champion on the same held-out queries. `gain` is how much higher
    the challenger's mean is than the champion's, query by query; `gain_on_baseline` the same beside a baseline such
    as popularity."""

    measure: str
    challenger: float
    champion: float | None = None
    gain: Spread | None = None
    gain_on_baseline: Spread | None = None
    calibration_error: float | None = None
    cold_start: float | None = None
    champion_cold_start: float | None = None
    size_bytes: int | None = None
    export_gap: float | None = None


def judge(evidence: Evidence, limits: GateLimits) -> list[Gate]:
    """Every gate that the evidence tells of, the comparison with the champion first."""
    gates = [_comparison(evidence, limits)]
    if evidence.gain_on_baseline is not None and limits.must_beat_baseline:
        low = evidence.gain_on_baseline.low
        detail = f"{evidence.measure} beside the baseline: {_spread(evidence.gain_on_baseline)}; it must be above 0"
        gates.append(Gate("baseline", low > 0, low, 0.0, detail))
    if evidence.calibration_error is not None:
        gates.append(_at_most("calibration", evidence.calibration_error, limits.calibration_error, ""))
    if evidence.cold_start is not None:
        gates.append(_cold_start(evidence.cold_start, evidence.champion_cold_start, limits))
    if evidence.size_bytes is not None:
        gates.append(_at_most("size", evidence.size_bytes / MEGABYTE, limits.size_mb, " MB"))
    if evidence.export_gap is not None:
        gates.append(_at_most("export", abs(evidence.export_gap), limits.export_gap, ""))
    return gates


def passed(gates: Sequence[Gate]) -> bool:
    """Whether there was a judgement, and none against it."""
    return bool(gates) and all(gate.passed for gate in gates)


def _comparison(evidence: Evidence, limits: GateLimits) -> Gate:
    if not math.isfinite(evidence.challenger):
        detail = f"{evidence.measure} is {evidence.challenger} and must be a number"
        return Gate("comparison", False, None, None, detail)
    if evidence.champion is None or evidence.gain is None:
        return Gate(
            "comparison",
            True,
            evidence.challenger,
            None,
            f"{evidence.measure} {evidence.challenger:.4f}; no champion yet",
        )
    gain, margin = evidence.gain, limits.tolerated_loss * abs(evidence.champion)
    found = f"{evidence.measure} {evidence.challenger:.4f} beside {evidence.champion:.4f}, a gain of {_spread(gain)}"
    if limits.comparison == "better":
        return Gate("comparison", gain.low > 0, gain.low, 0.0, f"{found}; it must be above 0 beyond doubt")
    if limits.comparison == "not_worse":
        detail = f"{found}; it must be at least {-margin:.4f} beyond doubt"
        return Gate("comparison", gain.low >= -margin, gain.low, -margin, detail)
    detail = f"{found}; it must be at least {-margin:.4f}, and not below 0 beyond doubt"
    return Gate("comparison", gain.mean >= -margin and gain.high >= 0, gain.mean, -margin, detail)


def _cold_start(value: float, champion: float | None, limits: GateLimits) -> Gate:
    if champion is None:
        return Gate("cold start", math.isfinite(value), value, None, f"{value:.4f} of what is new; no champion yet")
    least = champion * (1 - limits.cold_start_loss)
    return Gate(
        "cold start",
        value >= least,
        value,
        least,
        f"{value:.4f} of what is new, where the champion has {champion:.4f}; it must be at least {least:.4f}",
    )


def _at_most(name: str, value: float, limit: float, unit: str) -> Gate:
    return Gate(name, value <= limit, value, limit, f"{value:.4g}{unit}; it must be at most {limit:.4g}{unit}")


def _spread(found: Spread) -> str:
    return f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
