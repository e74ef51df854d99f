"""Writing a file whole, sweeping what crashes left, and locking."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.files import is_alive, locked, remove_leftovers, sha256_of, write_atomically
from tests.daybreak.children import start


@given(st.lists(st.binary(max_size=64), min_size=1, max_size=4))
def test_a_file_holds_what_was_written_last(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    """Each write replaces the whole content, makes missing folders, and leaves nothing beside."""
    path = tmp_path_factory.mktemp("files") / "deep" / "folder" / "file"
    for content in contents:
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert [found.name for found in path.parent.iterdir()] == ["file"]


def test_a_checksum_is_that_of_the_whole_file(tmp_path: Path) -> None:
    """Also of a file larger than what is read at once."""
    content = os.urandom(1 << 20) + b"tail"
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_only_what_the_dead_left_is_swept(tmp_path: Path) -> None:
    """A temporary file of a process that runs stays; that of one that ended goes, also one folder down."""
    child = start(_nothing)
    child.join()
    assert child.pid is not None
    assert is_alive(os.getpid())
    assert not is_alive(child.pid)
    (tmp_path / "release").mkdir()
    living = [tmp_path / f".CURRENT.{os.getpid()}.tmp"]
    dead = [tmp_path / f".CURRENT.{child.pid}.tmp", tmp_path / "release" / f".audit.json.{child.pid}.tmp"]
    for path in (*living, *dead):
        path.touch()
    remove_leftovers(tmp_path)
    assert all(path.exists() for path in living)
    assert not any(path.exists() for path in dead)


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """Between threads too; a process that dies lets go of it."""
    inside: list[int] = []

    def work() -> None:
        for _ in range(20):
            with locked(tmp_path / "lock"):
                inside.append(1)
                assert len(inside) == 1
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child = start(_die_with_the_lock, tmp_path / "lock")
    child.join()
    with locked(tmp_path / "lock"):
        assert not inside


def _nothing() -> None:
    return


def _die_with_the_lock(path: Path) -> None:
    with locked(path):
        os._exit(9)
