"""What a program accepts as input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.ir import Value
from signbin.runtime.pixels import channels_first, normalised
from signbin.spec import Preprocessing

__all__ = [
    "ArrayLike",
    "DLPackArray",
    "as_array",
    "as_batch",
    "as_batches",
    "as_count",
    "beyond_memory",
    "empty_batch",
]


_FLOAT32: Final = np.dtype(np.float32)
_DLPACK_CPU: Final = 1
_SHOWN: Final = 12


class DLPackArray(Protocol):
    """An array of any library that hands its memory on by DLPack."""

    def __dlpack__(self, *, stream: Any = ...) -> Any:
        """The capsule."""

    def __dlpack_device__(self) -> tuple[Any, Any]:
        """Kind and number of the device."""


ArrayLike: TypeAlias = NDArray[Any] | DLPackArray


def as_batches(
    given: tuple[ArrayLike | Mapping[str, ArrayLike], ...],
    named: Mapping[str, ArrayLike],
    expected: tuple[Value, ...],
    preprocessing: Preprocessing | None = None,
) -> list[NDArray[np.float32]]:
    """One batch for every expected input, in order, all of as many images.

    given: by position, or one mapping by name; named: by keyword. preprocessing: of images, where
    the network says it. ExecutionError where an input
    is missing, given twice or unknown, or as for :func:`as_batch`.
    """
    if len(given) == len(expected) == 1 and not named and type(given[0]) is np.ndarray:
        return [as_batch(given[0], expected[0], preprocessing)]
    names = [value.name for value in expected]
    by_name = dict(named)
    if len(given) == 1 and isinstance(given[0], Mapping):
        by_name = _merged(given[0], named)
        given = ()
    if len(given) > len(names):
        raise ExecutionError("number of inputs", value=len(given), allowed=_wanted(names))
    for name, array in zip(names, given, strict=False):
        if name in by_name:
            raise ExecutionError(f"input {name}", value="given twice", allowed="once")
        by_name[name] = cast(ArrayLike, array)
    if set(by_name) != set(names):
        raise ExecutionError("inputs", value=sorted(map(str, by_name)), allowed=_wanted(names))
    batches = [as_batch(by_name[value.name], value, preprocessing) for value in expected]
    counts = {len(batch) for batch in batches}
    if len(counts) > 1:
        raise ExecutionError(
            "images per input",
            value=[len(batch) for batch in batches],
            allowed="the same number for every input",
        )
    return batches


def _merged(
    mapping: Mapping[str, ArrayLike], named: Mapping[str, ArrayLike]
) -> dict[str, ArrayLike]:
    twice = sorted(set(mapping) & set(named))
    if twice:
        raise ExecutionError(f"input {twice[0]}", value="given twice", allowed="once")
    return {**mapping, **named}


def _wanted(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN))
    return f"one array for each of {shown}" if len(names) > 1 else f"one array, {shown}"


def as_batch(
    given: ArrayLike, expected: Value, preprocessing: Preprocessing | None = None
) -> NDArray[np.float32]:
    """given as contiguous float32 of shape (N, *expected), N >= 1; ExecutionError otherwise.

    Along axes that are free any extent will do. Arrays that DLPack knows are read where they lie.
    Real floating types are cast. Bytes are images, (N, C, H, W) or (N, H, W, C), where the network
    says how they are prepared; other integers are refused: nothing says how they are scaled.
    """
    extents = expected.type.shape[1:]
    if type(given) is np.ndarray and given.dtype == _FLOAT32 and given.flags.c_contiguous:
        plain: NDArray[np.float32] = given
        if plain.shape[1:] == extents and plain.ndim and len(plain):
            return plain
    name = f"input {expected.name}"
    images = as_array(given, name)
    if images.dtype == np.uint8 and preprocessing is not None:
        images = channels_first(images, preprocessing.channels)
    elif not np.issubdtype(images.dtype, np.floating):
        raise ExecutionError(
            f"dtype of {name}",
            value=str(images.dtype),
            allowed="float32, or another floating type"
            + (", or uint8 images" if preprocessing is not None else ""),
            remedy=_dtype_remedy(images),
        )
    if not _fits(images.shape, expected):
        wanted = ", ".join(
            "any" if axis in expected.free else str(extent)
            for axis, extent in enumerate(extents, start=1)
        )
        raise ExecutionError(
            f"shape of {name}",
            value=images.shape,
            allowed=f"(N, {wanted}) with N >= 1",
            remedy=_shape_remedy(images.shape, expected),
        )
    try:
        if images.dtype == np.uint8 and preprocessing is not None:
            return normalised(images, preprocessing)
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, as in numpy
            return np.ascontiguousarray(images, dtype=np.float32)
    except MemoryError as error:
        raise beyond_memory(len(images)) from error


def _dtype_remedy(images: NDArray[Any]) -> str:
    if images.dtype == np.uint8:
        return (
            "compile it with a ModelCard whose preprocessing says how pixels become numbers, or "
            "scale them as in training"
        )
    return "scale it as in training and convert it with .astype(numpy.float32)"


def _fits(shape: tuple[int, ...], expected: Value) -> bool:
    wanted = expected.type.shape
    return len(shape) == len(wanted) and all(
        extent >= 1 and (axis in expected.free or extent == wanted[axis] or axis == 0)
        for axis, extent in enumerate(shape)
    )


def _shape_remedy(shape: tuple[int, ...], expected: Value) -> str:
    if _fits((1, *shape), expected):
        return "add the batch axis with array[None]"
    same = len(shape) == len(expected.type.shape) > 2 and shape[1] == expected.type.shape[1]
    return "compile it with free_sizes=True (--free-sizes) for any size" if same else ""


def as_array(given: ArrayLike, name: str) -> NDArray[Any]:
    """A numpy array, or a view of one that DLPack knows; ExecutionError for anything else."""
    array = given if isinstance(given, np.ndarray) else _from_dlpack(given, name)
    if isinstance(array, np.ma.MaskedArray):
        raise ExecutionError(
            name,
            value="a masked array",
            allowed="an array whose every number counts",
            remedy="say what masked numbers are with .filled(value)",
        )
    return array


def _from_dlpack(given: object, name: str) -> NDArray[Any]:
    """A view of another library's array."""
    kind = type(given).__name__
    device = getattr(given, "__dlpack_device__", None)
    if device is None:
        raise ExecutionError(
            name,
            value=kind,
            allowed="a numpy array, or one that DLPack knows, as PyTorch's tensors",
            remedy="convert it with numpy.asarray",
        )
    try:
        elsewhere = int(device()[0]) != _DLPACK_CPU
    except (BufferError, RuntimeError, ValueError):  # PyTorch's, for devices DLPack cannot name
        elsewhere = True
    if elsewhere:
        raise ExecutionError(
            f"device of {name}", value=kind, allowed="the CPU", remedy="copy it there: x.cpu()"
        )
    try:
        return np.from_dlpack(given)  # type: ignore[arg-type]  # whatever has the protocol
    except (BufferError, RuntimeError, TypeError) as error:
        raise ExecutionError(
            name,
            value=f"{kind}: {error}",
            allowed="an array that numpy can read by DLPack",
            remedy="of PyTorch: x.detach().float()",
        ) from error


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
