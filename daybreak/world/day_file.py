"""One file of a delivery, written beside its place and moved there whole.

The text is the same on every machine. Compressed bytes depend on the compressor as well, so the one that pyarrow
carries is used, whose version the project pins, and not the zlib that Python happens to be built with; `plain` files
depend on nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

from daybreak.files import fsync_dir

LEVEL = 1
SUFFIX, GZIP_SUFFIX = ".jsonl", ".jsonl.gz"


@dataclass
class DayFile:
    """The file of one dataset and day. Leaving the block without an error puts it in place; an empty one is not kept.

    Each `write` becomes one member of the gzip file. `faults` damage the file on purpose.
    """

    folder: Path
    plain: bool = False
    faults: tuple[str, ...] = ()
    _file: BinaryIO = field(init=False)
    _written: int = 0

    @property
    def path(self) -> Path:
        return self.folder / f"part-00000{SUFFIX if self.plain else GZIP_SUFFIX}"

    @property
    def _beside(self) -> Path:
        return self.folder / f".{self.path.name}.{os.getpid()}.tmp"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = self._beside.open("wb")
        return self

    def write(self, text: bytes) -> None:
        if not text:
            return
        if "utf16_file" in self.faults:
            text = text.decode("utf-8", errors="replace").encode("utf-16-le" if self._written else "utf-16")
        self._written += len(text)
        self._file.write(text if self.plain else _compressed(text))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._damage()
                self._file.flush()
                os.fsync(self._file.fileno())
        if kind is None:
            self._put_in_place()
        else:
            self._beside.unlink()

    def _damage(self) -> None:
        if "truncated_gzip" in self.faults:
            self._file.truncate(self._file.tell() // 2)
        if "empty_file" in self.faults:
            self._file.truncate(0)

    def _put_in_place(self) -> None:
        """Moves the file to its place and removes what an earlier simulation, in the other form, has left there."""
        if self._written and "missing_file" not in self.faults:
            self._beside.replace(self.path)
        else:
            self._beside.unlink()
            self.path.unlink(missing_ok=True)
        other = self.folder / f"part-00000{GZIP_SUFFIX if self.plain else SUFFIX}"
        other.unlink(missing_ok=True)
        fsync_dir(self.folder)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def _compressed(text: bytes) -> bytes:
    compressed: bytes = pa.Codec("gzip", compression_level=LEVEL).compress(text, asbytes=True)
    return compressed
