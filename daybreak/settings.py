"""The one settings object: where things are, and which engine does the work.

Every field is set by a `DAYBREAK_<FIELD>` variable or by a line of `daybreak.toml` in the working directory (or where
`DAYBREAK_CONFIG` points); the variable wins. An unknown name in either is an error, and all errors are told at once.
No other module reads the environment for configuration.
"""

from __future__ import annotations

import os
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariable

from daybreak.errors import SettingsError

PREFIX = "DAYBREAK_"
CONFIG_VARIABLE = "DAYBREAK_CONFIG"
DEFAULT_CONFIG = Path("daybreak.toml")

Port = Annotated[int, Field(ge=1, le=65_535)]


class Settings(BaseSettings):
    """Everything a deployment may choose. The defaults are the embedded profile: one machine, no server to install."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    home: Path = Field(Path("var"), description="folder of everything that Daybreak writes on this machine")
    lake_url: str | None = Field(None, description="where the tables are: a folder or an object store URL; home/lake")
    lake_options: dict[str, str] = Field({}, description="options of the object store, such as its endpoint")
    landing_dir: Path | None = Field(None, description="where each day's files are delivered; home/landing")
    surfaces_file: Path = Field(Path("surfaces.yaml"), description="the shelves and what they are made of")
    dags_dir: Path = Field(Path("dags"), description="Airflow's DAG files")

    night_due: str = Field(
        "06:00",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="UTC time by which the night after a day is promised to be done: from then on its features count",
    )
    feature_history_days: int = Field(
        10, ge=0, description="nights before its own for which the first run of a feature view builds rows too"
    )
    seed: int = Field(20_261_120, ge=0, description="seed of everything random")
    keep_releases: int = Field(3, ge=2, description="distinct audited releases that clean-up keeps")

    online_store: str | None = Field(
        None,
        pattern=r"^rediss?://[^/]+(/\d+)?$",
        description="Redis or Valkey to look features up in, as redis://host:port[/db]; SQLite in home/feast",
    )
    feature_registry: str | None = Field(None, description="SQLAlchemy URL of Feast's registry; a file in home/feast")

    steps: dict[str, dict[str, Any]] = Field({}, description="settings of single steps, by the step's name")

    spark_master: str = Field("local[*]", description="Spark master")
    spark_memory: str = Field("2g", pattern=r"^\d+[mg]$", description="memory of the Spark driver")
    spark_partitions: int = Field(4, ge=1, description="shuffle partitions")

    point_in_time: Literal["auto", "duckdb", "spark"] = Field(
        "auto", description="engine of the point-in-time join; auto: DuckDB where Spark is local, else Spark"
    )

    mlflow_url: str | None = Field(
        None,
        pattern=r"^(https?|(sqlite|postgresql|mysql|mssql)(\+\w+)?)://.+",
        description="MLflow's tracking URI: a server (https://…) or a database (postgresql://…); SQLite in home/mlflow",
    )
    mlflow_artifacts: str | None = Field(
        None, description="where MLflow keeps files, a folder or an object store URL; home/mlflow/artifacts"
    )
    promotion: Literal["auto", "manual"] = Field(
        "auto",
        description="who moves a model's alias champion; auto: a night whose gates pass; manual: a person",
    )

    training_queue: str = Field(
        "default", description="Airflow queue of the workers that train, such as those with a GPU"
    )

    index: str = Field(
        "auto",
        description="what indexes are built as: auto, a kind such as hnsw, or a whole specification such as"
        " ivf_flat:cells=1024",
    )
    index_recall: float = Field(0.95, gt=0, le=1, description="share of the true first hundred that a search must find")
    index_memory: str = Field(
        "4GB", pattern=r"^\d+(MB|GB)$", description="memory that an index may take beside its vectors"
    )
    index_shards: int = Field(1, ge=1, le=1024, description="parts of an index, built side by side")

    host: str = Field("127.0.0.1", description="address that local servers listen on")
    reader_port: Port = Field(8090, description="port of the reader")
    airflow_port: Port = Field(8080, description="port of Airflow's API and UI")
    postgres_port: Port = Field(5493, description="port of the embedded PostgreSQL")
    mlflow_port: Port = Field(5000, description="port of MLflow's UI")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file, whose values arrive as arguments."""
        return env_settings, init_settings

    @cached_property
    def root(self) -> Path:
        """`home` as an absolute path, so that child processes mean the same folder."""
        return self.home.resolve()

    def elsewhere(self, home: Path, **changes: Any) -> Settings:
        """The same choices for another home, and whatever else is to differ there."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_construct(**{**fields, "home": home, **changes})

    @property
    def lake(self) -> str:
        return self.lake_url or str(self.root / "lake")

    @property
    def landing(self) -> Path:
        return self.landing_dir.resolve() if self.landing_dir else self.root / "landing"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def lineage(self) -> Path:
        return self.root / "lineage"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def feast_home(self) -> Path:
        return self.root / "feast"

    @property
    def world(self) -> Path:
        return self.root / "world"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def airflow_home(self) -> Path:
        return self.root / "airflow"

    @property
    def postgres_home(self) -> Path:
        return self.root / "postgres"

    @property
    def mlflow_home(self) -> Path:
        return self.root / "mlflow"

    @property
    def surfaces(self) -> Path:
        return self.surfaces_file.resolve()

    @property
    def dags(self) -> Path:
        return self.dags_dir.resolve()


def load_settings() -> Settings:
    """The settings of this process, from its environment and configuration file."""
    values, problems = _file_values()
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    problems += [
        f"{name}: no such setting"
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX) and name.upper() not in known
    ]
    settings = None
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems += [f"{'.'.join(map(str, line['loc']))}: {_in_words(line)}" for line in error.errors()]
    except UnreadableVariable as error:
        problems += [f'{error}: a table is written as JSON, such as {{"aws_region": "eu-central-1"}}']
    if problems or settings is None:
        names = ", ".join(sorted(Settings.model_fields))
        raise SettingsError(f"the settings are wrong: {'; '.join(problems)}. The settings are: {names}")
    return settings


def _in_words(problem: ErrorDetails) -> str:
    return "no such setting" if problem["type"] == "extra_forbidden" else problem["msg"]


def _file_values() -> tuple[dict[str, Any], list[str]]:
    named = os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else DEFAULT_CONFIG
    if not path.exists():
        return {}, [f"{CONFIG_VARIABLE}: there is no file {path}"] if named else []
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        return {}, [f"{path}: not a TOML file ({error})"]
