"""What a training loop draws from, whatever the images come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signbin.errors import SpecError
from signbin.spec import Preprocessing

__all__ = ["Batch", "Batches", "Placement", "SamplerOptions", "Shuffle", "normalized"]

_ORDER: Final = 0
_CHANGES: Final = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Normalised images, float32 (N, C, H, W), and labels, int64 (N,)."""

    images: Tensor
    labels: Tensor


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where batches are wanted, and how their images are stored."""

    device: torch.device = dataclasses.field(default_factory=lambda: torch.device("cpu"))
    memory_format: torch.memory_format = torch.contiguous_format

    def of(self, images: Tensor) -> Tensor:
        """The images there, in that format."""
        return images.to(self.device).contiguous(memory_format=self.memory_format)


@dataclasses.dataclass(frozen=True)
class SamplerOptions:
    """How training images are drawn and varied; see DataConfig for the fields of that name.

    batch_size: images per step and process. rank, processes: of ``processes`` that train together,
    each takes its own part of every step's images.
    """

    batch_size: int
    shift: int = 0
    seed: int = 0
    flip: bool = False
    cutout: int = 0
    low_resolution: int | None = None
    low_resolution_epochs: int = 0
    random_crop: bool = False
    jitter: float = 0.0
    workers: int = 1
    rank: int = 0
    processes: int = 1


class Batches(Protocol):
    """Shuffled training batches that can stop and continue anywhere.

    Every epoch visits the images in a fresh permutation, drawn from (seed, epoch); the last
    incomplete step is dropped (batch norm cannot use a batch of one). How an image is varied
    follows from (seed, epoch) and its place in the permutation, so (epoch, position) is the whole
    state, and N processes see together what one process with N times the batch size sees.
    """

    epoch: int
    position: int

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one epoch: floor(images / (batch_size * processes))."""

    def remaining_batches(self) -> Iterator[Batch]:
        """The batches left in this epoch; afterwards the sampler stands before the next one."""

    def state_dict(self) -> dict[str, int]:
        """Where the sampler stands."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where :meth:`state_dict` was taken."""


class Shuffle:
    """The order of the images of every epoch, and this process's part of it."""

    def __init__(self, images: int, options: SamplerOptions) -> None:
        together = options.batch_size * options.processes
        if options.batch_size < 2 or together > images:
            raise SpecError(
                "batch_size", value=options.batch_size, allowed=f"2..{images // options.processes}"
            )
        self._images = images
        self._options = options

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self._images // (self._options.batch_size * self._options.processes)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """All images in the order of this epoch."""
        return self._generator(epoch, _ORDER).permutation(self._images)

    def changes(self, epoch: int) -> np.random.Generator:
        """The generator behind what is done to the images of this epoch."""
        return self._generator(epoch, _CHANGES)

    def places(self, position: int) -> slice:
        """Which places of the order this process takes at step ``position`` of an epoch."""
        size = self._options.batch_size
        first = (position * self._options.processes + self._options.rank) * size
        return slice(first, first + size)

    def _generator(self, epoch: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self._options.seed, epoch, stream])


def normalized(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """x[n, c] = (pixel[n, c] / 255 - mean[c]) / std[c], float32; pixels uint8 (N, C, H, W).

    The same numbers, bit for bit, that the runtime computes from an image file of that size.
    """
    shape = (1, -1, 1, 1)
    mean = torch.tensor(preprocessing.mean, device=pixels.device).reshape(shape)
    std = torch.tensor(preprocessing.std, device=pixels.device).reshape(shape)
    return (pixels.float() / 255 - mean) / std
