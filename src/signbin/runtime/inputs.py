"""What a program accepts as input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.ir import Value

__all__ = ["as_batch", "as_count", "beyond_memory", "empty_batch"]


def as_batch(images: NDArray[Any], expected: Value) -> NDArray[np.float32]:
    """images as contiguous float32 of shape (N, *expected), N >= 1; ExecutionError otherwise.

    Real floating types are cast. Integers are refused: nothing says how they are scaled.
    """
    name = f"input {expected.name}"
    if not isinstance(images, np.ndarray):
        raise ExecutionError(
            name,
            value=type(images).__name__,
            allowed="a numpy array",
            remedy="convert it with numpy.asarray",
        )
    if isinstance(images, np.ma.MaskedArray):
        raise ExecutionError(
            name,
            value="a masked array",
            allowed="an array whose every number counts",
            remedy="say what masked numbers are with .filled(value)",
        )
    if not np.issubdtype(images.dtype, np.floating):
        raise ExecutionError(
            f"dtype of {name}",
            value=str(images.dtype),
            allowed="float32, or another floating type",
            remedy="scale it as in training and convert it with .astype(numpy.float32)",
        )
    extents = expected.type.shape[1:]
    if images.ndim != len(extents) + 1 or images.shape[1:] != extents or not len(images):
        wanted = ", ".join(str(extent) for extent in extents)
        raise ExecutionError(
            f"shape of {name}",
            value=images.shape,
            allowed=f"(N, {wanted}) with N >= 1",
            remedy="add the batch axis with array[None]" if images.shape == extents else "",
        )
    try:
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, as in numpy
            return np.ascontiguousarray(images, dtype=np.float32)
    except MemoryError as error:
        raise beyond_memory(len(images)) from error


def as_count(count: int, name: str, most: int = 1_000_000) -> int:
    """count, if it is a whole number from 1 to ``most``; ExecutionError otherwise."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise ExecutionError(name, value=count, allowed=f"1..{most}")
    return count


def empty_batch(batch: int, extents: tuple[int, ...]) -> NDArray[np.float32]:
    """An uninitialised float32 array (batch, *extents); ExecutionError beyond memory."""
    try:
        return np.empty((batch, *extents), np.float32)
    except (MemoryError, ValueError) as error:
        raise beyond_memory(batch) from error


def beyond_memory(batch: int) -> ExecutionError:
    """The error of a batch that does not fit."""
    return ExecutionError(
        "a batch beyond memory", value=f"{batch} images", remedy="use a smaller batch"
    )
