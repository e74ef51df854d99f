"""An archive of the classes that Spark loads, from which a JVM starts in half the time.

A Spark of any night loads some fourteen thousand classes from its jars and verifies each one, which takes longer than
a small day's work. `python -m daybreak.embedded.class_archive` runs a little of everything once and keeps what was
loaded, verified, in a file that later JVMs map into memory. The file belongs to one Java, one Spark and one
environment and lies in the latter; where there is none, Spark just starts as it always did.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from daybreak.embedded import java
from daybreak.errors import DaybreakError

QUIET = "-Xlog:disable -Xlog:all=error:stderr"
DUMP_SECONDS = 300


def options() -> str:
    """The JVM's options that use the archive; none where it was not made."""
    top = _top()
    return f'"-XX:SharedArchiveFile={_layers(top)}" {QUIET}' if top.is_file() else ""


def make() -> Path:
    """Makes the archive for this environment, unless it is there."""
    top = _top()
    if not top.is_file():
        top.parent.mkdir(parents=True, exist_ok=True)
        if not _has_own_base():
            _run("-Xshare:dump", f"-XX:SharedArchiveFile={_base()}")
        with tempfile.TemporaryDirectory(dir=top.parent) as folder:
            made = Path(folder) / "classes.jsa"
            layer = f'"-XX:SharedArchiveFile={_base()}" ' if _base().is_file() else ""
            _warm_up(f'{layer}"-XX:ArchiveClassesAtExit={made}" {QUIET}', Path(folder))
            if not made.is_file():
                raise DaybreakError(f"Java at {java.find_java().home} made no archive of Spark's classes")
            made.replace(top)
    return top


def _top() -> Path:
    return _folder() / f"spark-{version('pyspark')}-java-{java.find_java().version}.jsa"


def _base() -> Path:
    """The archive of Java's own classes, below the one of Spark's: for a Java that brings none."""
    return _folder() / f"java-{java.find_java().version}.jsa"


def _folder() -> Path:
    return Path(sys.prefix) / "share" / "daybreak"


def _layers(top: Path) -> str:
    return f"{_base()}:{top}" if _base().is_file() else str(top)


def _has_own_base() -> bool:
    return _run("-Xshare:on", "-version", check=False) == 0


def _run(*arguments: str, check: bool = True) -> int:
    command = [str(java.find_java().home / "bin" / "java"), *arguments]
    return subprocess.run(command, check=check, capture_output=True, timeout=DUMP_SECONDS).returncode


def _warm_up(java_options: str, folder: Path) -> None:
    """Lets a Spark do a little of what nights do, and waits until its JVM has written what it loaded."""
    os.environ.update(java.environment())
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.driver.extraJavaOptions", f"-XX:+UseSerialGC {java_options} {java.LOGGING}")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", 2)
        .getOrCreate()
    )
    rows = (
        spark.range(1000).mapInArrow(lambda batches: batches, "id long").withColumn("text", F.col("id").cast("string"))
    )
    rows = rows.withColumn("day", F.col("id") % 2).localCheckpoint()
    rows.write.partitionBy("day").option("compression", "zstd").parquet(str(folder / "rows"))
    read = spark.read.parquet(str(folder / "rows"))
    few = read.groupBy("day").agg(F.max("id").alias("id"), F.count("*").alias("rows"))
    read.join(F.broadcast(few.select("id")), "id", "left_anti").groupBy("text").count().orderBy("count").limit(
        5
    ).collect()
    read.selectExpr("id", "row_number() OVER (PARTITION BY day ORDER BY id) AS n").toArrow()
    jvm = spark.sparkContext._gateway
    spark.stop()
    jvm.shutdown()
    jvm.proc.stdin.close()
    jvm.proc.wait(DUMP_SECONDS)


def main() -> None:
    started = time.perf_counter()
    try:
        made = make()
    except (DaybreakError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"Spark will start slowly, because no archive of its classes could be made: {error}")
    sys.stdout.write(f"Spark's classes are archived in {made} ({time.perf_counter() - started:.0f} s)\n")


if __name__ == "__main__":
    main()
