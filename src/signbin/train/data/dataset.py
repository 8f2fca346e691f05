"""What every data set is to the training loop, whatever it was read from."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.locks import kept_property
from signbin.spec import Preprocessing
from signbin.train.data.image_files import ImageFiles

__all__ = ["Dataset", "Images", "Part", "normalize"]


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Labelled images as they would be decoded from files.

    pixels: uint8, (N, C, H, W). labels: int64, (N,), indices into the class names.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 4 or not self.pixels.size:
            raise SpecError(
                "pixels of a data set",
                value=(str(self.pixels.dtype), self.pixels.shape),
                allowed="uint8 of shape (N, C, H, W), not empty",
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.pixels.shape[:1]:
            raise SpecError(
                "labels of a data set",
                value=(str(self.labels.dtype), self.labels.shape),
                allowed=f"int64 of shape {self.pixels.shape[:1]}",
            )
        for array in (self.pixels, self.labels):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: NDArray[np.int64]) -> Images:
        """The images at ``indices``, in that order."""
        return Images(self.pixels[indices], self.labels[indices])


Part: TypeAlias = Images | ImageFiles
"""The training or the held-out images: in memory, or in their files."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A training part, a held-out part, and how an image file becomes the network's input.

    name: in DATASETS. title: what to write beside figures measured on it. SpecError for a label
    outside the class names.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    train: Part
    test: Part

    def __post_init__(self) -> None:
        for part in (self.train, self.test):
            low, high = int(part.labels.min()), int(part.labels.max())
            if low < 0 or high >= len(self.class_names):
                raise SpecError(
                    f"labels of data set {self.name}",
                    value=low if low < 0 else high,
                    allowed=f"0..{len(self.class_names) - 1}, one per class name",
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return (
            self.preprocessing.channels,
            self.preprocessing.height,
            self.preprocessing.width,
        )

    @kept_property
    def sha256(self) -> str:
        """Hash of all pixels and labels in order, training part first, as 64 hex digits.

        Two runs with the same hash saw the same data, split the same way. Of images that stay in
        their files, names and sizes stand for the pixels.
        """
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            if isinstance(part, ImageFiles):
                digest.update(part.fingerprint())
                continue
            digest.update(repr(part.pixels.shape).encode())
            digest.update(np.ascontiguousarray(part.pixels).tobytes())
            digest.update(part.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def normalize(pixels: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """x[n, c] = (pixel[n, c] / 255 - mean[c]) / std[c], float32; pixels (N, C, H, W), 0..255.

    The same numbers the runtime computes from an image file of the network's size.
    """
    expected = (preprocessing.channels, preprocessing.height, preprocessing.width)
    if pixels.shape[1:] != expected:
        raise SpecError("image shape", value=pixels.shape[1:], allowed=str(expected))
    mean = np.asarray(preprocessing.mean, np.float32).reshape(1, -1, 1, 1)
    std = np.asarray(preprocessing.std, np.float32).reshape(1, -1, 1, 1)
    normalized: NDArray[np.float32] = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return normalized
