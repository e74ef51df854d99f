"""The few calls of Airflow's REST interface that a night needs."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daybreak.errors import NightError

TIMEOUT_S = 60.0
UNAUTHORIZED, NOT_FOUND, CONFLICT = 401, 404, 409
FINISHED = ("success", "failed")
NOT_MAPPED = -1


class ApiError(NightError):
    """Airflow answered a call with an error status."""

    def __init__(self, status: int, call: str, answer: str) -> None:
        super().__init__(f"Airflow refused {call} with status {status}: {answer}")
        self.status = status
        self.answer = answer


@dataclass(frozen=True)
class TaskState:
    """Where a task of a run stands. `state` is None until the scheduler has looked at it; `map_index` numbers those
    that one task was expanded into, and is below 0 for others."""

    task_id: str
    state: str | None
    attempt: int
    started: datetime | None
    seconds: float | None
    map_index: int = NOT_MAPPED

    @property
    def name(self) -> str:
        """What people call it."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


@dataclass(frozen=True)
class RunState:
    """Where a run stands, with its tasks in the order they started."""

    run_id: str
    state: str
    tasks: tuple[TaskState, ...]

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


class AirflowApi:
    """A client of one Airflow, logged in as its administrator."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._credentials = {"username": user, "password": password}
        self._token: str | None = None

    def healthy(self) -> bool:
        """Whether it answers and reaches its database."""
        try:
            health = self._send("GET", "/api/v2/monitor/health", None, None)
        except (OSError, ApiError, ValueError):
            return False
        return bool(health["metadatabase"]["status"] == "healthy")

    def last_read(self, dag_id: str) -> datetime | None:
        """When the DAG was last read from its file without an error; None when it never was."""
        try:
            return datetime.fromisoformat(self._call("GET", f"/dags/{dag_id}")["last_parsed_time"])
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, str]) -> None:
        """Queues a run that has no logical date, only its conf."""
        self._call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "dag_run_id": run_id, "conf": conf})

    def run_ids(self, dag_id: str, prefix: str, states: tuple[str, ...] = ()) -> list[str]:
        """The newest runs whose id begins with `prefix`, in any of `states`."""
        query = [("run_id_prefix_pattern", prefix), ("order_by", "-id"), ("limit", "100")]
        query += [("state", state) for state in states]
        answer = self._call("GET", f"/dags/{dag_id}/dagRuns?{urllib.parse.urlencode(query)}")
        return [run["dag_run_id"] for run in answer["dag_runs"]]

    def run_state(self, dag_id: str, run_id: str) -> RunState:
        """The run and its tasks, as they stand now."""
        run = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
        answer = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")
        tasks = [_task_state(task) for task in answer["task_instances"]]
        tasks.sort(key=lambda task: (task.started is None, task.started))
        return RunState(run_id, run["state"], tuple(tasks))

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """Marks a run failed, which also ends its running tasks."""
        self._call("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}?update_mask=state", {"state": "failed"})

    def returned(self, dag_id: str, run_id: str, task: TaskState) -> Any:
        """What a task returned; None when it returned nothing."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/xcomEntries/return_value"
        try:
            return self._call("GET", f"{path}?deserialize=true&map_index={task.map_index}")["value"]
        except ApiError as refusal:
            if refusal.status == NOT_FOUND:
                return None
            raise

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        for attempt in (1, 2):
            if self._token is None:
                self._token = self._send("POST", "/auth/token", self._credentials, None)["access_token"]
            try:
                return self._send(method, f"/api/v2{path}", body, self._token)
            except ApiError as refusal:
                if refusal.status != UNAUTHORIZED or attempt == 2:
                    raise
                self._token = None
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, body: dict[str, Any] | None, token: str | None) -> Any:
        request = urllib.request.Request(self.url + path, method=method, headers={"Content-Type": "application/json"})
        if body is not None:
            request.data = json.dumps(body).encode()
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with _DIRECT.open(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, f"{method} {path}", error.read().decode(errors="replace")[:500]) from error


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _task_state(task: dict[str, Any]) -> TaskState:
    started = task["start_date"]
    return TaskState(
        task_id=task["task_id"],
        state=task["state"],
        attempt=task["try_number"],
        started=datetime.fromisoformat(started) if started else None,
        seconds=task["duration"],
        map_index=task["map_index"],
    )
