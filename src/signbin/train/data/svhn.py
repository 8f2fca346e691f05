"""SVHN (Netzer et al. 2011): house numbers, 32x32 pixels, ten classes, cropped digits.

Read from the official MATLAB files: ``train_32x32.mat`` (73,257 images), ``test_32x32.mat``
(26,032) and, if asked, ``extra_32x32.mat`` (531,131).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from signbin.errors import FormatError, SpecError
from signbin.spec import Preprocessing
from signbin.train.data.dataset import Dataset, Images

__all__ = ["svhn"]

# Mean and standard deviation of pixel / 255 over the training part, the usual four digits.
_MEAN: Final = (0.4377, 0.4438, 0.4728)
_STD: Final = (0.1980, 0.2010, 0.1970)
_SIZE: Final = 32


def svhn(root: Path, *, extra: bool = False) -> Dataset:
    """The data set in the folder ``root``; with ``extra`` its additional images train, too.

    The files call the digit 0 class 10; here it is class 0. FormatError for a file that is
    missing or damaged, or a label outside 1..10.
    """
    train = _read(root / "train_32x32.mat")
    if extra:
        more = _read(root / "extra_32x32.mat")
        train = Images(
            np.concatenate([train.pixels, more.pixels]), np.concatenate([train.labels, more.labels])
        )
    return Dataset(
        name="svhn",
        title="SVHN with extra images" if extra else "SVHN",
        class_names=tuple(str(digit) for digit in range(10)),
        preprocessing=Preprocessing(3, _SIZE, _SIZE, mean=_MEAN, std=_STD),
        train=train,
        test=_read(root / "test_32x32.mat"),
    )


def _read(path: Path) -> Images:
    """``X``, uint8 (32, 32, 3, N), and ``y``, (N, 1), of a MATLAB file."""
    try:
        from scipy.io import loadmat  # noqa: PLC0415 - only this data set needs it
    except ImportError as error:
        raise SpecError(
            "data set svhn needs SciPy", remedy="pip install 'signbin[train]'"
        ) from error
    try:
        document = loadmat(path, variable_names=("X", "y"))
        pixels, labels = np.asarray(document["X"]), np.asarray(document["y"]).ravel()
        if pixels.dtype != np.uint8 or pixels.shape != (_SIZE, _SIZE, 3, len(labels)):
            raise ValueError(f"X is {pixels.dtype} {pixels.shape}, y has {len(labels)} labels")
        if not len(labels) or labels.min() < 1 or labels.max() > 10:
            raise ValueError("a label outside 1..10")
    except Exception as error:  # damaged MATLAB files raise anything
        raise FormatError(
            f"SVHN file {path} cannot be used",
            reason=str(error) or type(error).__name__,
            allowed="train_32x32.mat and test_32x32.mat as they are published",
            remedy="download the file again",
        ) from error
    return Images(np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)), labels.astype(np.int64) % 10)
