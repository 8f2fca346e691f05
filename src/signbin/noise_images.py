"""Images to measure with where there is no data: noise with structure, the same everywhere."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["noise_images"]

_SMALLEST_WAVE: Final = 2

Integers = NDArray[np.int64]


def noise_images(
    random: np.random.Generator, count: int, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """``count`` images of a shape (channels, height, width), as pixels of 8 bits.

    An image is the sum of noise smoothed over 2, 4, 8, ... pixels, each scale with about the
    same amplitude (natural images are like that), the same in all channels but for a weaker
    part of their own. Integers throughout: no machine rounds differently.
    """
    channels, height, width = shape
    return np.stack([_image(random, channels, height, width) for _ in range(count)])


def _image(
    random: np.random.Generator, channels: int, height: int, width: int
) -> NDArray[np.uint8]:
    shared = _noise(random, height, width)
    planes = [shared + _noise(random, height, width) // 3 for _ in range(channels)]
    pixels: NDArray[np.uint8] = np.clip(128 + np.stack(planes), 0, 255).astype(np.uint8)
    return pixels


def _noise(random: np.random.Generator, height: int, width: int) -> Integers:
    """Noise of mean about 0 at all scales, (height, width)."""
    total = np.zeros((height, width), np.int64)
    wave = _SMALLEST_WAVE
    while wave <= max(height, width, _SMALLEST_WAVE):
        rows, columns = height // wave + 2, width // wave + 2
        coarse = random.integers(-64, 64, (rows, columns), dtype=np.int64)
        fine = coarse.repeat(wave, axis=0).repeat(wave, axis=1)
        total += _box_sums(fine, wave)[:height, :width] // (wave * wave)
        wave *= 2
    return total


def _box_sums(values: Integers, size: int) -> Integers:
    """Sums over windows of size x size, top left corners at every place where one fits."""
    for axis in (0, 1):
        padding = [(1, 0) if axis == each else (0, 0) for each in (0, 1)]
        sums = np.pad(values.cumsum(axis=axis), padding)
        length = values.shape[axis]
        ends, starts = np.arange(size, length + 1), np.arange(length - size + 1)
        values = sums.take(ends, axis) - sums.take(starts, axis)
    return values
