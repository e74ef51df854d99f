"""Ending a server ends all it started, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from daybreak.embedded.guardian import watch_over
from daybreak.embedded.ports import free_port
from daybreak.embedded.sessions import Server, Sessions

STUBBORN = "trap '' TERM; sleep 300 & echo $! > child; wait; sleep 300"
POLITE = "trap 'echo bye > goodbye; exit 0' TERM; echo up > child; while :; do sleep 0.1; done"


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def start(folder: Path, script: str) -> tuple[Sessions, subprocess.Popen[bytes]]:
    sessions = Sessions(folder / "processes")
    command = ["/bin/sh", "-c", f"cd {folder}; {script}"]
    process = sessions.start(Server("one", command, folder / "log", patience_s=2.0), dict(os.environ))
    assert until(lambda: (folder / "child").exists() and bool((folder / "child").read_text()))
    return sessions, process


def test_a_stubborn_server_ends_with_its_children(tmp_path: Path) -> None:
    """A server that ignores SIGTERM is killed after its patience, and what it started with it."""
    sessions, process = start(tmp_path, STUBBORN)
    child = int((tmp_path / "child").read_text())
    sessions.end("one", patience_s=0.3)
    assert process.poll() is not None
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert sessions.names() == []


def test_a_polite_server_may_say_goodbye(tmp_path: Path) -> None:
    """A server gets its signal and its time before anything is killed."""
    sessions, process = start(tmp_path, POLITE)
    sessions.end("one")
    assert (tmp_path / "goodbye").read_text() == "bye\n"
    assert process.returncode == 0


def test_children_of_a_dead_server_are_found(tmp_path: Path) -> None:
    """A new process that reads the records ends the children that a killed server left behind."""
    sessions, process = start(tmp_path, STUBBORN)
    child = psutil.Process(int((tmp_path / "child").read_text()))
    process.kill()
    process.wait()
    assert child.is_running()
    Sessions(sessions.folder).end("one")
    assert until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_reused_process_number_is_left_alone(tmp_path: Path) -> None:
    """A record whose start time does not fit the process of that number ends nothing."""
    sessions, process = start(tmp_path, POLITE)
    record = tmp_path / "processes" / "one.json"
    values = json.loads(record.read_text())
    record.write_text(json.dumps({**values, "started": values["started"] - 3600}))
    began = time.monotonic()
    Sessions(sessions.folder).end("one")
    assert process.poll() is None
    assert time.monotonic() - began < 2
    process.kill()
    process.wait()


def test_the_guardian_ends_what_a_killed_owner_left(tmp_path: Path) -> None:
    """After kill -9 of the process that started the servers, its guardian ends them."""
    owner = tmp_path / "owner.py"
    owner.write_text(
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from daybreak.embedded.guardian import watch_over\n"
        "from daybreak.embedded.sessions import Server, Sessions\n"
        "home = Path(sys.argv[1])\n"
        "guardian = watch_over([home / 'processes'], home / 'lock')\n"
        "server = Server('one', ['/bin/sleep', '300'], home / 'log')\n"
        "started = Sessions(home / 'processes').start(server, dict(os.environ))\n"
        "(home / 'pid').write_text(str(started.pid))\n"
        "time.sleep(300)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, str(owner), str(tmp_path)], env=environment)
    assert until(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
    server = psutil.Process(int((tmp_path / "pid").read_text()))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    next_guardian = watch_over([tmp_path / "processes"], tmp_path / "lock")
    next_guardian.communicate()
    assert next_guardian.returncode == 0


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    """The preferred port is used where it is free, another where it is not."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = free_port("127.0.0.1", port)
        assert other != port
    assert free_port("127.0.0.1", other) == other


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_torn_record_is_no_record(tmp_path: Path, text: str) -> None:
    """A record that a crash cut short names no session."""
    (tmp_path / "one.json").write_text(text)
    assert Sessions(tmp_path).recorded("one") is None
