"""Training rows as batches: each row once an epoch, in an order that seed and epoch alone decide."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daybreak.errors import InputError
from training.data.rows import Arrays, RowBatches, RowFiles

DAYS = ("2026-11-01", "2026-11-02")
Write = Callable[..., list[str]]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes numbered rows of two days as a lake's files."""

    def written(rows: int = 100, group: int = 10, columns: int = 1) -> list[str]:
        folder, paths = tmp_path_factory.mktemp("rows"), []
        for number, day in enumerate(DAYS):
            path = folder / f"ds={day}" / "part-0.parquet"
            path.parent.mkdir()
            first = number * rows
            values = {f"n{column}": np.arange(first, first + rows) for column in range(columns)}
            pq.write_table(pa.table({"row_id": [f"e{n}" for n in values["n0"]], **values}), path, row_group_size=group)
            paths.append(str(path))
        return paths

    return written


def plain(rows: pa.RecordBatch) -> Arrays:
    return {"n": rows["n0"].to_numpy()}


def batches(paths: list[str], *, streamed: bool = False, size: int = 16, seed: int = 1, buffer: int = 32) -> RowBatches:
    """All in memory, or else streamed."""
    return RowBatches(paths, ["n0"], plain, size, seed, memory_mb=2_000 * (not streamed), buffer_rows=buffer)


def seen(rows: RowBatches, epoch: int = 0) -> list[int]:
    return [int(n) for batch in rows.batches(epoch) for n in batch["n"]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.integers(1, 60), st.integers(1, 25), st.integers(1, 20), st.integers(1, 50), st.booleans())
def test_an_epoch_holds_each_row_once(
    write: Write, rows: int, group: int, size: int, buffer: int, streamed: bool
) -> None:
    found = batches(write(rows, group), streamed=streamed, size=size, buffer=buffer)
    assert found.in_memory is not streamed
    sizes = [len(batch["n"]) for batch in found.batches(0)]
    assert sorted(seen(found)) == list(range(2 * rows))
    assert set(sizes[:-1]) <= {size}
    assert 0 < sizes[-1] <= size


@pytest.mark.parametrize("streamed", [False, True])
def test_the_same_seed_and_epoch_give_the_same_order(write: Write, streamed: bool) -> None:
    paths = write()
    first, second = (batches(paths, streamed=streamed) for _ in range(2))
    assert seen(first, 3) == seen(second, 3)
    assert seen(first, 3) == seen(first, 3)


@pytest.mark.parametrize("streamed", [False, True])
def test_another_epoch_or_seed_gives_another_order(write: Write, streamed: bool) -> None:
    paths = write()
    rows, other = batches(paths, streamed=streamed), batches(paths, streamed=streamed, seed=2)
    assert len({tuple(seen(rows, 0)), tuple(seen(rows, 1)), tuple(seen(other, 0))}) == 3


def test_a_slow_disk_does_not_change_the_order(write: Write) -> None:
    paths = write()

    def slow(rows: pa.RecordBatch) -> Arrays:
        time.sleep(0.002 * (int(rows["n0"][0].as_py()) % 3))
        return plain(rows)

    slowly = RowBatches(paths, ["n0"], slow, 16, 1, memory_mb=0, buffer_rows=32)
    assert seen(slowly) == seen(batches(paths, streamed=True))


def test_streamed_rows_of_a_group_are_spread_over_the_epoch(write: Write) -> None:
    order = seen(batches(write(rows=400, group=200), streamed=True, buffer=400))
    assert np.corrcoef(order, np.arange(len(order)))[0, 1] < 0.9
    assert sum(abs(a - b) == 1 for a, b in pairwise(order)) < len(order) / 10


def test_a_bounded_number_of_rows_is_held(write: Write) -> None:
    encoded = 0

    def counted(rows: pa.RecordBatch) -> Arrays:
        nonlocal encoded
        encoded += rows.num_rows
        return plain(rows)

    rows = RowBatches(write(rows=1_000, group=10), ["n0"], counted, 16, 1, memory_mb=0, buffer_rows=64)
    encoded, given_out, most = 0, 0, 0
    for batch in rows.batches(0):
        most = max(most, encoded - given_out)
        given_out += len(batch["n"])
    assert given_out == 2_000
    assert most <= 64 + 16 + 10 * 5  # the buffer, a batch, and the groups that the thread is ahead by


def test_what_encode_leaves_out_is_in_no_batch(write: Write) -> None:
    def even(rows: pa.RecordBatch) -> Arrays:
        values = rows["n0"].to_numpy()
        return {"n": values[values % 2 == 0]}

    rows = RowBatches(write(rows=10), ["n0"], even, 4, 1)
    assert sorted(seen(rows)) == list(range(0, 20, 2))
    assert rows.rows == 10


def test_whole_keeps_the_order_of_the_files(write: Write) -> None:
    assert batches(write(rows=30)).whole()["n"].tolist() == list(range(60))


def test_the_thread_ends_with_whoever_takes_the_batches(write: Write) -> None:
    taken: Iterator[object] = batches(write(), streamed=True).batches(0)
    next(taken)
    taken.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "training-rows"]


def test_what_goes_wrong_in_the_thread_is_told_to_whoever_takes_the_batches(write: Write) -> None:
    paths, calls = write(), 0

    def breaks(rows: pa.RecordBatch) -> Arrays:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise InputError("feature n0: broken")
        return plain(rows)

    with pytest.raises(InputError, match="feature n0: broken"):
        list(RowBatches(paths, ["n0"], breaks, 16, 1, memory_mb=0).batches(0))


def test_rows_that_fit_the_memory_are_encoded_once(write: Write) -> None:
    assert batches(write(rows=200)).in_memory
    wide = RowBatches(
        write(rows=200), ["n0"], lambda rows: {"n": np.zeros((rows.num_rows, 10_000))}, 16, 1, memory_mb=50
    )
    assert not wide.in_memory


def test_files_are_read_by_day_with_their_day(write: Write) -> None:
    files = RowFiles.of(list(reversed(write(rows=5))))
    assert files.days == DAYS
    assert files.table(DAYS[1:], ["n0", "ds"]).to_pydict() == {"n0": [5, 6, 7, 8, 9], "ds": [DAYS[1]] * 5}


def test_an_empty_day_is_told_in_one_sentence(tmp_path: Path, write: Write) -> None:
    empty = tmp_path / "ds=2026-11-03" / "part-0.parquet"
    empty.parent.mkdir()
    pq.write_table(pa.table({"n0": pa.array([], pa.int64())}), empty)
    files = RowFiles.of([*write(), str(empty)])
    with pytest.raises(
        InputError, match="training rows of 2026-11-03: expected at least one row a day, found none; run"
    ):
        files.paths(files.days)


def test_a_file_without_a_column_is_told_in_one_sentence(write: Write) -> None:
    with pytest.raises(InputError, match="training rows of 2026-11-01 should hold n7, found no such columns; run"):
        RowFiles.of(write()).table(DAYS, ["n0", "n7"])


def test_no_files_are_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="expected files of at least one day, found none; run"):
        RowBatches([], ["n0"], plain, 16, 1)


def test_files_outside_a_day_are_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="expected files in folders such as ds=2026-11-20, found"):
        RowFiles.of(["/lake/rows/part-0.parquet"])
