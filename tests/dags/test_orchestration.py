"""What becomes of a task's line: its output, its sentence, its second chance, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from daybreak.errors import DaybreakError, RegistryUnreachable
from daybreak.orchestration import PERMANENT, DaybreakRun, LastWords

pytestmark = pytest.mark.filterwarnings("ignore")


def task_with(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> DaybreakRun:
    """A task whose `daybreak` is `script`."""
    program = folder / "daybreak"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    task = DaybreakRun(task_id="one", steps=["jobs.ingest", "jobs.popularity"])
    task.render_template_fields({"params": {"run_date": "2026-11-20"}}, None)
    return task


def run(task: DaybreakRun) -> Any:
    return DaybreakRun.execute.__wrapped__(task, {})  # type: ignore[attr-defined]


def test_the_line_is_run_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program gets exactly the words of the line, and the seconds it took come back."""
    task = task_with(tmp_path, f'echo "$@" > {tmp_path}/words; sleep 0.3', monkeypatch)
    returned = run(task)
    assert (tmp_path / "words").read_text() == "run jobs.ingest jobs.popularity --ds 2026-11-20\n"
    assert returned["line"] == "daybreak run jobs.ingest jobs.popularity --ds 2026-11-20"
    assert 0.3 <= returned["seconds"] < 5


@pytest.mark.parametrize("code", range(2, 12))
def test_a_foreseen_failure_is_permanent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """A code of our own error tree fails the task for good, with the sentence that was printed."""
    from airflow.sdk.exceptions import AirflowFailException

    task = task_with(tmp_path, f"echo Error: too dirty >&2; exit {code}", monkeypatch)
    with pytest.raises(AirflowFailException, match=r"^too dirty$"):
        run(task)


def test_every_foreseen_failure_is_permanent_but_one() -> None:
    """What is added to the error tree decides; an MLflow that does not answer may answer the next time."""
    kinds: list[type[DaybreakError]] = [DaybreakError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert {kind for kind in kinds[1:] if kind.exit_code not in PERMANENT} == {RegistryUnreachable}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'ValueError: x'; exit 1", "ValueError: x"),
        ("kill -9 $$", "SIGKILL"),
        ("echo 'Error: MLflow does not answer'; exit 75", "MLflow does not answer"),
    ],
)
def test_any_other_failure_gets_a_second_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    """A bug's last line, or the signal that ended the program, is the error, and the task may be tried again."""
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    with pytest.raises(AirflowException, match=reason) as caught:
        run(task_with(tmp_path, script, monkeypatch))
    assert not isinstance(caught.value, AirflowFailException)


def test_the_last_sentence_is_whole() -> None:
    """A sentence that a terminal broke into lines is put together again; what came before it is not part of it."""
    words = LastWords()
    for line in ("working", "Error: an old one", "Error: the delivery of", "2026-11-20 is too dirty"):
        words.hear(line)
    assert words.sentence == "the delivery of 2026-11-20 is too dirty"


KILLED = """
import sys, time
from daybreak.orchestration import _child
with _child(["/bin/sh", "-c", "echo $$ > " + sys.argv[1] + "; exec sleep 300"]) as child:
    child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_killed_task_leaves_no_program_behind(tmp_path: Path) -> None:
    """When the task's process is killed with -9, the program it started ends too."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    note = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", KILLED, str(note)], env=environment)
    deadline = time.monotonic() + 30
    while not (note.exists() and note.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    program = psutil.Process(int(note.read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while program.is_running() and program.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ending_a_task_ends_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When Airflow ends a task, the program and its own children end."""
    import threading

    from airflow.sdk.exceptions import AirflowException

    task = task_with(tmp_path, f"sleep 300 & echo $! > {tmp_path}/grandchild; wait", monkeypatch)
    note = tmp_path / "grandchild"

    ended = threading.Event()

    def kill_once_it_runs() -> None:
        while not ended.wait(0.05):
            if note.exists() and note.read_text().strip():
                task.on_kill()

    thread = threading.Thread(target=kill_once_it_runs)
    thread.start()
    try:
        with pytest.raises(AirflowException, match="SIGTERM"):
            run(task)
    finally:
        ended.set()
        thread.join()
    grandchild = int(note.read_text())
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE
