"""The inputs of an ONNX model: which there are, of which extents, and arrays to try them with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper

from signbin.errors import SpecError

__all__ = ["batch_axes", "example_arrays", "free_inputs", "shapes_of", "stated_batch"]

_IMAGES: Final = 2  # of a batch that is free


def free_inputs(model: ModelProto) -> tuple[ValueInfoProto, ...]:
    """What a caller gives: inputs that have no initialiser."""
    known = {tensor.name for tensor in model.graph.initializer}
    return tuple(each for each in model.graph.input if each.name not in known)


def batch_axes(inputs: Sequence[ValueInfoProto]) -> dict[str, tuple[int, ...]]:
    """The axes of every input that count images: an open first one, and all of its symbol."""
    dims = {each.name: each.type.tensor_type.shape.dim for each in inputs}
    symbols = {each[0].dim_param for each in dims.values() if len(each)} - {""}
    return {
        name: tuple(
            axis
            for axis, dim in enumerate(each)
            if dim.dim_value < 1 and (axis == 0 or dim.dim_param in symbols)
        )
        for name, each in dims.items()
    }


def stated_batch(model: ModelProto) -> int | None:
    """The number of images that the first input states; None where it is free."""
    extents = [_extents(each) for each in free_inputs(model)]
    return (extents[0][0] if extents and extents[0] else None) or None


def example_arrays(
    model: ModelProto, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[NDArray[Any], ...]:
    """An array for every input: noise where it takes floats, else zeros.

    shapes: extents after the batch, by input, for those that leave some open. SpecError for an
    input that is none, extents that are not those it states, and open ones that nobody says.
    """
    inputs = free_inputs(model)
    unknown = sorted(set(shapes) - {each.name for each in inputs})
    if unknown:
        names = ", ".join(each.name for each in inputs)
        raise SpecError("--input-shape", value=unknown[0], allowed=f"an input: {names}")
    return tuple(_example(each, shapes.get(each.name)) for each in inputs)


def shapes_of(model: ModelProto, examples: Sequence[Any]) -> dict[str, tuple[int, ...]]:
    """Extents after the batch, by input, of example arrays or tensors; none where there are none.

    SpecError where there are not as many as inputs, or where one does not fit what its input
    states.
    """
    inputs = free_inputs(model)
    if not examples:
        return {}
    if len(examples) != len(inputs):
        names = ", ".join(each.name for each in inputs)
        raise SpecError("example inputs", value=len(examples), allowed=f"one each for {names}")
    given = {
        info.name: tuple(int(extent) for extent in each.shape[1:])
        for info, each in zip(inputs, examples, strict=True)
    }
    for info in inputs:
        _expect_fitting(info, given[info.name])
    return given


def _extents(info: ValueInfoProto) -> tuple[int, ...]:
    """0 where an extent is open."""
    return tuple(max(0, each.dim_value) for each in info.type.tensor_type.shape.dim)


def _words(info: ValueInfoProto) -> str:
    dims = info.type.tensor_type.shape.dim
    return "(" + ", ".join(str(each.dim_value or each.dim_param or "?") for each in dims) + ")"


def _example(info: ValueInfoProto, shape: Sequence[int] | None) -> NDArray[Any]:
    extents = _extents(info)
    if shape is not None:
        _expect_fitting(info, shape)
        extents = (*extents[:1], *shape)
    if 0 in extents[1:]:
        example = ",".join(str(each or 224) for each in extents[1:])
        raise SpecError(
            f"input {info.name} of the model",
            value=_words(info),
            allowed="extents that are all known",
            remedy=f"state them: --input-shape {info.name}={example}; from Python, example_inputs",
        )
    extents = tuple(each or _IMAGES for each in extents)
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))
    if not np.issubdtype(kind, np.floating):
        return np.zeros(extents, kind)
    return np.random.default_rng(0).standard_normal(extents).astype(kind)


def _expect_fitting(info: ValueInfoProto, shape: Sequence[int]) -> None:
    stated = _extents(info)[1:]
    fits = len(shape) == len(stated) and all(
        extent in (0, given) for extent, given in zip(stated, shape, strict=True)
    )
    if not fits or any(each < 1 for each in shape):
        raise SpecError(
            f"shape of input {info.name}", value=tuple(shape), allowed=f"what fits {_words(info)}"
        )
