"""What the embedded Airflow is told: its environment, its secrets and its start-up script, all below its home folder.

The values are for nights on one small machine: a short scheduler pause between tasks, prompt heartbeats, quick
discovery of a crashed attempt, nothing listening beyond this machine, and no run that nobody asked for.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from pathlib import Path

from daybreak.files import write_atomically

ADMIN = "admin"
SECRETS = "secrets.json"
TASKS_AT_ONCE = 2
UNWANTED = ("PYTHONDONTWRITEBYTECODE", "AIRFLOW_CONFIG")
# Airflow builds thousands of small objects before it serves; fewer garbage collections take a fifth off its start.
LOCAL_SETTINGS = "import gc\n\ngc.set_threshold(50_000, 10, 10)\n"


@dataclass(frozen=True)
class Secrets:
    """Made once for an Airflow home and kept, so that tokens and stored values outlive a restart."""

    admin_password: str
    jwt_secret: str
    api_secret: str
    fernet_key: str


def prepare_home(home: Path) -> Secrets:
    """Writes what Airflow must find in its home before its first start; returns the same secrets every time."""
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / "config" / "airflow_local_settings.py", LOCAL_SETTINGS.encode())
    if not (home / SECRETS).exists():
        made = Secrets(
            admin_password=secrets.token_urlsafe(12),
            jwt_secret=secrets.token_urlsafe(48),
            api_secret=secrets.token_urlsafe(48),
            fernet_key=urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        )
        _write_secretly(home / SECRETS, asdict(made))
    kept = read_secrets(home)
    _write_secretly(home / "simple_auth_manager_passwords.json.generated", {ADMIN: kept.admin_password})
    return kept


def read_secrets(home: Path) -> Secrets:
    """The secrets of an Airflow home that was prepared."""
    return Secrets(**json.loads((home / SECRETS).read_text(encoding="utf-8")))


def environment(home: Path, dags: Path, database_url: str, url: str, kept: Secrets) -> dict[str, str]:
    """The variables of every Airflow process, and so of every task."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    values = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    values.update(
        {
            "PATH": _with_programs(values.get("PATH", "")),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
            "AIRFLOW_HOME": str(home),
        }
    )
    options = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(TASKS_AT_ONCE),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "CORE__FERNET_KEY": kept.fernet_key,
        "DATABASE__SQL_ALCHEMY_CONN": database_url,
        "API__HOST": host,
        "API__PORT": port,
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": kept.api_secret,
        "API_AUTH__JWT_SECRET": kept.jwt_secret,
        "SCHEDULER__USE_JOB_SCHEDULE": "False",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
    }
    return values | {f"AIRFLOW__{name}": value for name, value in options.items()}


def _with_programs(path: str) -> str:
    """The search path on which the commands of this environment are found."""
    folders = [folder for folder in path.split(os.pathsep) if folder]
    programs = str(Path(sys.executable).parent)
    return os.pathsep.join(folders if programs in folders else [programs, *folders])


def _write_secretly(path: Path, content: dict[str, str]) -> None:
    previous = os.umask(0o077)
    try:
        write_atomically(path, json.dumps(content).encode())
    finally:
        os.umask(previous)
