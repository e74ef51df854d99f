"""A child process of the kill tests: runs steps of a night and dies as told.

    python -m tests.e2e.killed_night HOME DS STEP[,STEP...] [--after N]

With `--after N` it kills itself with SIGKILL as soon as N steps are done; without, somebody else kills it, or nobody.
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

from daybreak.lineage import RunRecord
from daybreak.runner import run_steps
from daybreak.steps import step_named
from tests.e2e.nights import settings_in


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("ds")
    parser.add_argument("steps")
    parser.add_argument("--after", type=int, default=0)
    options = parser.parse_args()
    done = 0

    def count(record: RunRecord) -> None:
        nonlocal done
        done += 1
        if done == options.after:
            os.kill(os.getpid(), signal.SIGKILL)

    steps = [step_named(name) for name in options.steps.split(",")]
    run_steps(steps, options.ds, settings_in(options.home), observer=count)


if __name__ == "__main__":
    main()
