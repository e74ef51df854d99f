"""Opening what was given: plain or gzip, in whatever encoding, with one sentence when it cannot be read."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from daybreak.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
CHUNK = 1 << 20


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns every way in which a file cannot be read into one sentence that names the file."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is a broken gzip file ({error}): it was cut off or damaged on its way, so fetch it again"
        ) from None
    except UnicodeError as error:
        raise InputError(f"{path} is not in the encoding it was read with ({error}); name the right one") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked where it is gzip, whatever its name says."""
    with reading(path):
        with path.open("rb") as plain:
            packed = plain.read(2) == GZIP_MAGIC
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            yield cast(BinaryIO, file)


def detect_encoding(path: Path) -> str:
    """UTF-16 where a byte order mark says so, UTF-8 where the whole file is valid UTF-8, else latin-1."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opened(path) as file:
        chunk = file.read(CHUNK)
        if chunk.startswith(UTF16_MARKS):
            return "utf-16"
        try:
            while chunk:
                decoder.decode(chunk)
                chunk = file.read(CHUNK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def start_of(path: Path, size: int) -> bytes:
    """The first bytes of a file, unpacked; a file without any is an error."""
    with opened(path) as file:
        start = file.read(size)
    if not start:
        raise InputError(f"{path} is empty: deliver it again, or leave it out")
    return start
