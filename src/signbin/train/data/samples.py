"""Test images as PNG files: something to classify from the command line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.files import make_folder, write_bytes
from signbin.train.data.dataset import Dataset, Images

__all__ = ["write_test_images"]


def write_test_images(folder: Path, count: int, dataset: Dataset) -> tuple[Path, ...]:
    """Write ``count`` images of the held-out part as ``<class name>-<test index>.png``.

    Classes take turns, each in the test part's order, so that few images show many classes.
    Lossless: decoding a file gives the pixels of the data set. The folder is made where it is
    missing; files of the same name are replaced. Returns the paths in the order written.
    SpecError where count is not in 1..number of test images, or where Pillow is missing.
    """
    part = dataset.test
    if not isinstance(part, Images):
        raise SpecError("test images of a data set", value=dataset.name, allowed="sets in memory")
    if not 1 <= count <= len(part):
        raise SpecError("number of images", value=count, allowed=f"1..{len(part)}")
    make_folder(folder)
    paths = []
    for index in _classes_in_turn(part.labels)[:count]:
        name = dataset.class_names[part.labels[index]]
        path = folder / f"{name}-{index:04d}.png"
        write_bytes(path, _png(part.pixels[index]))
        paths.append(path)
    return tuple(paths)


def _classes_in_turn(labels: NDArray[np.int64]) -> list[int]:
    """Indices ordered by (how many of the same label came before, label)."""
    turn = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        turn[members] = np.arange(len(members))
    return [int(index) for index in np.lexsort((labels, turn))]


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """One image (C, H, W), grey or RGB, as the bytes of a PNG file."""
    try:
        from PIL import Image  # noqa: PLC0415 - only writing images needs Pillow
    except ImportError as error:
        raise SpecError(
            "writing images needs Pillow", remedy="pip install 'signbin[cli]'"
        ) from error
    plane = pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(stream, format="PNG")
    return stream.getvalue()
