"""`daybreak doctor`: is this machine, this configuration and this lake fit for a night?"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.markup import escape

from daybreak.cli.console import console, print_json
from daybreak.errors import DaybreakError, MissingExtra, SettingsError
from daybreak.settings import Settings, load_settings

ENOUGH_DISK_GB = 5
LIBRARIES = ("apache-airflow", "pyspark", "deltalake", "great-expectations", "pyarrow", "lmdb", "uvicorn")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    fine: bool
    detail: str


def command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check Python, Java, libraries, settings, surfaces, disk, the lake and the live release."""
    settings = load_settings()
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("python", _python),
        ("libraries", _libraries),
        ("java", _java),
        ("disk", _disk),
        ("surfaces", _surfaces),
        ("steps", _steps),
        ("lake", _lake),
        ("release", _release),
    ]
    findings = [_look(name, check, settings) for name, check in checks]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    for finding in [] if as_json else findings:
        mark = "[green]fine [/]" if finding.fine else "[red]wrong[/]"
        console.print(f"{mark} [bold]{finding.name:<10}[/] {escape(finding.detail)}", soft_wrap=True)
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)


def _look(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, True, check(settings))
    except (DaybreakError, OSError) as error:
        return Finding(name, False, str(error))
    except ModuleNotFoundError as error:
        return Finding(name, False, str(MissingExtra(str(error.name), "night")))


def _python(settings: Settings) -> str:
    if sys.version_info[:2] not in ((3, 11), (3, 12)):
        raise SettingsError(f"Python {platform.python_version()} runs this; 3.11 or 3.12 is needed")
    return f"{platform.python_version()} on {platform.platform(terse=True)}"


def _libraries(settings: Settings) -> str:
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = "missing"
    missing = [library for library, version in versions.items() if version == "missing"]
    if missing:
        raise SettingsError(f"{', '.join(missing)} not installed; `make install` sets up everything for a night")
    return ", ".join(f"{library} {version}" for library, version in versions.items())


def _java(settings: Settings) -> str:
    from daybreak.embedded import class_archive
    from daybreak.embedded.java import find_java

    java = find_java()
    start = "a fast start" if class_archive.options() else "a slow start: `python -m daybreak.embedded.class_archive`"
    return f"{java.version} in {java.home} ({java.source}), {start}"


def _disk(settings: Settings) -> str:
    settings.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.root).free / 1e9
    if free < ENOUGH_DISK_GB:
        raise SettingsError(f"{free:.1f} GB free in {settings.root}; a night wants at least {ENOUGH_DISK_GB}")
    return f"{free:,.0f} GB free in {settings.root}"


def _surfaces(settings: Settings) -> str:
    from daybreak.surfaces import load_surfaces

    return ", ".join(load_surfaces(settings.surfaces))


def _steps(settings: Settings) -> str:
    from daybreak.steps import all_steps

    steps = all_steps()
    unknown = set(settings.steps) - set(steps)
    if unknown:
        raise SettingsError(f"settings name steps that do not exist: {', '.join(sorted(unknown))}")
    return f"{len(steps)}: {', '.join(steps)}"


def _lake(settings: Settings) -> str:
    from daybreak.datasets import DELIVERIES
    from daybreak.lake import Lake

    lake = Lake.of(settings)
    days = lake.table(DELIVERIES).days()
    landed = f"{len(days):,} {'day' if len(days) == 1 else 'days'} landed, the last {max(days)}" if days else "empty"
    return f"{lake.url}, {landed}"


def _release(settings: Settings) -> str:
    from daybreak.releases import ReleaseStore

    store = ReleaseStore(settings.releases)
    if store.pointer() is None:
        return "nothing published yet"
    return f"{store.current().id} is live, verified"
