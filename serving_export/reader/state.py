"""What the reader serves at one moment. A request takes the state once, so that its answer never mixes two releases."""

from __future__ import annotations

from dataclasses import dataclass

from serving_export.reader.snapshot import Snapshot


@dataclass(frozen=True)
class Refusal:
    """Why the release that the pointer names is not served."""

    release: str | None
    reason: str
    at: str


@dataclass(frozen=True)
class State:
    """The open snapshot, if any, and how it came to be the one."""

    snapshot: Snapshot | None = None
    swaps: int = 0
    swapped_at: str | None = None
    refusals: int = 0
    last_refusal: Refusal | None = None
    is_behind: bool = False
    """Whether the pointer names something that was refused, so that an older release is served, or none."""
