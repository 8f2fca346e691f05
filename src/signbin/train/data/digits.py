"""Handwritten digits that come with scikit-learn: real data without a download.

1797 images of 8x8 pixels with grey values 0..16 (UCI "Optical Recognition of Handwritten
Digits", its test part). Grey value v becomes the 8-bit pixel round(v * 255 / 16): pixel / 255
is v / 16 to within 1/510, and a PNG file of an image holds exactly what training saw.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from signbin.errors import SpecError
from signbin.spec import Preprocessing
from signbin.train.data.dataset import Dataset, Images
from signbin.train.data.split import held_out

__all__ = ["digits"]

_TEST_SHARE: Final = 0.2
# Mean and standard deviation of pixel / 255 over the training part, to three digits.
_MEAN: Final = 0.305
_STD: Final = 0.376


def digits() -> Dataset:
    """The data set ``digits``: a stratified fifth is held out for testing, always the same one.

    SpecError, naming the extra to install, where scikit-learn is missing.
    """
    images = _bundled_images()
    test = held_out(images.labels, _TEST_SHARE, salt="digits test")
    return Dataset(
        name="digits",
        title="digits",
        class_names=tuple(str(digit) for digit in range(10)),
        preprocessing=Preprocessing(channels=1, height=8, width=8, mean=(_MEAN,), std=(_STD,)),
        train=images.select(np.flatnonzero(~test)),
        test=images.select(np.flatnonzero(test)),
    )


def _bundled_images() -> Images:
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415 - only this data set needs it
    except ImportError as error:
        raise SpecError(
            "data set digits needs scikit-learn", remedy="pip install 'signbin[train]'"
        ) from error
    bunch = load_digits()
    pixels = np.rint(np.asarray(bunch.images) * (255 / 16)).astype(np.uint8)
    return Images(pixels[:, np.newaxis], np.asarray(bunch.target, dtype=np.int64))
