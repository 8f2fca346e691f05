"""Photographs of any size, cut to a network's input; none with more pixels than memory is for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

from signbin.files import read_bytes
from signbin.spec import Preprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MOST_PIXELS", "centre_crop", "open_encoded", "open_photograph"]

MOST_PIXELS: Final = 2**26
"""Of an image file, and of it resized."""
_MOST_FILE_BYTES: Final = 2**28


def open_photograph(path: Path) -> Image:
    """The image in a file, not decoded yet.

    OSError, ValueError, SyntaxError or Pillow's DecompressionBombError and -Warning for a file
    that is none, that is no regular file, or that claims more than MOST_PIXELS.
    """
    return open_encoded(read_bytes(path, _MOST_FILE_BYTES))


def open_encoded(content: bytes) -> Image:
    """:func:`open_photograph` for the content of a file."""
    from PIL import Image as pillow  # noqa: PLC0415, N813 - an extra, loaded on first use

    image: Image = pillow.open(io.BytesIO(content))
    _check_pixels("it has", image.size)
    return image


def centre_crop(image: Image, preprocessing: Preprocessing) -> Image:
    """Shorter side resized to ``preprocessing.resize``, then the centre cut out.

    Bilinear, with Pillow's antialiasing when shrinking; the longer side in proportion, rounded
    down. Without ``resize``, straight to (height, width): an image at least as large is averaged
    over the area of every pixel, which blurs no edge and undoes an enlargement by whole factors;
    others are bilinear. ValueError for an image so long and thin that it would have more than
    MOST_PIXELS on the way.
    """
    from PIL.Image import Resampling  # noqa: PLC0415

    width, height = preprocessing.width, preprocessing.height
    if preprocessing.resize is None:
        shrinks = image.width >= width and image.height >= height
        return image.resize((width, height), Resampling.BOX if shrinks else Resampling.BILINEAR)
    resize, shorter = preprocessing.resize, min(image.size)
    scaled = (
        max(image.width * resize // shorter, resize),
        max(image.height * resize // shorter, resize),
    )
    _check_pixels(f"with {resize} pixels on its shorter side it would have", scaled)
    resized = image.resize(scaled, Resampling.BILINEAR)
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return resized.crop((left, top, left + width, top + height))


def _check_pixels(words: str, size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise ValueError(f"{words} {size[0]} x {size[1]} pixels, more than {MOST_PIXELS}")
