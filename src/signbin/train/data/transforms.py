"""From a photograph of any size to the pixels a network sees, for training and for testing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from signbin.spec import Preprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["jittered", "pixels_of", "random_resized_crop"]

Pixels = NDArray[np.uint8]

_LEAST_AREA: Final = 0.08
_MOST_STRETCH: Final = 4 / 3
_TRIALS: Final = 10


def pixels_of(image: Image) -> Pixels:
    """An RGB image as uint8 (3, H, W)."""
    return np.asarray(image, np.uint8).transpose(2, 0, 1)


def random_resized_crop(
    image: Image, preprocessing: Preprocessing, random: np.random.Generator
) -> Image:
    """A random part of the image, resized (bilinear) to the network's size.

    Its area is uniform between 8 % and 100 % of the image's, the logarithm of its sides' ratio
    uniform between those of 3:4 and 4:3; where ten draws do not fit, the largest centred square
    (Szegedy et al. 2015).
    """
    from PIL import Image as Module  # noqa: PLC0415 - only image files need Pillow

    width, height = image.size
    box = _random_box(width, height, random)
    size = (preprocessing.width, preprocessing.height)
    return image.resize(size, Module.Resampling.BILINEAR, box=box)


def _random_box(
    width: int, height: int, random: np.random.Generator
) -> tuple[float, float, float, float]:
    for _ in range(_TRIALS):
        area = random.uniform(_LEAST_AREA, 1.0) * width * height
        ratio = math.exp(random.uniform(-1.0, 1.0) * math.log(_MOST_STRETCH))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left = int(random.integers(0, width - w, endpoint=True))
            top = int(random.integers(0, height - h, endpoint=True))
            return (left, top, left + w, top + h)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return (left, top, left + side, top + side)


def jittered(image: Image, strength: float, random: np.random.Generator) -> Image:
    """Brightness, contrast and saturation, in random order, each times 1 +- strength."""
    from PIL import ImageEnhance  # noqa: PLC0415 - only image files need Pillow

    changes = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for place in random.permutation(len(changes)):
        factor = random.uniform(max(0.0, 1 - strength), 1 + strength)
        image = changes[place](image).enhance(factor)
    return image
