"""A copy of the lake to try things on: data files are never changed, so they are linked; all else is copied."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from daybreak.contracts import Dataset
from daybreak.errors import SettingsError
from daybreak.files import private_folder
from daybreak.lake import Lake
from daybreak.settings import Settings

LINKED = ".parquet"
LOG = "_delta_log"


@contextmanager
def copied(settings: Settings, history_days: int) -> Iterator[Settings]:
    """Settings under which steps see and change a copy of the lake, and build so many nights before their own. It is
    removed at the end."""
    folder = Lake.of(settings).folder
    if folder is None:
        raise SettingsError(
            f"the lake is at {settings.lake}, and a copy to plant rows into is made on this machine alone; copy the"
            " tables you want tried into a folder and set DAYBREAK_LAKE_URL to it"
        )
    with private_folder(settings.scratch, "leaks", "copy") as home:
        shutil.copytree(folder, home / "lake", copy_function=_linked, ignore=shutil.ignore_patterns("_staged"))
        yield settings.elsewhere(home, lake_url=None, feature_history_days=history_days)


def forget(settings: Settings, datasets: Iterable[Dataset]) -> None:
    """Removes tables from a copy, as though they had never been made."""
    folder = Lake.of(settings).folder
    assert folder is not None
    for dataset in datasets:
        shutil.rmtree(folder / dataset.name, ignore_errors=True)


def _linked(source: str, place: str) -> str:
    """Another file system, or one without links, gets a copy."""
    if source.endswith(LINKED) and Path(source).parent.name != LOG:
        with suppress(OSError):
            os.link(source, place)
            return place
    return shutil.copy2(source, place)
