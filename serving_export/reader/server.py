"""Runs the reader on uvicorn until a signal ends it: one process, one address."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from daybreak.errors import InputError, MissingExtra
from daybreak.releases import ReleaseStore
from serving_export.reader.app import ReaderApp
from serving_export.reader.state import State
from serving_export.reader.watch import Watch

try:
    import httptools  # noqa: F401  uvicorn loads these two by name, and would fail later and less clearly
    import uvicorn
    import uvloop  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtra(error.name or "uvicorn", "reader") from None

DRAIN_SECONDS = 5
Announce = Callable[[str, State], None]


def serve(releases: Path, host: str, port: int, announce: Announce) -> None:
    """Serves the live release of `releases` on `host` and `port` (0 takes a free one) until SIGTERM or SIGINT.

    `announce` is told the URL and what is served, once the address is taken.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    listener = listen(host, port)
    watch = Watch(ReleaseStore(releases))
    server = server_of(watch)
    _end_on_signal(server)
    watch.start()
    announce(url_of(listener), watch.state)
    try:
        server.run(sockets=[listener])
    finally:
        watch.stop()


def listen(host: str, port: int) -> socket.socket:
    """Takes the address, or says why it cannot be taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise InputError(
            f"the reader cannot listen on {host} port {port}: {reason.lower()}; choose another with --host or --port"
        ) from None


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_of(watch: Watch) -> uvicorn.Server:
    """The server around the application, with nothing that a reader does not need."""
    return uvicorn.Server(
        uvicorn.Config(
            ReaderApp(watch),
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )


def _end_on_signal(server: uvicorn.Server) -> None:
    """A signal lets requests finish and ends the process with status 0, also before the server has begun to run."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
