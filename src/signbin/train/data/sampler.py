"""Batches of images held in memory, on the device that trains, varied there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from signbin.spec import Preprocessing
from signbin.train.data.batches import Batch, Placement, SamplerOptions, Shuffle, normalized
from signbin.train.data.dataset import Images

__all__ = ["Sampler"]


@dataclasses.dataclass(frozen=True, eq=False)
class _Epoch:
    """What one epoch does, one row per place of its order, on the device."""

    order: Tensor
    top: Tensor
    left: Tensor
    mirrored: Tensor
    cut_row: Tensor
    cut_column: Tensor


class Sampler:
    """Shuffled, randomly shifted training batches, see :class:`Batches`.

    Each image is shifted by dy, dx, each uniform in -shift..shift; pixels that enter are black
    (pixel 0); then, if asked, mirrored with probability 1/2; then a square of side ``cutout``
    around a middle, uniform over the image, becomes black (an even one reaches a pixel further up
    and to the left); then, in the first epochs, if asked, images are shrunk.
    """

    def __init__(
        self,
        images: Images,
        preprocessing: Preprocessing,
        options: SamplerOptions,
        placement: Placement | None = None,
    ) -> None:
        self._shuffle = Shuffle(len(images), options)
        self._placement = placement or Placement()
        device, margin = self._placement.device, options.shift
        # Copied: pixels of a data set are read-only memory, which torch does not know.
        pixels = torch.from_numpy(images.pixels.copy()).to(device)
        self._padded = F.pad(pixels, (margin,) * 4)
        self._labels = torch.from_numpy(images.labels.copy()).to(device)
        self._preprocessing = preprocessing
        self._options = options
        self._drawn: tuple[int, _Epoch] | None = None
        self.epoch = 0
        self.position = 0

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one epoch."""
        return self._shuffle.steps

    def remaining_batches(self) -> Iterator[Batch]:
        """The batches left in this epoch; afterwards the sampler stands before the next one."""
        drawn = self._draw(self.epoch)
        while self.position < self.batches_per_epoch:
            places = self._shuffle.places(self.position)
            self.position += 1
            yield self._batch(drawn, places)
        self.epoch, self.position = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Where the sampler stands."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where :meth:`state_dict` was taken."""
        self.epoch, self.position = int(state["epoch"]), int(state["position"])

    def _draw(self, epoch: int) -> _Epoch:
        """What this epoch does: drawn on the CPU, so that every device does the same."""
        count, random = len(self._labels), self._shuffle.changes(epoch)
        shifts = random.integers(0, 2 * self._options.shift, (2, count), endpoint=True)
        mirrored = random.integers(0, 1, count, endpoint=True) == 1
        if not self._options.flip:
            mirrored[:] = False
        device = self._placement.device
        extents = ([self._preprocessing.height], [self._preprocessing.width])
        middles = random.integers(0, extents, (2, count))
        columns = (self._shuffle.order(epoch), *shifts, mirrored, *middles)
        return _Epoch(*(torch.from_numpy(np.ascontiguousarray(c)).to(device) for c in columns))

    def _batch(self, drawn: _Epoch, places: slice) -> Batch:
        height, width = self._preprocessing.height, self._preprocessing.width
        device = self._placement.device
        indices = drawn.order[places]
        rows = drawn.top[places, None] + torch.arange(height, device=device)
        columns = drawn.left[places, None] + torch.arange(width, device=device)
        columns = torch.where(drawn.mirrored[places, None], columns.flip(1), columns)
        # Advanced indices around a slice put the sliced axis, channels, last.
        pixels = self._padded[indices[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        pixels = pixels.permute(0, 3, 1, 2)
        if self._options.cutout:
            pixels = pixels.masked_fill(self._cut(drawn, places), 0)
        images = self._shrunk(normalized(pixels, self._preprocessing))
        return Batch(self._placement.of(images), self._labels[indices])

    def _cut(self, drawn: _Epoch, places: slice) -> Tensor:
        """Which pixels cutout takes, (N, 1, H, W)."""
        rows = self._near(drawn.cut_row[places], self._preprocessing.height)
        columns = self._near(drawn.cut_column[places], self._preprocessing.width)
        return (rows[:, :, None] & columns[:, None, :])[:, None]

    def _near(self, middle: Tensor, extent: int) -> Tensor:
        """Which lines of an axis cutout takes, (N, extent)."""
        away = 2 * (torch.arange(extent, device=middle.device) - middle[:, None])
        return (away >= -self._options.cutout) & (away < self._options.cutout)

    def _shrunk(self, images: Tensor) -> Tensor:
        side = self._options.low_resolution
        if side is None or self.epoch >= self._options.low_resolution_epochs:
            return images
        return F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
