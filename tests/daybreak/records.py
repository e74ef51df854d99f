"""Records of runs that never ran."""

from __future__ import annotations

from typing import Any

from daybreak.lineage import RunRecord


def record(step: str, ds: str, attempt: int = 1, status: str = "done", **more: Any) -> RunRecord:
    """The record of one run; what a test does not say is the same for all."""
    usual = {
        "started_at": f"{ds}T{attempt:02d}:00:00Z",
        "seconds": 1.0,
        "peak_memory_mb": 100.0,
        "spark_start_seconds": 0.0,
        "code_version": "abc",
        "config_hash": "def",
        "config": {"ds": ds},
    }
    return RunRecord(step=step, ds=ds, attempt=attempt, status=status, **{**usual, **more})
