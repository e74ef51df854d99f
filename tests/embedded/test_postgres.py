"""The PostgreSQL of the wheel starts, stops and survives a kill, any number of times."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]
import pytest

from daybreak.embedded.ports import free_port
from daybreak.embedded.postgres import Postgres
from daybreak.errors import NightError
from daybreak.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("postgres")
    return Settings(home=home, postgres_port=free_port("127.0.0.1", 0))


@pytest.fixture
def postgres(settings: Settings) -> Iterator[Postgres]:
    postgres = Postgres(settings)
    postgres.start()
    yield postgres
    postgres.stop()


def ask(postgres: Postgres, sql: str, database: str = "postgres") -> object:
    server = psycopg2.connect(postgres.url(database).replace("+psycopg2", ""))
    try:
        server.autocommit = True
        with server.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        server.close()


def kill(postgres: Postgres) -> None:
    """kill -9, and the moment until the kernel has done it."""
    session = postgres.sessions.recorded("postgres")
    assert session is not None
    os.kill(session.pid, signal.SIGKILL)
    while session.alive():
        time.sleep(0.01)


def test_starting_and_stopping_twice_is_once(settings: Settings, postgres: Postgres) -> None:
    """A second start uses what runs, a second stop finds nothing, and what was stored stays."""
    assert not postgres.start()
    postgres.ensure_database("kept")
    ask(postgres, "create table if not exists one as select 42 as n", "kept")
    postgres.stop()
    postgres.stop()
    assert not postgres.running()
    assert Postgres(settings).start()
    assert ask(postgres, "select n from one", "kept") == 42


def test_it_survives_kill_9(postgres: Postgres) -> None:
    """After kill -9 the lock file is stale; the next start recovers what was committed."""
    postgres.ensure_database("crash")
    ask(postgres, "create table if not exists two as select 43 as n", "crash")
    kill(postgres)
    assert postgres.start()
    assert ask(postgres, "select n from two", "crash") == 43


def test_a_lock_file_that_names_a_stranger_does_not_stop_it(postgres: Postgres) -> None:
    """A stale lock file whose number now belongs to another living process is recognised and dropped."""
    kill(postgres)
    lock = postgres.data / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")
    assert not postgres.running()
    assert postgres.start()
    assert ask(postgres, "select 1") == 1


def test_a_half_made_cluster_is_made_anew(tmp_path: Path) -> None:
    """A kill while the data folder was being made leaves nothing that the next start would trip over."""
    fresh = Postgres(Settings(home=tmp_path, postgres_port=free_port("127.0.0.1", 0)))
    (fresh.home / "data.new" / "base").mkdir(parents=True)
    try:
        assert fresh.start()
        assert ask(fresh, "show fsync") == "on"
        assert ask(fresh, "show idle_in_transaction_session_timeout") == "2min"
    finally:
        fresh.stop()


def test_a_busy_port_is_replaced_and_told(settings: Settings) -> None:
    """Where the port is taken it listens on another one and says so."""
    said: list[str] = []
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", settings.postgres_port))
        taken.listen()
        postgres = Postgres(settings, said.append)
        try:
            postgres.start()
            assert postgres.port != settings.postgres_port
            assert ask(postgres, "select 1") == 1
        finally:
            postgres.stop()
    assert said == [f"port {settings.postgres_port} is taken: PostgreSQL listens on {said[0].rsplit(' ', 1)[-1]}"]


def test_databases_are_made_once(postgres: Postgres) -> None:
    """A missing database is created and an existing one left alone."""
    assert postgres.ensure_database("wanted")
    assert not postgres.ensure_database("wanted")


def test_nobody_gets_in_without_the_password(postgres: Postgres) -> None:
    """Another user of the machine cannot connect, and cannot read the password."""
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(host="127.0.0.1", port=postgres.port, user="daybreak", password="guess", dbname="postgres")
    assert stat.S_IMODE((postgres.home / "password").stat().st_mode) == 0o600


def test_a_long_path_does_not_break_the_socket(tmp_path: Path) -> None:
    """A home deeper than a socket path may be still works."""
    home = tmp_path / ("deep" * 20) / ("deeper" * 15)
    deep = Postgres(Settings(home=home, postgres_port=free_port("127.0.0.1", 0)))
    try:
        deep.start()
        folder = Path(str(ask(deep, "show unix_socket_directories")))
        assert (folder / f".s.PGSQL.{deep.port}").is_socket()
    finally:
        deep.stop()
    folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close a folder to the user PostgreSQL runs as")
def test_root_can_keep_it_in_a_closed_folder(tmp_path: Path) -> None:
    """Below a folder that only root may enter, root's PostgreSQL runs as an ordinary user and still finds its data."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    postgres = Postgres(Settings(home=closed / "var", postgres_port=free_port("127.0.0.1", 0)))
    try:
        assert postgres.start()
        assert ask(postgres, "select 1") == 1
    finally:
        postgres.stop()


def test_asking_for_the_port_of_a_stopped_server_says_so(tmp_path: Path) -> None:
    """A stopped server has no port, and the error says what to do."""
    with pytest.raises(NightError, match="is not running; start it first"):
        _ = Postgres(Settings(home=tmp_path)).port
