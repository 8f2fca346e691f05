"""Images of bytes, as decoders give them, to the numbers a network was trained on."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.spec import Preprocessing

__all__ = ["channels_first", "normalised"]

_PIXEL_MAX: Final = np.float32(255)


def normalised(images: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """x[n, c] = (images[n, c] / 255 - mean[c]) / std[c], float32 (N, C, H, W), contiguous.

    images: (N, C, H, W). There are 256 bytes: every channel looks its numbers up.
    """
    pixels = np.arange(256, dtype=np.float32) / _PIXEL_MAX
    result = np.empty(images.shape, np.float32)
    for channel in range(preprocessing.channels):
        mean, std = np.float32(preprocessing.mean[channel]), np.float32(preprocessing.std[channel])
        table = (pixels - mean) / std
        result[:, channel] = table[images[:, channel]]
    return result


def channels_first(images: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """(N, C, H, W) of images that are laid out so already, or with their channels last."""
    first = images.ndim != 4 or images.shape[1] == channels or images.shape[3] != channels
    return images if first else images.transpose(0, 3, 1, 2)
