"""The embedded Airflow: an API server and a scheduler on this machine, started for a night and ended after it.

Each is a session of its own, so that ending one ends all its tasks too. What takes seconds is done only when it has to
be: the schema is migrated when the database or Airflow is new, DAG files are read when they changed. A night needs no
DAG processor and no triggerer, so they start only when asked for. An Airflow that already runs is used as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from daybreak.embedded.airflow_api import CONFLICT, AirflowApi, ApiError, RunState, TaskState
from daybreak.embedded.airflow_settings import ADMIN, environment, prepare_home, read_secrets
from daybreak.embedded.guardian import watch_over
from daybreak.embedded.ports import free_port
from daybreak.embedded.postgres import Postgres
from daybreak.embedded.sessions import Server, Sessions
from daybreak.errors import MissingExtra, NightError
from daybreak.files import write_atomically
from daybreak.learning import TRAINING_POOL
from daybreak.settings import Settings

NIGHTLY = "nightly"
DATABASE = "airflow"
START_S = 180.0
POLL_S = 0.25
# Each look costs the API server what the night's tasks could compute with.
WATCH_S = 1.0
HARD = 0.0
# The API server keeps nothing that a kill could lose, and takes seconds to end by itself.
SERVERS = {
    "scheduler": (("scheduler", "--skip-serve-logs"), 15.0),
    "dag-processor": (("dag-processor",), 5.0),
    "triggerer": (("triggerer",), 5.0),
    "api-server": (("api-server",), HARD),
}
OPERATOR = Path(__file__).parents[1] / "orchestration.py"
NEEDED = ("api-server", "scheduler")


class Airflow:
    """The Airflow of one home folder, on the PostgreSQL beside it."""

    def __init__(self, settings: Settings, say: Callable[[str], None] = lambda _: None) -> None:
        self.home = settings.airflow_home
        self.postgres = Postgres(settings, say)
        self.sessions = Sessions(self.home / "processes")
        self._settings = settings
        self._say = say
        self._environment: dict[str, str] = {}
        self._guardian: subprocess.Popen[bytes] | None = None
        self._owns_postgres = False
        self._api: AirflowApi | None = None

    @property
    def url(self) -> str:
        """Where its API and its pages are."""
        try:
            return (self.home / "url").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            raise NightError(f"there is no Airflow in {self.home}; start it first") from None

    @property
    def password(self) -> str:
        """The generated password of the user `admin`."""
        return read_secrets(self.home).admin_password

    @property
    def api(self) -> AirflowApi:
        """A client of it, logged in at its first call."""
        if self._api is None or self._api.url != self.url:
            self._api = AirflowApi(self.url, ADMIN, self.password)
        return self._api

    def running(self) -> bool:
        """Whether all that a night needs is up and answers."""
        return not self._fallen() and self.postgres.running() and self.api.healthy()

    def start(self, triggerer: bool = False, dag_processor: bool = False) -> bool:
        """Starts what is not running, PostgreSQL included; False when a running Airflow is used as it is."""
        if self.running():
            return False
        self._guardian = watch_over([self.sessions.folder, self.postgres.sessions.folder], self.home / "guardian.lock")
        self._sweep()
        self._owns_postgres = self.postgres.start()
        kept = prepare_home(self.home)
        url = self._choose_url()
        self.postgres.ensure_database(DATABASE)
        database_url = self.postgres.url(DATABASE)
        self._environment = environment(self.home, self._settings.dags, database_url, url, kept)
        self._migrate_when_new()
        wanted = {*NEEDED, *(["triggerer"] if triggerer else []), *(["dag-processor"] if dag_processor else [])}
        for name, (arguments, patience_s) in SERVERS.items():
            if name in wanted:
                server = Server(name, self._program(*arguments), self._log(name), patience_s=patience_s)
                self.sessions.start(server, self._environment)
        self._read_dags_when_changed()
        return True

    def stop(self, hurry: bool = False) -> None:
        """Ends what this object started: the scheduler first, then what its tasks talk to, PostgreSQL last."""
        if self._guardian is None:
            return
        for name in SERVERS:
            self.sessions.end(name, HARD if hurry else None)
        (self.home / "url").unlink(missing_ok=True)
        if self._owns_postgres:
            self.postgres.stop()
        if self._guardian.stdin:
            self._guardian.stdin.close()
        self._guardian.wait()
        self._guardian = None

    def trigger(self, ds: str) -> str:
        """Queues the night of `ds` under a run id of its own, however often that night has run before."""
        prefix = f"night__{ds}__"
        numbers = [
            int(tail) for run in self.api.run_ids(NIGHTLY, prefix) if (tail := run.removeprefix(prefix)).isdigit()
        ]
        number = max(numbers, default=0)
        while True:
            number += 1
            try:
                self.api.trigger(NIGHTLY, f"{prefix}{number}", {"run_date": ds})
            except ApiError as refusal:
                if refusal.status != CONFLICT:
                    raise
            else:
                return f"{prefix}{number}"

    def abandon_leftovers(self) -> list[str]:
        """Fails the nights that a crash left unfinished, so that they neither go on nor block the next one."""
        left = self.api.run_ids(NIGHTLY, "night__", ("queued", "running"))
        for run_id in left:
            self.abandon(run_id)
        return left

    def abandon(self, run_id: str) -> None:
        """Fails a run and ends its tasks."""
        self.api.fail_run(NIGHTLY, run_id)

    def watch(self, run_id: str) -> Iterator[RunState]:
        """The run each time something changed, until it is finished."""
        api, last = self.api, None
        while last is None or not last.finished:
            try:
                state = api.run_state(NIGHTLY, run_id)
            except OSError as error:
                raise NightError(self._what_fell() or f"Airflow at {self.url} does not answer: {error}") from error
            if fallen := self._what_fell():
                raise NightError(fallen)
            if state != last:
                yield state
            last = state
            time.sleep(0 if state.finished else WATCH_S)

    def task_log(self, run_id: str, task: TaskState) -> Path:
        """Where a task's attempt wrote what it had to say."""
        folder = self.home / "logs" / f"dag_id={NIGHTLY}" / f"run_id={run_id}" / f"task_id={task.task_id}"
        if task.map_index >= 0:
            folder /= f"map_index={task.map_index}"
        return folder / f"attempt={task.attempt}.log"

    def _fallen(self) -> list[str]:
        sessions = {name: self.sessions.recorded(name) for name in NEEDED}
        return [name for name, session in sessions.items() if session is None or not session.alive()]

    def _what_fell(self) -> str | None:
        fallen = self._fallen()
        if not fallen:
            return None
        logs = ", ".join(str(self._log(name)) for name in fallen)
        return f"Airflow's {' and '.join(fallen)} ended unexpectedly; run the same command again, or see {logs}"

    def _sweep(self) -> None:
        """Ends what a crashed start left: a forgotten worker can hold locks in the database for ever."""
        for name in self.sessions.names():
            self.sessions.end(name, HARD)

    def _choose_url(self) -> str:
        host, wanted = self._settings.host, self._settings.airflow_port
        port = free_port(host, wanted)
        if port != wanted:
            self._say(f"port {wanted} is taken: Airflow listens on {port}")
        url = f"http://{host}:{port}"
        write_atomically(self.home / "url", url.encode())
        return url

    def _migrate_when_new(self) -> None:
        stamp = f"{_airflow_version()} {self.postgres.identity()}"
        if self._stamped("schema", stamp):
            return
        self._say("making Airflow's database, once")
        self._run_once("migrate", "db", "migrate")
        self._run_once("pool", "pools", "set", TRAINING_POOL, "1", "what trains, one task at a time")
        self._stamp("schema", stamp)

    def _read_dags_when_changed(self) -> None:
        stamp = f"{_airflow_version()} {self.postgres.identity()} {_digest(self._settings.dags)}"
        changed = not self._stamped("dags", stamp)
        began = datetime.now(UTC)
        if changed:
            self._run_once("reserialize", "dags", "reserialize")
        self._wait_until_up()
        if not changed:
            return
        read = self.api.last_read(NIGHTLY)
        if read is None or read < began:
            problems = "; ".join(self._broken_files()) or "no file there makes it"
            raise NightError(f"{self._settings.dags} holds no working DAG called '{NIGHTLY}': {problems}")
        self._stamp("dags", stamp)

    def _run_once(self, name: str, *arguments: str) -> None:
        """Runs an Airflow command to its end, in a recorded session like the servers."""
        log = self._log(name)
        process = self.sessions.start(Server(name, self._program(*arguments), log), self._environment)
        code = process.wait()
        self.sessions.end(name)
        if code:
            raise NightError(f"airflow {' '.join(arguments)} ended with {code}; see {log}")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_S
        while not self.running():
            if fallen := self._what_fell():
                raise NightError(fallen)
            if time.monotonic() > deadline:
                raise NightError(
                    f"Airflow did not answer at {self.url} within {START_S:.0f} s; see {self._log('api-server')}"
                )
            time.sleep(POLL_S)

    def _broken_files(self) -> Iterator[str]:
        """The DAG files that cannot be imported, each with the last line of its trace."""
        for path in sorted(self._settings.dags.glob("*.py")):
            tried = subprocess.run([sys.executable, str(path)], env=self._environment, capture_output=True, text=True)
            if tried.returncode:
                yield f"{path.name}: {tried.stderr.strip().splitlines()[-1]}"

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _program(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "airflow", *arguments]

    def _stamped(self, name: str, stamp: str) -> bool:
        with contextlib.suppress(FileNotFoundError, ValueError, AttributeError):
            return bool(json.loads((self.home / "stamps.json").read_text(encoding="utf-8")).get(name) == stamp)
        return False

    def _stamp(self, name: str, stamp: str) -> None:
        stamps: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            stamps = json.loads((self.home / "stamps.json").read_text(encoding="utf-8"))
        write_atomically(self.home / "stamps.json", json.dumps({**stamps, name: stamp}).encode())


def _airflow_version() -> str:
    try:
        return version("apache-airflow-core")
    except PackageNotFoundError:
        raise MissingExtra("apache-airflow", "night") from None


def _digest(dags: Path) -> str:
    """What Airflow would find when it read the DAG files: their place, their contents, and the operator they use."""
    digest = hashlib.sha256(str(dags).encode())
    for path in [*sorted(dags.rglob("*.py")), OPERATOR]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
