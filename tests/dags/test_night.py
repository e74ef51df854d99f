"""The parts of a night that need no server: its days, its claim, its account, its last words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.embedded.airflow_api import TaskState
from daybreak.errors import InputError, NightError
from daybreak.night import accounted, claimed, covered, days_up_to, last_words, newest_day

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda span: (span[0], span[0] + span[1])))


def test_the_newest_delivery_is_the_night_to_run(tmp_path: Path) -> None:
    """Without a day the newest folder of events is taken; anything that is no day is passed over."""
    for name in ("ds=2026-11-19", "ds=2026-11-20", "ds=draft", "notes"):
        (tmp_path / "events" / name).mkdir(parents=True)
    assert newest_day(tmp_path) == "2026-11-20"


def test_without_a_delivery_the_error_says_what_to_do(tmp_path: Path) -> None:
    """An empty landing is one sentence that names the folder and the way on."""
    with pytest.raises(InputError, match=r"holds no day to run; deliver files .*`daybreak simulate`"):
        newest_day(tmp_path)


def test_nights_end_with_the_day_and_run_oldest_first() -> None:
    """Three nights up to a day are that day and the two before, across a month's end."""
    assert days_up_to("2026-03-01", 3) == ("2026-02-27", "2026-02-28", "2026-03-01")


@pytest.mark.parametrize(("ds", "nights"), [("tomorrow", 1), ("2026-02-30", 1), ("20261120", 1), ("2026-11-20", 0)])
def test_a_day_that_is_none_is_refused(ds: str, nights: int) -> None:
    """What is no date, or no number of nights, is refused before anything starts."""
    with pytest.raises(InputError):
        days_up_to(ds, nights)


HOLD = """
import sys
from pathlib import Path
from daybreak.night import claimed
with claimed(Path(sys.argv[1]), ["2026-11-18", "2026-11-20"]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_night_is_refused_and_a_dead_one_is_not_in_the_way(tmp_path: Path) -> None:
    """While a process holds the night another is told who and since when; once it is killed the night is free."""
    lock = tmp_path / "night.lock"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        expected = rf"another night is running: process {holder.pid} works on 2026-11-18 to 2026-11-20 since 20\d\d-"
        with pytest.raises(NightError, match=expected), claimed(lock, ["2026-11-21"]):
            pass
        holder.kill()
    with claimed(lock, ["2026-11-21"]):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


@given(SPANS)
def test_commands_that_overlap_are_counted_once(spans: list[tuple[int, int]]) -> None:
    """The time in which a command ran is the number of moments that any span covers."""
    assert covered(spans) == len({moment for start, end in spans for moment in range(start, end)})


def test_a_night_accounts_for_each_command_and_for_nothing_else() -> None:
    """Tasks that one was expanded into are told apart; those that run no command, or only say numbers, take no time."""
    shards = [TaskState("index.shard", "success", 1, None, 9.0, number) for number in (0, 1)]
    others = [TaskState(name, "success", 1, None, 1.0) for name in ("index.numbers", "verdict", "land.ingest")]
    returned = [{"started": 10.0, "seconds": 4.0}, {"started": 12.0, "seconds": 4.0}, [{"number": 0}], None]
    times, seconds = accounted([*zip([*shards, *others], [*returned, {"started": 1.0, "seconds": 3.0}], strict=True)])
    assert {time.task_id: time.seconds for time in times} == {
        "index.shard[0]": 4.0,
        "index.shard[1]": 4.0,
        "land.ingest": 3.0,
    }
    assert seconds == 9.0


def log_of(folder: Path, *entries: object) -> Path:
    path = folder / "attempt=1.log"
    path.write_text("\n".join(entry if isinstance(entry, str) else json.dumps(entry) for entry in entries))
    return path


def test_the_last_words_are_the_exception(tmp_path: Path) -> None:
    """The exception's sentence wins over later errors of the framework, and torn lines do not matter."""
    raised = {"level": "error", "event": "Task failed", "error_detail": [{"exc_value": "too dirty"}]}
    assert (
        last_words(log_of(tmp_path, {"event": "x"}, raised, {"level": "error", "event": "later"}, '{"ev'))
        == "too dirty"
    )


def test_a_killed_task_has_the_framework_s_words(tmp_path: Path) -> None:
    """A task that was killed raised nothing; then the last error in the log is told."""
    log = log_of(tmp_path, {"level": "info", "event": "x"}, {"level": "critical", "event": "killed by signal"})
    assert last_words(log) == "killed by signal"
    assert last_words(tmp_path / "none.log") is None
