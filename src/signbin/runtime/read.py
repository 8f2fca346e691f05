"""Network inputs from files: images with the stored preprocessing, or prepared .npy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError, FormatError
from signbin.ir import Value
from signbin.runtime.images import load_image
from signbin.spec import Preprocessing

__all__ = ["read_inputs"]


def read_inputs(
    paths: Sequence[Path], preprocessing: Preprocessing | None, expected: Value
) -> tuple[list[str], NDArray[np.float32]]:
    """A name per sample, and all samples in one float32 array (N, *expected).

    A ``.npy`` file holds one sample or a batch of prepared ones; samples of a batch are named
    ``path[index]``. Any other file is an image, which needs ``preprocessing``. Raises FormatError
    or ExecutionError naming the file.
    """
    names: list[str] = []
    parts: list[NDArray[np.float32]] = []
    for path in paths:
        if path.suffix == ".npy":
            array = _read_array(path, expected.type.shape[1:])
            numbered = [f"{path}[{index}]" for index in range(len(array))]
            names += numbered if len(array) > 1 else [str(path)]
            parts.append(array)
        elif preprocessing is None:
            raise ExecutionError(
                "the model says nothing about images",
                value=str(path),
                remedy="give it prepared inputs as .npy",
            )
        else:
            names.append(str(path))
            parts.append(load_image(path, preprocessing)[None])
    return names, np.concatenate(parts)


def _read_array(path: Path, image: tuple[int, ...]) -> NDArray[np.float32]:
    """Samples of the shape ``image`` from a .npy file, as (N, *image)."""
    try:
        # Mapped into memory, a file cannot claim more than it holds.
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, SyntaxError) as error:
        raise FormatError(f"{path} is not a .npy file", reason=str(error)) from error
    shape = tuple(array.shape)
    if shape[-len(image) :] != image or len(shape) - len(image) not in (0, 1) or 0 in shape:
        raise ExecutionError(f"shape of {path}", value=shape, allowed=f"{image} or (N, *{image})")
    if not np.issubdtype(array.dtype, np.floating):
        raise ExecutionError(
            f"dtype of {path}",
            value=str(array.dtype),
            allowed="float32",
            remedy="scale it as in training and save it as numpy.float32",
        )
    if not np.isfinite(array).all():
        raise ExecutionError(
            f"numbers of {path}",
            value="NaN or infinity",
            allowed="finite numbers",
            remedy="look at how it was prepared",
        )
    return np.ascontiguousarray(array.reshape(-1, *image), dtype=np.float32)
