"""Spark starts from an archive of its classes where there is one, and as ever where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from daybreak.embedded import class_archive


def test_without_an_archive_the_jvm_is_given_no_options(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert class_archive.options() == ""


def test_an_archive_belongs_to_one_spark_and_one_java(tmp_path, monkeypatch):
    """One of another version is left alone."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    folder = tmp_path / "share" / "daybreak"
    folder.mkdir(parents=True)
    (folder / "spark-0.1-java-17.0.1.jsa").touch()
    assert class_archive.options() == ""


def test_the_session_maps_the_archive_that_was_made(spark: SparkSession):
    """The JVM itself says that classes of Spark come from the file that `make install` made."""
    if not class_archive.options():
        pytest.skip("this environment has no archive; `make install` makes one")
    jvm = spark.sparkContext._jvm
    arguments = jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments()
    [archive] = [argument.split("=", 1)[1] for argument in arguments if "SharedArchiveFile" in argument]
    mapped = Path(f"/proc/{jvm.java.lang.ProcessHandle.current().pid()}/maps").read_text()
    assert archive.split(":")[-1] in mapped
