"""The Spark session of a process: one, started when a step first asks for it, the same on a laptop and on a cluster."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from daybreak.embedded import class_archive, java
from daybreak.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


LOOPBACK = "127.0.0.1"
OPEN_FILES = 16
"""So many partitions a task writes side by side before it sorts its rows by partition instead."""

LISTED_HERE = 10_000
"""So many files are looked at without a Spark job for it: a window of days has hundreds, all named by the commit."""


def session(settings: Settings) -> SparkSession:
    """The session of this process. Times are UTC, timestamps microseconds, and nothing listens beyond this machine."""
    os.environ.update(java.environment())
    os.environ["PYSPARK_PYTHON"] = sys.executable
    local = settings.spark_master.startswith("local")
    if local:
        os.environ["SPARK_LOCAL_IP"] = LOOPBACK
    from pyspark.sql import SparkSession

    java_options = f"-Duser.timezone=UTC {java.LOGGING}"
    archive = class_archive.options()
    builder = (
        SparkSession.builder.master(settings.spark_master)
        .appName("daybreak")
        .config("spark.driver.memory", settings.spark_memory)
        .config("spark.sql.shuffle.partitions", settings.spark_partitions)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.extraJavaOptions", java_options + (f" -XX:+UseSerialGC {archive}" if local else ""))
        .config("spark.executor.extraJavaOptions", "-Duser.timezone=UTC")
        .config("spark.sql.maxConcurrentOutputFileWriters", OPEN_FILES)
        .config("spark.sql.sources.parallelPartitionDiscovery.threshold", LISTED_HERE)
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.adaptive.enabled", "true")
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.python.sql.dataFrameDebugging.enabled", "false")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.warehouse.dir", str(settings.scratch / "spark-warehouse"))
        .config("spark.local.dir", str(settings.scratch / "spark"))
    )
    if local:
        builder = builder.config("spark.driver.bindAddress", LOOPBACK).config("spark.driver.host", LOOPBACK)
    (settings.scratch / "spark").mkdir(parents=True, exist_ok=True)
    return builder.getOrCreate()


def let_go(spark: SparkSession) -> None:
    """Frees what the session holds of checkpointed frames; for the end of a step, when nobody reads them any more."""
    for rdd in spark.sparkContext._jsc.getPersistentRDDs().values():
        rdd.unpersist()
