"""Images made of smoothed noise: inputs for networks without data, the same on every machine."""

from __future__ import annotations

from typing import Final

import numpy as np

from signbin.noise_images import noise_images
from signbin.spec import Preprocessing
from signbin.train.data.dataset import Dataset, Images

__all__ = ["generated"]

_TRAIN_IMAGES: Final = 32
_TEST_IMAGES: Final = 16
_MEAN: Final = 0.5
_STD: Final = 0.25


def generated(shape: tuple[int, ...], classes: int) -> Dataset:
    """32 + 16 images (channels, height, width), as :func:`signbin.noise_images.noise_images`.

    Labels take turns and mean nothing.
    """
    channels, height, width = shape
    random = np.random.Generator(np.random.PCG64(0))
    parts = []
    for count in (_TRAIN_IMAGES, _TEST_IMAGES):
        pixels = noise_images(random, count, shape)
        parts.append(Images(pixels, np.arange(count, dtype=np.int64) % classes))
    return Dataset(
        name="generated",
        title="generated images",
        class_names=tuple(f"class-{number}" for number in range(classes)),
        preprocessing=Preprocessing(
            channels, height, width, (_MEAN,) * channels, (_STD,) * channels
        ),
        train=parts[0],
        test=parts[1],
    )
