"""Where the files of the lake are: a local folder or an object store, through the same few verbs."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import from_url

from daybreak.errors import LakeError, SettingsError
from daybreak.files import fsync_dir, fsync_file, written_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obstore.store import ObjectStore

SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")
CONNECTION_OPTIONS = (
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "http1_only",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "timeout",
)


class Storage:
    """The files below one URL. Paths are relative to it, with forward slashes."""

    def __init__(self, url: str, options: dict[str, str]) -> None:
        self.is_local = url.startswith("file://") or not SCHEME.match(url)
        if self.is_local:
            self.root = Path(url.removeprefix("file://")).resolve()
            self.root.mkdir(parents=True, exist_ok=True)
            self.url = str(self.root)
            self._store: ObjectStore = from_url(self.root.as_uri())
        else:
            self.url = url.rstrip("/")
            self._store = _object_store(self.url, options)
        self.options = options

    def location(self, path: str) -> str:
        """The full path or URL of a file."""
        return f"{self.url}/{path}"

    def put_file(self, path: str, source: Path) -> None:
        """Moves a finished local file to its place in the lake."""
        if not self.is_local:
            with self._reached(path):
                obstore.put(self._store, path, source)
            source.unlink()
            return
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        fsync_file(source)
        source.rename(place)

    def settle(self, folders: Sequence[str]) -> None:
        """Makes the entries of these folders, and of the folders above them, durable before a commit names files
        in them."""
        if not self.is_local:
            return
        places = {self.root / folder for folder in folders}
        above = {parent for place in places for parent in place.parents if parent.is_relative_to(self.root)}
        for place in sorted(places | above, reverse=True):
            fsync_dir(place)

    def create(self, path: str, content: bytes) -> bool:
        """Creates a file that is not there yet; False where somebody was first."""
        try:
            with self._reached(path):
                obstore.put(self._store, path, content, mode="create")
        except FileExistsError:
            return False
        return True

    def names(self, folder: str) -> list[str]:
        """The names of the files directly in a folder."""
        with self._reached(folder):
            listing = obstore.list_with_delimiter(self._store, folder)
        return [str(meta["path"]).rsplit("/", 1)[-1] for meta in listing["objects"]]

    def read(self, path: str) -> bytes:
        """The content of a small file."""
        with self._reached(path):
            return bytes(obstore.get(self._store, path).bytes())

    def read_parquet(self, path: str, columns: list[str]) -> pa.Table:
        """Those of the columns that a data file holds."""
        if self.is_local:
            source: str | io.BytesIO = str(self.root / path)
        else:
            with self._reached(path):
                source = io.BytesIO(obstore.get(self._store, path).bytes())
        file = pq.ParquetFile(source, memory_map=self.is_local)
        wanted = [name for name in columns if name in file.schema_arrow.names]
        return file.read(columns=wanted)

    def download(self, path: str, place: Path) -> None:
        """Copies a file of the lake to this machine; a copy that is cut short is never under its name."""
        with self._reached(path), written_beside(place) as file:
            for chunk in obstore.get(self._store, path).stream():
                file.write(chunk)

    @contextlib.contextmanager
    def _reached(self, path: str) -> Iterator[None]:
        """What the store answers, as the errors that callers know: a file that is there, or is not, or no store."""
        try:
            yield
        except obstore.exceptions.AlreadyExistsError as error:
            raise FileExistsError(path) from error
        except (obstore.exceptions.NotFoundError, FileNotFoundError) as error:
            raise FileNotFoundError(f"there is no {self.location(path)}") from error
        except obstore.exceptions.BaseError as error:
            raise LakeError(
                f"the lake {self.url} did not serve {path}: {first_line(error)}; look at DAYBREAK_LAKE_URL,"
                " DAYBREAK_LAKE_OPTIONS and the store itself"
            ) from error


def first_line(error: Exception) -> str:
    """What a storage library says, without the dump of its internals."""
    return str(error).strip().split("\n", 1)[0]


def _object_store(url: str, options: Mapping[str, str]) -> ObjectStore:
    """The store at `url`. Options that are about the connection may begin with `aws_`, as the tables take them."""
    connection = {n.removeprefix("aws_"): v for n, v in options.items() if n.removeprefix("aws_") in CONNECTION_OPTIONS}
    rest = {name: value for name, value in options.items() if name.removeprefix("aws_") not in CONNECTION_OPTIONS}
    try:
        return from_url(url, client_options=cast("Any", connection), **cast("Any", rest))
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise SettingsError(
            f"the lake {url} cannot be used: {first_line(error)}; set DAYBREAK_LAKE_URL and DAYBREAK_LAKE_OPTIONS"
        ) from None
