"""The join of training rows leaves nothing on disk, however it ends."""

from __future__ import annotations

import os
import subprocess
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from daybreak.features.services import RANKER
from daybreak.settings import Settings
from jobs import point_in_time_duckdb
from jobs.feature_join import features_joined
from tests.lake import io_of
from tests.tiny import day

pytestmark = pytest.mark.slow

STEP = "jobs.training_set"


@pytest.fixture
def spine(spark: SparkSession) -> DataFrame:
    """One row to find features for."""
    asked = datetime.fromisoformat(f"{day(1)}T12:00:00").replace(tzinfo=UTC)
    columns = "row_id string, user_id string, item_id string, request_ts timestamp, ds string"
    return spark.createDataFrame([("r", "u", "i", asked, day(1))], columns)


def joined(settings: Settings, spine: DataFrame) -> AbstractContextManager[Any]:
    """The rows of the spine with the features of the ranker."""
    return features_joined(io_of(STEP, settings, day(1)), RANKER, spine, [day(1)])


def kept(settings: Settings) -> list[str]:
    """The folders that joins keep on disk at the moment."""
    return sorted(path.name for path in (settings.scratch / "steps").glob("*"))


def left_by(settings: Settings, process: int) -> Path:
    """A folder as an attempt of the night before leaves it when its process is killed in the middle."""
    folder = settings.scratch / "steps" / f"{STEP}-{day(0)}-1-{process}"
    (folder / "spine").mkdir(parents=True)
    (folder / "spine" / "part-00000.parquet").write_bytes(b"half")
    return folder


def test_what_is_kept_on_disk_goes_when_the_rows_are_written(settings: Settings, spine: DataFrame) -> None:
    """It is there while they are read."""
    with joined(settings, spine) as rows:
        assert len(kept(settings)) == 1
        assert rows.read_all()["row_id"].to_pylist() == ["r"]
    assert kept(settings) == []


def test_a_join_that_fails_leaves_nothing(
    settings: Settings, spine: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before the first row is out, and where it is the writing that fails."""

    def fail(*arguments: object) -> None:
        assert len(kept(settings)) == 1
        raise RuntimeError("no join")

    with (
        pytest.raises(RuntimeError, match="no room"),
        joined(settings, spine),
    ):
        raise RuntimeError("no room")
    assert kept(settings) == []
    monkeypatch.setattr(point_in_time_duckdb, "join", fail)
    with (
        pytest.raises(RuntimeError, match="no join"),
        joined(settings, spine),
    ):
        pytest.fail("a join that failed gives no rows")
    assert kept(settings) == []


def test_what_a_killed_attempt_left_is_gone_after_the_next(settings: Settings, spine: DataFrame) -> None:
    """Whatever night it was at; what an attempt that still runs needs stays."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    left_by(settings, ended.pid)
    running = left_by(settings, os.getppid())
    with joined(settings, spine):
        pass
    assert kept(settings) == [running.name]
