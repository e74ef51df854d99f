"""What is logged of a model's training: one MLflow run, in an experiment that is named for the model.

    registry = Registry.of(settings)
    with registry.run("two_tower", ds="2026-11-20", params={"towers": {"memory": 64}}) as run:
        run.metric("loss", 0.31, step=100)
        run.metrics({"ndcg@20": 0.12})
        run.table("segments", [{"segment": "light", "ndcg@20": 0.08}])
        run.document("lineage", {"tables": {"features/user_activity": 12}})

By default MLflow is an SQLite file below `home/mlflow`, so a step that is run by hand needs no server. MLflow is asked
through explicit clients; what other code of the process does with MLflow stays its own.
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.errors import RegistryError
from daybreak.settings import Settings
from training.registry.opening import code_of, is_database, open_client, told_in_a_sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

POSTGRES_DRIVER = "psycopg2"
"""The one that is installed; SQLAlchemy's own choice differs from version to version."""
METRICS_AT_ONCE, PARAMS_AT_ONCE = 500, 100
LONGEST_TAG = 5_000
MISSING, THERE_ALREADY = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"
NOT_IN_A_NAME = re.compile(r"[^\w\-./ ]")


class Registry:
    """The MLflow that a deployment keeps its runs and models in. It is opened when it is first asked."""

    def __init__(self, url: str, artifacts: str | None, home: Path) -> None:
        self.url = url
        self.artifacts = artifacts
        self.home = home

    @classmethod
    def of(cls, settings: Settings) -> Registry:
        """The one that the settings name."""
        home = settings.mlflow_home
        url = settings.mlflow_url or f"sqlite:///{home / 'mlflow.db'}"
        if url.startswith("postgresql://"):
            url = url.replace("://", f"+{POSTGRES_DRIVER}://", 1)
        artifacts = settings.mlflow_artifacts or (str(home / "artifacts") if is_database(url) else None)
        if artifacts and "://" not in artifacts:
            artifacts = str(Path(artifacts).resolve())
        return cls(url, artifacts, home)

    @cached_property
    def client(self) -> MlflowClient:
        return open_client(self.url, self.artifacts, self.home)

    @contextlib.contextmanager
    def asking(self) -> Iterator[MlflowClient]:
        """The client, for a block that does nothing but ask it: what fails there is told in one sentence."""
        client = self.client
        with told_in_a_sentence(self.url):
            yield client

    @contextlib.contextmanager
    def run(
        self,
        model: str,
        ds: str,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[Run]:
        """A run of a model's training for day `ds`. It ends with the block; if the block fails, the run is FAILED and
        its tag `reason` tells why."""
        run = Run(self, model, ds, self._begun(model, ds, tags or {}))
        try:
            run.params(params or {})
            yield run
            run.flush()
        except BaseException as error:
            with contextlib.suppress(RegistryError):
                run.flush()
                run.tag({"reason": " ".join(f"{error}".split()) or type(error).__name__})
                run.end("FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        run.end("FINISHED")

    def best(self, model: str, ds: str, metric: str, document: str) -> dict[str, Any] | None:
        """The document of the model's finished run of day `ds` whose metric is highest; None where none has it."""
        with self.asking() as client:
            found = client.get_experiment_by_name(model)
            if found is None:
                return None
            runs = client.search_runs(
                [found.experiment_id],
                f"tags.ds = '{ds}' and attributes.status = 'FINISHED' and metrics.{metric} > -1e9",
                order_by=[f"metrics.{metric} DESC", "attributes.start_time ASC"],
                max_results=1,
            )
            if not runs:
                return None
            with tempfile.TemporaryDirectory() as folder:
                path = client.download_artifacts(runs[0].info.run_id, f"{document}.json", folder)
                return dict(json.loads(Path(path).read_bytes()))

    def experiment(self, model: str) -> str:
        """The id of the model's experiment, which is made at its first run and brought back if somebody deleted it."""
        with self.asking() as client:
            found = client.get_experiment_by_name(model)
            if found is None:
                place = f"{self.artifacts.rstrip('/')}/{model}" if self.artifacts else None
                try:
                    return str(client.create_experiment(model, artifact_location=place))
                except Exception as error:
                    if code_of(error) != THERE_ALREADY:
                        raise
                    found = client.get_experiment_by_name(model)
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)

    def _begun(self, model: str, ds: str, tags: Mapping[str, str]) -> str:
        experiment = self.experiment(model)
        whence = {"ds": ds, "mlflow.source.name": "daybreak", "mlflow.source.type": "JOB"}
        with self.asking() as client:
            begun = client.create_run(experiment, run_name=ds, tags={**whence, **_short(tags)})
            return str(begun.info.run_id)


class Run:
    """One run that is being logged. Metrics are gathered and sent many at once."""

    def __init__(self, registry: Registry, model: str, ds: str, run_id: str) -> None:
        self.registry = registry
        self.model = model
        self.ds = ds
        self.id = run_id
        self._waiting: list[Any] = []

    def metric(self, name: str, value: float, step: int = 0) -> None:
        """One value of a curve, or the only one."""
        from mlflow.entities import Metric
        from mlflow.utils.time import get_current_time_millis

        self._waiting.append(Metric(metric_name(name), float(value), get_current_time_millis(), step))
        if len(self._waiting) >= METRICS_AT_ONCE:
            self.flush()

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        for name, value in values.items():
            self.metric(name, value, step)

    def flush(self) -> None:
        """Sends the metrics that wait, so that the UI shows them now."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            with self.registry.asking() as client:
                client.log_batch(self.id, metrics=waiting)

    def params(self, values: Mapping[str, Any]) -> None:
        """The configuration, flattened: `{"towers": {"memory": 64}}` is `towers.memory` = 64."""
        from mlflow.entities import Param

        params = [Param(_legal(name), value) for name, value in flattened(values)]
        with self.registry.asking() as client:
            for start in range(0, len(params), PARAMS_AT_ONCE):
                client.log_batch(self.id, params=params[start : start + PARAMS_AT_ONCE])

    def tag(self, values: Mapping[str, str]) -> None:
        with self.registry.asking() as client:
            for name, value in _short(values).items():
                client.set_tag(self.id, name, value)

    def inputs(self, tables: Mapping[str, int | str]) -> None:
        """The tables that were read and their versions; the UI lists them as datasets of the run."""
        from mlflow.entities import Dataset, DatasetInput

        read = [
            DatasetInput(Dataset(name, f"version {version}", "delta", json.dumps({"table": name, "version": version})))
            for name, version in tables.items()
        ]
        with self.registry.asking() as client:
            client.log_inputs(self.id, read)

    def figure(self, name: str, figure: Figure) -> None:
        """A picture, as `figures/NAME.png`."""
        with self.registry.asking() as client:
            client.log_figure(self.id, figure, f"figures/{name}.png")

    def table(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Rows, as `tables/NAME.json`, which the UI shows as a table and compares between runs."""
        import pandas as pd

        if rows:
            with self.registry.asking() as client:
                client.log_table(self.id, pd.DataFrame(rows), f"tables/{name}.json")

    def document(self, name: str, content: Mapping[str, Any]) -> None:
        """Facts for programs, as `NAME.json`: what was read, by which code, with which rows for ids."""
        with self.registry.asking() as client:
            client.log_dict(self.id, dict(content), f"{name}.json")

    def end(self, status: str) -> None:
        with self.registry.asking() as client:
            client.set_terminated(self.id, status=status)


def metric_name(name: str) -> str:
    """A name as MLflow takes it: `ndcg@20` is `ndcg_at_20` there."""
    return _legal(name.replace("@", "_at_"))


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Each value below its path, as text."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, default=str)


def _legal(name: str) -> str:
    return NOT_IN_A_NAME.sub("_", name)


def _short(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: str(value)[:LONGEST_TAG] for name, value in tags.items()}
