"""A night that is killed anywhere leaves what was live, and the same command finishes it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daybreak.datasets import DATASETS
from daybreak.lake import Lake
from daybreak.settings import Settings
from tests.e2e.nights import REPOSITORY, STEPS, TONIGHT, copy_of, digests, live, run_night

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BOUNDARIES = ("feature_repo.materialize", "serving_export.publish")


def start(settings: Settings, steps: tuple[str, ...], after: int = 0) -> subprocess.Popen[bytes]:
    """The steps of tonight in a process group of their own, JVM included."""
    command = [sys.executable, "-m", "tests.e2e.killed_night", str(settings.root), TONIGHT, ",".join(steps)]
    return subprocess.Popen(
        [*command, "--after", str(after)],
        cwd=REPOSITORY,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def assert_nothing_half(now: Settings, before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]) -> None:
    """Every day of every table is as before tonight or as after it, whole."""
    lake = Lake.of(now)
    for dataset in DATASETS.values():
        for ds in lake.table(dataset).days():
            found = lake.table(dataset).digest(ds, as_of=TONIGHT)
            allowed = {before.get((dataset.name, ds)), after.get((dataset.name, ds))}
            assert found in allowed, f"{dataset.name} of {ds} is neither as before nor as after the night"


def test_killed_anywhere_the_old_release_stays_live_and_the_night_can_be_finished(
    yesterday: Settings, undisturbed: Settings, tmp_path: Path
) -> None:
    """The night is killed at a random moment, JVM and all; then after each of some steps, before anybody hears of it,
    so that the next process runs that step again first. What is left of the night then finishes it."""
    settings = copy_of(yesterday, tmp_path)
    old, new = live(yesterday), live(undisturbed)
    before, after = digests(yesterday, TONIGHT), digests(undisturbed, TONIGHT)
    kill_within(start(settings, STEPS), random.Random(20_261_121).uniform(4, 50))
    left = live(settings)
    assert left in {old, new}
    assert_nothing_half(settings, before, after)
    last = 0
    for boundary in BOUNDARIES:
        number = STEPS.index(boundary)
        steps, last = STEPS[last : number + 1], number
        process = start(settings, steps, after=len(steps))
        assert process.wait(timeout=300) == -signal.SIGKILL, f"{steps} did not get as far as the kill"
        kill_all_left(process)
        expected = new if "serving_export.publish" in steps else left
        assert live(settings) == expected, f"killed after {steps[-1]}"
        assert_nothing_half(settings, before, after)
    run_night(settings, TONIGHT, STEPS[last:])
    assert digests(settings, TONIGHT) == after
    assert live(settings) == new


def kill_within(process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    kill_all_left(process)
    process.wait()


def kill_all_left(process: subprocess.Popen[bytes]) -> None:
    """The JVM of a killed process lives on for a moment; a real supervisor ends the session too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
