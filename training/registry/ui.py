"""MLflow's own UI beside the nights: its server on the same store, in the foreground, until a signal ends it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from daybreak.errors import InputError, RegistryError
from daybreak.settings import Settings
from training.registry.opening import ENVIRONMENT, is_database, without_password
from training.registry.tracking import Registry

SERVER = {**ENVIRONMENT, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}
STORES = ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI")
STANDARD_ERROR = 2
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
START_S, END_S, POLL_S = 180.0, 20.0, 0.2
TERMINATED = 128 + signal.SIGTERM


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Runs MLflow's server on the store of `settings` until Ctrl-C or SIGTERM. `announce` is told the URL once it
    answers."""
    registry = Registry.of(settings)
    if not is_database(registry.url):
        raise InputError(
            f"MLflow is a server of its own at {without_password(registry.url)}: open that in a browser; only an MLflow"
            " that is a database needs this command"
        )
    host, port = settings.host, settings.mlflow_port
    _see_that_free(host, port)
    _ = registry.client
    with _ended_politely(), _server(registry, host, port) as child:
        _wait_for(child, ANYWHERE.get(host, host), port)
        announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        code = child.wait()
        raise RegistryError(
            f"MLflow's server ended by itself with {code}: see what it printed above, then start it again"
        )


@contextmanager
def _server(registry: Registry, host: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server as a child in a group of its own, ended with all it started when the block ends. The store's URL,
    which may hold a password, is handed over in the environment."""
    place = ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    files = ["--artifacts-destination", registry.artifacts] if registry.artifacts else []
    child = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *place, *files],
        env={**SERVER, **os.environ, **dict.fromkeys(STORES, registry.url)},
        stdin=subprocess.DEVNULL,
        stdout=STANDARD_ERROR,
        process_group=0,
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@contextmanager
def _ended_politely() -> Iterator[None]:
    """Ctrl-C ends the block as its ordinary end, also where a script put it into the background, where interrupts are
    ignored; a closed terminal and SIGTERM end it too."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(TERMINATED)

    previous = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    previous[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _see_that_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise InputError(
            f"MLflow's UI cannot listen on {host} port {port}: {reason}; choose another with DAYBREAK_MLFLOW_PORT"
        ) from None


def _wait_for(child: subprocess.Popen[bytes], host: str, port: int) -> None:
    deadline = time.monotonic() + START_S
    while not _answers(host, port):
        if child.poll() is not None:
            raise RegistryError(
                f"MLflow's server ended with {child.returncode} before it answered: see what it printed above"
            )
        if time.monotonic() > deadline:
            raise RegistryError(f"MLflow's server did not answer on {host} port {port} within {START_S:.0f} s")
        time.sleep(POLL_S)


def _answers(host: str, port: int) -> bool:
    asked = http.client.HTTPConnection(host, port, timeout=5)
    try:
        asked.request("GET", "/health")
        return asked.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
