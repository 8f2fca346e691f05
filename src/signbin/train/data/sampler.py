"""Batches in an order that depends on the seed, the epoch and the position alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signbin.errors import SpecError
from signbin.spec import Preprocessing
from signbin.train.data.dataset import Images, normalize

__all__ = ["Batch", "Sampler", "SamplerOptions", "to_batch"]


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Normalised images, float32 (N, C, H, W), and labels, int64 (N,)."""

    images: Tensor
    labels: Tensor


@dataclasses.dataclass(frozen=True)
class SamplerOptions:
    """batch_size: images per step. shift: largest random shift in pixels, per axis.

    flip: mirror images left to right, each with probability 1/2.
    """

    batch_size: int
    shift: int = 0
    seed: int = 0
    flip: bool = False


def to_batch(images: Images, preprocessing: Preprocessing) -> Batch:
    """All the images, normalised, as they are."""
    normalized = normalize(images.pixels, preprocessing)
    return Batch(torch.from_numpy(normalized), torch.from_numpy(images.labels.copy()))


class Sampler:
    """Shuffled, randomly shifted training batches that can stop and continue anywhere.

    Every epoch visits the images in a fresh permutation, drawn from (seed, epoch); the last
    incomplete batch is dropped (batch norm cannot use a batch of one). Each image is shifted by
    dy, dx, each uniform in -shift..shift; pixels that enter are black (pixel 0); then, if asked,
    mirrored with probability 1/2. Both are drawn for a batch from (seed, epoch, position), so
    (epoch, position) is the whole state.
    """

    def __init__(
        self, images: Images, preprocessing: Preprocessing, options: SamplerOptions
    ) -> None:
        if not 2 <= options.batch_size <= len(images):
            raise SpecError("batch_size", value=options.batch_size, allowed=f"2..{len(images)}")
        margin = (options.shift, options.shift)
        self._padded = np.pad(images.pixels, ((0, 0), (0, 0), margin, margin))
        self._labels = images.labels
        self._preprocessing = preprocessing
        self._options = options
        self.epoch = 0
        self.position = 0

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one epoch: floor(images / batch_size)."""
        return len(self._labels) // self._options.batch_size

    def remaining_batches(self) -> Iterator[Batch]:
        """The batches left in this epoch; afterwards the sampler stands before the next one."""
        order = self._generator(0).permutation(len(self._labels))
        while self.position < self.batches_per_epoch:
            start = self.position * self._options.batch_size
            self.position += 1
            yield self._batch(order[start : start + self._options.batch_size])
        self.epoch, self.position = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Where the sampler stands."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where :meth:`state_dict` was taken."""
        self.epoch, self.position = int(state["epoch"]), int(state["position"])

    def _batch(self, indices: NDArray[np.int64]) -> Batch:
        height, width = self._preprocessing.height, self._preprocessing.width
        random = self._generator(self.position)
        top, left = random.integers(
            0, 2 * self._options.shift, (2, len(indices), 1, 1), endpoint=True
        )
        rows = top + np.arange(height).reshape(-1, 1)
        columns = left + np.arange(width)
        if self._options.flip:
            mirrored = random.integers(0, 1, (len(indices), 1, 1), endpoint=True) == 1
            columns = np.where(mirrored, columns[:, :, ::-1], columns)
        # Advanced indices around a slice put the sliced axis, channels, last.
        pixels = self._padded[indices[:, np.newaxis, np.newaxis], :, rows, columns]
        images = Images(pixels.transpose(0, 3, 1, 2), self._labels[indices])
        return to_batch(images, self._preprocessing)

    def _generator(self, stream: int) -> np.random.Generator:
        """Stream 0 orders the epoch, stream n > 0 shifts its n-th batch."""
        return np.random.default_rng([self._options.seed, self.epoch, stream])
