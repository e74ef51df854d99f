"""How many threads may work, and work that is shared among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Given = TypeVar("Given")
Made = TypeVar("Made")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch, numpy and trees in the block; more than there are idle cores wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)


def by_each_processor(make: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    """What is made of each, in order, by as many threads as torch may use, each of which uses no others."""
    processors = torch.get_num_threads()
    with threads(1), ThreadPoolExecutor(processors, "", torch.set_num_threads, (1,)) as pool:
        yield from pool.map(make, given)
