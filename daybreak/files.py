"""Writing files so that a crash at any point leaves either the old or the new, never a half."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20
LEFTOVER = ".tmp"


def fsync_dir(path: Path) -> None:
    """Makes the entries of a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path`, to be written in the block; it replaces `path` when the block ends, and is gone if the
    block fails. Write, fsync, rename, fsync of the folder. Several processes and threads may write one path at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{threading.get_native_id()}.{os.getpid()}{LEFTOVER}")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    fsync_dir(path.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces `path` in one step."""
    with written_beside(path) as file:
        file.write(content)


def remove_leftovers(folder: Path) -> None:
    """Removes what writers that died in `written_beside` left in a folder and in the folders directly in it."""
    for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        with contextlib.suppress(FileNotFoundError):
            for path in place.glob(f".*{LEFTOVER}"):
                writer = path.name.removesuffix(LEFTOVER).rpartition(".")[2]
                if writer.isdecimal() and not is_alive(int(writer)):
                    path.unlink(missing_ok=True)


@contextlib.contextmanager
def private_folder(parent: Path, work: str, attempt: str) -> Iterator[Path]:
    """A folder for one attempt at some work, removed when the block ends. What attempts at the same work left that were
    killed on this machine goes first."""
    for left in parent.glob(f"{work}-*"):
        writer = int(left.name.rpartition("-")[2])
        if writer == os.getpid() or not is_alive(writer):
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / f"{work}-{attempt}-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on `path` for the block; the operating system frees it if the process dies."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
