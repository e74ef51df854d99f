"""Training rows straight from the lake's files, as batches of tensors, in an order that a seed and the epoch decide.

Where all rows fit the memory that they may take, they are encoded once, and an epoch is a permutation. Where they do
not, each epoch reads row groups in a drawn order, encodes them in one thread beside the fit, and draws batches from a
buffer of bounded size. The two ways give different orders, but how fast a disk or a thread was never changes either.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from daybreak.contracts import DS
from daybreak.errors import InputError, LakeError

Arrays = dict[str, NDArray[Any]]
Batch = dict[str, Tensor]
Encode = Callable[[pa.RecordBatch], Mapping[str, NDArray[Any]]]
ROWS_AT_ONCE = 16_384
AHEAD = 2
MEGABYTE = 1_000_000
IN_MEMORY = 2
"""So many times their size rows take while they are gathered."""
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class RowFiles:
    """The files of training rows, by day. `io.paths` of a step names them."""

    by_day: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, paths: Sequence[str]) -> RowFiles:
        days: dict[str, list[str]] = {}
        for path in sorted(paths, key=lambda path: (_day(path), Path(path).name)):
            days.setdefault(_day(path), []).append(path)
        return cls({day: tuple(files) for day, files in days.items()})

    @property
    def days(self) -> tuple[str, ...]:
        return tuple(self.by_day)

    def rows(self, day: str) -> int:
        return sum(_opened(path).metadata.num_rows for path in self.by_day.get(day, ()))

    def paths(self, days: Sequence[str]) -> list[str]:
        """The files of these days, each of which must have rows."""
        if empty := [day for day in days if not self.rows(day)]:
            raise InputError(
                f"training rows of {', '.join(empty)}: expected at least one row a day, found none; run"
                " jobs.training_set for a night that makes them, or leave those days out"
            )
        return [path for day in days for path in self.by_day[day]]

    def read(self, days: Sequence[str], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of these days in the order of the files; `ds` may be among the columns."""
        for path in self.paths(days):
            file = _opened(path)
            for group in range(file.num_row_groups):
                yield from _group(file, _day(path), group, columns)

    def table(self, days: Sequence[str], columns: Sequence[str]) -> pa.Table:
        return pa.Table.from_batches(self.read(days, columns))


class RowBatches:
    """Rows of some files as batches of tensors by name, as `encode` makes them; it may leave rows out."""

    def __init__(
        self,
        paths: Sequence[str],
        columns: Sequence[str],
        encode: Encode,
        batch_size: int,
        seed: int,
        *,
        memory_mb: int = 2_000,
        buffer_rows: int = 65_536,
    ) -> None:
        if not paths:
            raise InputError(
                "training rows: expected files of at least one day, found none; run jobs.training_set first"
            )
        self.batch_size = batch_size
        self._columns, self._encode, self._seed = tuple(columns), encode, seed
        self._buffer_rows = buffer_rows
        self._files = [_opened(path) for path in paths]
        self._days = [_day(path) for path in paths]
        self._in_files = sum(file.metadata.num_rows for file in self._files)
        self._all: Batch | None = None
        self.in_memory = self._bytes() * IN_MEMORY <= memory_mb * MEGABYTE

    @property
    def rows(self) -> int:
        """Rows of an epoch; where they are not all in memory, also those that `encode` leaves out."""
        return _length(self.whole()) if self.in_memory else self._in_files

    def batches(self, epoch: int, batch_size: int | None = None) -> Iterator[Batch]:
        """Every row once, in the epoch's order; the last batch may be smaller."""
        size = batch_size or self.batch_size
        draw = np.random.default_rng([self._seed, epoch])
        return self._permuted(draw, size) if self.in_memory else self._streamed(draw, size)

    def whole(self) -> Batch:
        """All rows in the order of the files."""
        if self._all is None:
            parts = list(_beside(self._encoded(self._groups())))
            held: Arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            self._all = {name: torch.from_numpy(values) for name, values in held.items()}
        return self._all

    def _bytes(self) -> float:
        """How much memory all rows take, judged by how wide the first of them are when encoded."""
        for part in self._encoded(self._groups()):
            if rows := _length(part):
                return sum(values.nbytes for values in part.values()) / rows * self._in_files
        return 0.0

    def _groups(self) -> list[tuple[int, int]]:
        return [
            (number, group) for number, file in enumerate(self._files) for group in range(file.metadata.num_row_groups)
        ]

    def _encoded(self, groups: Sequence[tuple[int, int]]) -> Iterator[Arrays]:
        for number, group in groups:
            for rows in _group(self._files[number], self._days[number], group, self._columns):
                yield dict(self._encode(rows))

    def _permuted(self, draw: np.random.Generator, size: int) -> Iterator[Batch]:
        held = self.whole()
        order = torch.from_numpy(draw.permutation(_length(held)))
        for places in torch.split(order, size):
            yield {name: values.index_select(0, places) for name, values in held.items()}

    def _streamed(self, draw: np.random.Generator, size: int) -> Iterator[Batch]:
        groups = self._groups()
        drawn = [groups[place] for place in draw.permutation(len(groups))]
        buffer: Arrays = {}
        for part in _beside(self._encoded(drawn)):
            buffer = {name: np.concatenate([buffer[name], part[name]]) for name in part} if buffer else part
            held = _length(buffer)
            if held >= self._buffer_rows + size:
                ready = (held - self._buffer_rows // 2) // size * size
                order = draw.permutation(held)
                yield from _cut(buffer, order[:ready], size)
                buffer = {name: values[order[ready:]] for name, values in buffer.items()}
        if buffer:
            yield from _cut(buffer, draw.permutation(_length(buffer)), size)


def _group(file: pq.ParquetFile, day: str, group: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """A row group in pieces, with the day of its file where that is asked for."""
    inside = [name for name in columns if name != DS]
    missing = [name for name in inside if name not in file.schema_arrow.names]
    if missing:
        raise InputError(
            f"training rows of {day} should hold {', '.join(missing)}, found no such columns; run jobs.training_set"
            " for the night that makes that day again"
        )
    with _told_where_damaged(day):
        for rows in file.iter_batches(batch_size=ROWS_AT_ONCE, row_groups=[group], columns=inside):
            if DS in columns:
                rows = rows.append_column(DS, pa.repeat(day, rows.num_rows))
            yield rows


def _opened(path: str) -> pq.ParquetFile:
    with _told_where_damaged(_day(path)):
        return pq.ParquetFile(path, memory_map=True)


@contextmanager
def _told_where_damaged(day: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise LakeError(
            f"training rows of {day}: a file cannot be read ({str(error).splitlines()[0]}); run jobs.training_set for"
            " the night that makes that day again"
        ) from error


def _cut(arrays: Arrays, order: NDArray[np.int64], size: int) -> Iterator[Batch]:
    for start in range(0, len(order), size):
        places = order[start : start + size]
        yield {name: torch.from_numpy(values[places]) for name, values in arrays.items()}


def _beside(parts: Iterator[Arrays]) -> Iterator[Arrays]:
    """The parts, made by one thread a few ahead of whoever takes them; it ends when they are no longer wanted."""
    ready: queue.Queue[Arrays | BaseException | None] = queue.Queue(AHEAD)
    unwanted = threading.Event()

    def put(what: Arrays | BaseException | None) -> None:
        while not unwanted.is_set():
            with suppress(queue.Full):
                ready.put(what, timeout=POLL_SECONDS)
                return

    def make() -> None:
        try:
            for part in parts:
                put(part)
                if unwanted.is_set():
                    return
            put(None)
        except BaseException as error:  # told to whoever takes the parts
            put(error)

    thread = threading.Thread(target=make, name="training-rows", daemon=True)
    thread.start()
    try:
        while (part := ready.get()) is not None:
            if isinstance(part, BaseException):
                raise part
            yield part
    finally:
        unwanted.set()
        thread.join()


def _length(arrays: Arrays | Batch) -> int:
    some: Any = next(iter(arrays.values()))
    return len(some)


def _day(path: str) -> str:
    """The day that a file's folder is of."""
    folder = Path(path).parent.name
    name, _, day = folder.partition("=")
    if name != DS:
        raise InputError(
            f"training rows: expected files in folders such as {DS}=2026-11-20, found {path}; name the files of the"
            " table by the step's paths"
        )
    return day
