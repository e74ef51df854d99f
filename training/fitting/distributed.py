"""Several processes that fit one module together, as torchrun starts them: each computes its share of every batch.

Gradients are added up over the processes by name, not by wrapping the module, so a loss may call the module's parts as
it likes and a process may have nothing to do in a short batch. One process alone is a group of one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn

Value = TypeVar("Value")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Group:
    """This process among those that fit together: its number, how many they are, and the device it computes on."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def share(self, examples: int) -> tuple[int, int]:
        """Where this process's part of a batch begins and ends."""
        return examples * self.rank // self.size, examples * (self.rank + 1) // self.size

    def add_up(self, tensor: torch.Tensor) -> None:
        """Puts the sum over all processes into the tensor."""
        if self.size > 1:
            distributed.all_reduce(tensor)

    def add_up_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Gives every process the sum of all gradients; a parameter that no process used keeps none."""
        if self.size == 1:
            return
        used = torch.tensor([parameter.grad is not None for parameter in parameters], device=self.device).int()
        self.add_up(used)
        waiting = []
        for parameter, users in zip(parameters, used.tolist(), strict=True):
            if users:
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                waiting.append(distributed.all_reduce(parameter.grad, async_op=True))
        for sent in waiting:
            sent.wait()

    def start_alike(self, module: nn.Module) -> None:
        """Gives every process the first one's weights."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, src=0)

    def led(self, make: Callable[[], Value]) -> Value:
        """What the first process makes, for all."""
        told = [make() if self.leads else None]
        if self.size > 1:
            distributed.broadcast_object_list(told, src=0, device=CPU)
        return told[0]  # type: ignore[return-value]

    def least(self, number: int) -> int:
        """The smallest of all processes' numbers."""
        if self.size == 1:
            return number
        least = torch.tensor(number)
        distributed.all_reduce(least, distributed.ReduceOp.MIN)
        return int(least)


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The group that torchrun's environment tells of, joined for the block unless it is joined already."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    joins = not distributed.is_initialized()
    if joins:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        if joins:
            distributed.destroy_process_group()
