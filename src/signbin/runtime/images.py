"""From an image file to the input of a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from signbin.centre_crop import MOST_PIXELS, centre_crop, open_encoded, open_photograph
from signbin.errors import ExecutionError, FormatError
from signbin.runtime.pixels import normalised
from signbin.spec import Preprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["decode_image", "load_image"]


def load_image(path: str | os.PathLike[str], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """(C, H, W) float32: decode, resize, crop the centre, scale to [0, 1], normalise.

    Resized and cut as :func:`signbin.centre_crop.centre_crop` says. Transparency is dropped, 16-bit
    grey is scaled to 8 bits. FormatError for a file that is no image or has too many pixels,
    FileNotFoundError for none at all, ExecutionError where Pillow is missing.
    """
    return _prepared(partial(open_photograph, Path(path)), str(path), preprocessing)


def decode_image(content: bytes, name: str, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """:func:`load_image` for the content of a file; ``name`` is what errors call it."""
    return _prepared(partial(open_encoded, content), name, preprocessing)


def _prepared(
    open_image: Callable[[], Image], name: str, preprocessing: Preprocessing
) -> NDArray[np.float32]:
    try:
        import PIL.Image  # noqa: PLC0415, F401 - an extra, loaded on first use
    except ImportError as error:
        raise ExecutionError(
            "image files need Pillow", remedy="pip install 'signbin[cli]', or pass .npy arrays"
        ) from error
    try:
        with open_image() as image:
            fitted = centre_crop(_decoded(image, preprocessing.channels), preprocessing)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever Pillow raises on bytes that nobody wrote
        raise FormatError(
            "image file",
            value=name,
            reason=str(error),
            allowed=f"an image that Pillow can read, of at most {MOST_PIXELS} pixels",
        ) from error
    size = (preprocessing.height, preprocessing.width, preprocessing.channels)
    pixels = np.asarray(fitted, np.uint8).reshape(1, *size).transpose(0, 3, 1, 2)
    (prepared,) = normalised(pixels, preprocessing)
    return np.asarray(prepared)


def _decoded(image: Image, channels: int) -> Image:
    if image.mode.startswith("I;16"):
        wide: NDArray[Any] = np.asarray(image)
        from PIL import Image as pillow  # noqa: PLC0415, N813

        image = pillow.fromarray((wide >> 8).astype(np.uint8))
    return image.convert("L" if channels == 1 else "RGB")
