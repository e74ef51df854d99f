"""The lake as a whole: its tables by dataset, and the numbering of attempts."""

from __future__ import annotations

from pathlib import Path

from daybreak.contracts import Dataset
from daybreak.lake import attempts
from daybreak.lake.attempts import Attempt
from daybreak.lake.storage import Storage
from daybreak.lake.table import Table
from daybreak.settings import Settings


class Lake:
    """All tables below one URL: a folder or an object store."""

    def __init__(self, url: str, options: dict[str, str] | None = None, scratch: Path | None = None) -> None:
        self._storage = Storage(url, options or {})
        self._scratch = scratch or Path("var/scratch").resolve()

    @classmethod
    def of(cls, settings: Settings) -> Lake:
        return cls(settings.lake, settings.lake_options, settings.scratch)

    @property
    def url(self) -> str:
        return self._storage.url

    @property
    def folder(self) -> Path | None:
        """Where the lake lies, if that is on this machine."""
        return self._storage.root if self._storage.is_local else None

    def table(self, dataset: Dataset) -> Table:
        return Table(dataset, self._storage, self._scratch)

    def begin(self, work: str, ds: str) -> Attempt:
        """Numbers a new attempt at `work` for day `ds`."""
        return attempts.begin(self._storage, work, ds)
