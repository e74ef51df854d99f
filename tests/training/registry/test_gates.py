"""Each gate stops a bad model and lets a good one pass."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from training.evaluation.confidence import Interval
from training.registry.gates import Evidence, Gate, GateLimits, judge, passed

FINE = Evidence(
    "ndcg@20",
    challenger=0.102,
    champion=0.100,
    gain=Interval(0.002, -0.001, 0.005),
    gain_on_baseline=Interval(0.03, 0.02, 0.04),
    calibration_error=0.02,
    cold_start=0.05,
    champion_cold_start=0.05,
    size_bytes=40_000_000,
    export_gap=1e-6,
)
LIMITS = GateLimits()


def verdicts(evidence: Evidence, limits: GateLimits = LIMITS) -> dict[str, bool]:
    return {gate.name: gate.passed for gate in judge(evidence, limits)}


def test_a_good_model_passes_every_gate() -> None:
    """Each of them was asked."""
    names = ["comparison", "baseline", "calibration", "cold start", "size", "export"]
    assert verdicts(FINE) == dict.fromkeys(names, True)


@pytest.mark.parametrize(
    ("gate", "bad"),
    [
        ("comparison", {"gain": Interval(-0.0025, -0.006, 0.001)}),
        ("comparison", {"gain": Interval(-0.001, -0.0015, -0.0005)}),
        ("comparison", {"gain": Interval(math.nan, math.nan, math.nan)}),
        ("comparison", {"challenger": math.nan}),
        ("baseline", {"gain_on_baseline": Interval(0.01, -0.001, 0.02)}),
        ("calibration", {"calibration_error": 0.051}),
        ("calibration", {"calibration_error": math.nan}),
        ("cold start", {"cold_start": 0.044}),
        ("cold start", {"cold_start": math.nan}),
        ("size", {"size_bytes": 2_000_000_001}),
        ("export", {"export_gap": -0.0011}),
        ("export", {"export_gap": math.nan}),
    ],
)
def test_each_gate_stops_a_bad_model_alone(gate: str, bad: dict[str, Any]) -> None:
    """The others pass it, and the gate says what was found."""
    gates = judge(replace(FINE, **bad), LIMITS)
    assert [each.name for each in gates if not each.passed] == [gate]
    assert not passed(gates)


@pytest.mark.parametrize(
    ("demand", "gain", "fine"),
    [
        ("unless_worse", Interval(-0.0019, -0.01, 0.006), True),
        ("unless_worse", Interval(-0.0021, -0.01, 0.006), False),
        ("unless_worse", Interval(-0.001, -0.0019, -0.0001), False),
        ("not_worse", Interval(0.0, -0.0019, 0.002), True),
        ("not_worse", Interval(0.005, -0.0021, 0.012), False),
        ("better", Interval(0.002, 0.0001, 0.004), True),
        ("better", Interval(0.002, 0.0, 0.004), False),
    ],
)
def test_what_a_challenger_must_be_beside_the_champion(demand: Any, gain: Interval, fine: bool) -> None:
    """Not proven worse, proven not worse, or proven better; 2% of the champion's 0.1 may be lost."""
    assert verdicts(replace(FINE, gain=gain), GateLimits(comparison=demand))["comparison"] is fine


def test_the_first_model_needs_no_champion() -> None:
    """It passes what compares with a champion by definition, but must still beat the baseline."""
    first = replace(FINE, champion=None, gain=None, champion_cold_start=None)
    gates = judge(first, LIMITS)
    assert passed(gates)
    assert [gate.name for gate in gates if "no champion yet" in gate.detail] == ["comparison", "cold start"]
    assert not passed(judge(replace(first, gain_on_baseline=Interval(-0.1, -0.2, 0.0)), LIMITS))


def test_what_was_not_measured_is_not_judged() -> None:
    """Such as the calibration of a model that gives no probabilities."""
    assert verdicts(Evidence("ndcg@20", 0.1)) == {"comparison": True}
    assert verdicts(replace(FINE), GateLimits(must_beat_baseline=False)).keys() == verdicts(FINE).keys() - {"baseline"}
    assert not passed([])


def test_a_gate_says_value_and_limit() -> None:
    """In numbers for programs and in words for people."""
    (size,) = [gate for gate in judge(replace(FINE, size_bytes=3_000_000_000), LIMITS) if gate.name == "size"]
    assert size == Gate("size", False, 3_000.0, 2_000.0, "3000 MB; it must be at most 2000 MB")
    comparison = judge(FINE, LIMITS)[0]
    assert comparison.detail == (
        "ndcg@20 0.1020 beside 0.1000, a gain of +0.0020 (-0.0010 to +0.0050); it must be at least -0.0020, and not"
        " below 0 beyond doubt"
    )


def test_limits_are_strict_and_say_what_they_are() -> None:
    """An unknown one is an error."""
    with pytest.raises(ValidationError, match="ndcg"):
        GateLimits(ndcg=1)  # type: ignore[call-arg]
    assert all(field.description for field in GateLimits.model_fields.values())
