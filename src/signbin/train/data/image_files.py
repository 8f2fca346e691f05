"""Labelled photographs that stay in their files until they are needed."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from signbin.centre_crop import MOST_PIXELS, centre_crop, open_photograph
from signbin.errors import FormatError, SpecError
from signbin.spec import Preprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageFiles", "open_image"]


@dataclasses.dataclass(frozen=True, eq=False)
class ImageFiles:
    """Paths relative to ``root``, their sizes in bytes, and labels, int64 (N,)."""

    root: Path
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not self.names or not len(self.names) == len(self.sizes) == len(self.labels):
            raise SpecError(
                "image files",
                value=(len(self.names), len(self.sizes), len(self.labels)),
                allowed="as many names as sizes and labels, at least one",
            )
        self.labels.setflags(write=False)

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: NDArray[np.int64]) -> ImageFiles:
        """The files at ``indices``, in that order."""
        names = tuple(self.names[index] for index in indices)
        sizes = tuple(self.sizes[index] for index in indices)
        return ImageFiles(self.root, names, sizes, self.labels[indices])

    def read(self, index: int) -> Image:
        """One photograph, decoded, RGB; FormatError, naming the file, where it is damaged."""
        return open_image(self.root / self.names[index])

    def read_centre(self, index: int, preprocessing: Preprocessing) -> Image:
        """One photograph, cut as :func:`centre_crop` says; FormatError as for :meth:`read`."""
        try:
            return centre_crop(self.read(index), preprocessing)
        except ValueError as error:
            raise _unusable(self.root / self.names[index], error) from error

    def fingerprint(self) -> bytes:
        """Hash of names, sizes and labels: not of the pixels, which would take hours to read."""
        listing = repr((self.names, self.sizes, self.labels.tolist()))
        return hashlib.sha256(listing.encode()).digest()


def open_image(path: Path) -> Image:
    """The image in a file, decoded completely, RGB; FormatError where that cannot be done."""
    try:
        import PIL.Image  # noqa: F401, PLC0415 - only image files need Pillow
    except ImportError as error:
        raise SpecError(
            "reading images needs Pillow", remedy="pip install 'signbin[cli]'"
        ) from error
    try:
        with open_photograph(path) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"pixels of mode {image.mode}, more than 8 bits")
            return image.convert("RGB")
    except Exception as error:  # whatever Pillow raises on bytes that nobody wrote
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> FormatError:
    return FormatError(
        f"image {path} cannot be used: {error}",
        allowed=f"a complete image of 8 bits a channel, of at most {MOST_PIXELS} pixels",
        remedy="replace the file, or remove it",
    )
