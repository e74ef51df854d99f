"""What a run used of the machine."""

from __future__ import annotations

import re
import resource
from pathlib import Path

PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def peak_memory_mb() -> float:
    """The sum of the highest resident memory of this process and of its living children, the JVM among them."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return round(own + sum(_peak_of(pid) for pid in _descendants()), 1)


def _descendants() -> set[int]:
    found: set[int] = set()
    waiting = ["self"]
    while waiting:
        for listing in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            pids = {int(pid) for pid in listing.read_text().split()} - found
            found |= pids
            waiting += [str(pid) for pid in pids]
    return found


def _peak_of(pid: int) -> float:
    try:
        match = PEAK.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(match.group(1)) / 1024 if match else 0.0
