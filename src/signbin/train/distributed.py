"""Several processes that train one network together, started by ``torchrun``."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from signbin.errors import SpecError

__all__ = ["ALONE", "Processes", "training_processes"]

_Value = TypeVar("_Value")


@dataclasses.dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is. Alone, every operation gives its input back."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.count > 1:
            distributed.all_reduce(tensor)
        return tensor

    def from_first(self, value: _Value) -> _Value:
        """The value the first process has."""
        if self.count == 1:
            return value
        holder: list[_Value | None] = [value]
        distributed.broadcast_object_list(holder)
        received = holder[0]
        return received  # type: ignore[return-value]  # None only where the first has None

    def from_all(self, value: _Value) -> list[_Value]:
        """The values of all processes, by rank."""
        if self.count == 1:
            return [value]
        values: list[_Value | None] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]  # every place is filled

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.count > 1:
            distributed.barrier()

    def share_buffers(self, model: nn.Module) -> None:
        """Give every process the buffers (batch-norm statistics) of the first one."""
        if self.count > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)


ALONE = Processes()


@contextlib.contextmanager
def training_processes(device: str) -> Iterator[tuple[Processes, str]]:
    """The group that torchrun started, and this process's device; alone where it did not.

    Uses NCCL for CUDA devices and Gloo for CPUs. With device ``cuda`` each process takes the GPU
    of its local rank. A group that exists already is used and left alone. SpecError for ``cuda:N``
    in several processes.
    """
    if distributed.is_available() and distributed.is_initialized():
        yield _group(), _own_device(device)
        return
    if not (distributed.is_available() and distributed.is_torchelastic_launched()):
        yield ALONE, device
        return
    own = _own_device(device)
    if own.startswith("cuda"):
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if own.startswith("cuda") else "gloo")
    try:
        yield _group(), own
    finally:
        distributed.destroy_process_group()


def _group() -> Processes:
    return Processes(distributed.get_rank(), distributed.get_world_size())


def _own_device(device: str) -> str:
    if device.startswith("cuda:"):
        raise SpecError(
            "execution.device", value=device, allowed="cpu or cuda, in several processes"
        )
    # How torchrun says which of a machine's processes this one is.
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device
