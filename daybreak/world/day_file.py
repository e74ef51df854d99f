"""One file of a delivery, `<dataset>/ds=<day>/part-00000.jsonl.gz`, written beside its place and moved there whole.

The text is the same on every machine, and so are the bytes of the file: those of a compressed one as long as the
pinned compressor is the same, those of a `plain` one in any case.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from daybreak.files import fsync_dir, remove_leftovers, written_beside
from daybreak.part_files import GZIP_PART, PLAIN_PART, gzipped


@dataclass
class DayFile:
    """The file of one dataset and day. Leaving the block without an error puts it in place; an empty one is not kept.

    Each `write` becomes one member of the gzip file. `faults` damage the file on purpose.
    """

    folder: Path
    plain: bool = False
    faults: tuple[str, ...] = ()
    _file: BinaryIO | None = field(init=False, default=None)
    _open: ExitStack = field(init=False, default_factory=ExitStack)

    @property
    def path(self) -> Path:
        return self.folder / (PLAIN_PART if self.plain else GZIP_PART)

    def __enter__(self) -> Self:
        if self.folder.exists():
            remove_leftovers(self.folder)
        return self

    def write(self, text: bytes) -> None:
        if not text or "missing_file" in self.faults:
            return
        if "utf16_file" in self.faults:
            text = text.decode("utf-8", errors="replace").encode("utf-16-le" if self._file else "utf-16")
        if self._file is None:
            self._file = self._open.enter_context(written_beside(self.path))
        self._file.write(text if self.plain else gzipped(text))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._open.__exit__(kind, error, trace)
            return
        with self._open:
            if self._file is not None:
                self._damage(self._file)
        if self.folder.exists():
            self._remove_others()

    def _damage(self, file: BinaryIO) -> None:
        if "truncated_gzip" in self.faults:
            file.truncate(file.tell() // 2)
        if "empty_file" in self.faults:
            file.truncate(0)

    def _remove_others(self) -> None:
        """Removes what an earlier simulation has left in this place: the other form, and the file if there is none."""
        for name in (PLAIN_PART, GZIP_PART):
            if self._file is None or name != self.path.name:
                (self.folder / name).unlink(missing_ok=True)
        fsync_dir(self.folder)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()
