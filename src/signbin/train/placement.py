"""From an execution configuration to devices and formats this machine really has."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import nn

from signbin.errors import SpecError
from signbin.train.config import ExecutionConfig, Precision
from signbin.train.data import Placement
from signbin.train.memory import keep_freed_memory

__all__ = ["Machine", "prepare_machine"]

_COMPILERS: Final = ("c++", "g++", "clang++")


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where and how a training computes."""

    config: ExecutionConfig
    device: torch.device

    @property
    def placement(self) -> Placement:
        """Where batches are wanted, and how they are stored."""
        return Placement(self.device, self.memory_format)

    @property
    def memory_format(self) -> torch.memory_format:
        """How images and weights are stored."""
        return torch.channels_last if self.config.channels_last else torch.contiguous_format

    @property
    def is_gpu(self) -> bool:
        """Whether the device is a CUDA one."""
        return self.device.type == "cuda"

    def place(self, model: nn.Module) -> nn.Module:
        """The model on the device, in the memory format, in place."""
        moved: nn.Module = model.to(self.device).to(memory_format=self.memory_format)  # type: ignore[call-overload]  # stubs lack it
        return moved

    def compiled(self, model: nn.Module) -> Callable[..., Any]:
        """What the training pass calls: the model, or the model compiled, as asked."""
        return torch.compile(model) if self.config.compile else model

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The precision of the training pass."""
        if self.config.precision is Precision.FLOAT32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def prepare_machine(config: ExecutionConfig, device: str) -> Machine:
    """Check that this machine has what the configuration asks for; SpecError where it lacks it.

    device: this process's own, ``config.device`` where it is alone.
    """
    place = torch.device(device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise SpecError(
            "execution.device",
            value=config.device,
            allowed="cpu: PyTorch sees no GPU on this machine",
            remedy="use device cpu, or install a PyTorch with CUDA",
        )
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise SpecError(
            "execution.device", value=device, allowed=f"cuda:0..{torch.cuda.device_count() - 1}"
        )
    if config.compile and not any(shutil.which(name) for name in _COMPILERS):
        raise SpecError(
            "execution.compile",
            value=True,
            allowed=f"false: torch.compile needs a C++ compiler ({', '.join(_COMPILERS)})",
            remedy="install one, or set execution.compile to false",
        )
    if place.type == "cpu":
        keep_freed_memory()
    return Machine(config, place)
