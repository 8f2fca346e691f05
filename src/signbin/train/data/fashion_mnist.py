"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 60,000 + 10,000 grey images of 28x28 pixels.

Ten kinds of clothes. Read from the four published files, gzip or unpacked; Debian's package
``dataset-fashion-mnist`` installs them where they are looked for.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import FormatError
from signbin.spec import Preprocessing
from signbin.train.data.dataset import Dataset, Images

__all__ = ["DEBIAN_FOLDER", "fashion_mnist"]

DEBIAN_FOLDER: Final = Path("/usr/share/datasets/fashion-mnist")
"""Where ``apt-get install dataset-fashion-mnist`` puts the files."""

_CLASSES: Final = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
_SIZE: Final = 28
# Mean and standard deviation of pixel / 255 over the training part, the usual four digits.
_MEAN: Final = (0.2860,)
_STD: Final = (0.3530,)
_MOST_IMAGES: Final = 1_000_000


def fashion_mnist(root: Path | None = None) -> Dataset:
    """The data set in the folder ``root``, or where Debian's package puts it.

    FormatError for a file that is missing or damaged, or a label outside 0..9.
    """
    folder = DEBIAN_FOLDER if root is None else root
    return Dataset(
        name="fashion_mnist",
        title="Fashion-MNIST",
        class_names=_CLASSES,
        preprocessing=Preprocessing(1, _SIZE, _SIZE, mean=_MEAN, std=_STD),
        train=_part(folder, "train"),
        test=_part(folder, "t10k"),
    )


def _part(folder: Path, name: str) -> Images:
    pixels = _read(folder / f"{name}-images-idx3-ubyte", (_SIZE, _SIZE))
    labels = _read(folder / f"{name}-labels-idx1-ubyte", ())
    if len(pixels) != len(labels) or labels.max() >= len(_CLASSES):
        raise FormatError(
            f"Fashion-MNIST part {name} in {folder}",
            value=f"{len(pixels)} images, {len(labels)} labels up to {labels.max()}",
            allowed="a label in 0..9 for every image",
        )
    return Images(pixels[:, None], labels.astype(np.int64))


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 (N, *shape) of an IDX file: magic number, extents (big-endian int32), then the data."""
    zipped = path.with_name(f"{path.name}.gz")
    found = zipped if zipped.exists() else path
    try:
        with gzip.open(found) if found is zipped else found.open("rb") as file:
            head = np.frombuffer(file.read(4 * (2 + len(shape))), ">u4")
            count = _checked_count(head, shape)
            # One byte more than there should be is enough to see that there are too many.
            data = file.read(count * math.prod(shape) + 1)
        if len(data) != count * math.prod(shape):
            raise ValueError(f"{len(data)} bytes of data for {count} items")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise FormatError(
            f"Fashion-MNIST file {path}[.gz] cannot be used",
            reason=str(error),
            allowed="the four files as they are published",
            remedy="apt-get install dataset-fashion-mnist, or give their folder: "
            "--set data.folder=PATH",
        ) from error
    return np.frombuffer(data, np.uint8).reshape(count, *shape)


def _checked_count(head: NDArray[np.uint32], shape: tuple[int, ...]) -> int:
    """N of a header; ValueError unless it is one of bytes of that shape."""
    magic = 0x0800 + 1 + len(shape)
    if len(head) != 2 + len(shape) or head[0] != magic or tuple(head[2:].tolist()) != shape:
        raise ValueError(f"header {head.tolist()} instead of {[magic, 'N', *shape]}")
    if not 0 < head[1] <= _MOST_IMAGES:
        raise ValueError(f"{head[1]} items instead of 1..{_MOST_IMAGES}")
    return int(head[1])
