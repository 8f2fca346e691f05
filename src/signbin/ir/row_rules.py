"""Shape rules of operations along axes, whatever the rank of a value.

Axes are counted from the batch, which is axis 0 and never one of theirs.
"""

from __future__ import annotations

import math

import numpy as np

from signbin.ir.graph import BATCH
from signbin.ir.schema import MAX_ELEMENTS, Arguments, Shape

__all__ = [
    "any_last_axes",
    "any_shape",
    "any_vector",
    "constant",
    "expand",
    "last_axes",
    "layer_norm",
    "matmul",
    "reduce",
    "slice_",
    "softmax",
    "take",
    "transpose",
]


def softmax(arguments: Arguments) -> Shape:
    """The shape of the input, which has the axis."""
    _expect_axes(arguments, arguments.integer("axis"), 1)
    return arguments.inputs[0].shape


def reduce(arguments: Arguments) -> Shape:
    """The shape of the input with 1 for every axis that is gone through."""
    axis, count = arguments.integer("axis"), arguments.integer("count")
    _expect_axes(arguments, axis, count)
    shape = arguments.inputs[0].shape
    return (*shape[:axis], *(1,) * count, *shape[axis + count :])


def layer_norm(arguments: Arguments) -> Shape:
    """The shape of the input, which has so many axes behind the batch."""
    axes = arguments.integer("axes")
    _expect_axes(arguments, len(arguments.inputs[0].shape) - axes, axes)
    return arguments.inputs[0].shape


def last_axes(arguments: Arguments) -> tuple[int | None, ...]:
    """Shape of a constant with one number for every element of the last ``axes`` axes."""
    axes = arguments.integer("axes")
    _expect_axes(arguments, len(arguments.inputs[0].shape) - axes, axes)
    return arguments.inputs[0].shape[-axes:]


def any_last_axes(arguments: Arguments) -> tuple[int | None, ...]:
    """Shape of a constant with one number for every element of some of the last axes."""
    names = [name for name in ("scale", "bias") if arguments.has(name)]
    if not names:
        raise arguments.refusal("constants", value=None, allowed="scale, bias or both")
    shapes = [arguments.constant_shape(name) for name in names]
    image = arguments.inputs[0].shape[1:]
    if len(shapes[0]) > len(image):
        raise arguments.refusal(
            f"axes of {names[0]}", value=len(shapes[0]), allowed=f"at most {len(image)}"
        )
    return image[len(image) - len(shapes[0]) :]


def any_shape(arguments: Arguments) -> tuple[int | None, ...]:
    """Shape of a constant that has the shape it has."""
    return arguments.constant_shape("value")


def any_vector(arguments: Arguments) -> tuple[int | None, ...]:
    """Shape of a vector of any length."""
    del arguments
    return (None,)


def take(arguments: Arguments) -> Shape:
    """The input with as many elements of the axis as there are indices, whole numbers within it."""
    axis = arguments.integer("axis")
    _expect_axes(arguments, axis, 1)
    shape, indices = arguments.inputs[0].shape, arguments.array("indices")
    if indices.ndim != 1:
        raise arguments.refusal("indices", value=indices.shape, allowed="a vector")
    wrong = indices[(indices < 0) | (indices >= shape[axis]) | (indices != np.floor(indices))]
    if wrong.size:
        raise arguments.refusal(
            "indices", value=float(wrong[0]), allowed=f"whole numbers 0..{shape[axis] - 1}"
        )
    result = (*shape[:axis], len(indices), *shape[axis + 1 :])
    if math.prod(result[1:]) > MAX_ELEMENTS:
        raise arguments.refusal("elements", value=result, allowed=f"<= {MAX_ELEMENTS}")
    return result


def matmul(arguments: Arguments) -> Shape:
    """[N, ..., A, C] of [N, ..., A, B] and [N, ..., B, C], equal in all but the last two axes."""
    first, second = (type_.shape for type_ in arguments.inputs)
    fits = len(first) == len(second) > 2 and first[:-2] == second[:-2] and first[-1] == second[-2]
    if not fits:
        raise arguments.refusal(
            "inputs",
            value=f"{arguments.inputs[0]}, {arguments.inputs[1]}",
            allowed="[N, ..., A, B] and [N, ..., B, C]",
        )
    result = (*first[:-1], second[-1])
    if math.prod(result[1:]) > MAX_ELEMENTS:
        raise arguments.refusal("elements", value=result, allowed=f"<= {MAX_ELEMENTS}")
    return result


def transpose(arguments: Arguments) -> Shape:
    """Axis a of the result is axis order[a] of the input."""
    order, shape = arguments.numbers("order"), arguments.inputs[0].shape
    if sorted(order) != list(range(1, len(shape))):
        raise arguments.refusal(
            "order", value=order, allowed=f"axes 1..{len(shape) - 1}, each of them once"
        )
    return (BATCH, *(shape[axis] for axis in order))


def slice_(arguments: Arguments) -> Shape:
    """The input with ``count`` of the axis, the last of which lies within it."""
    axis, first = arguments.integer("axis"), arguments.integer("first")
    count, step = arguments.integer("count"), arguments.integer("step")
    _expect_axes(arguments, axis, 1)
    shape = arguments.inputs[0].shape
    if first + (count - 1) * step >= shape[axis]:
        raise arguments.refusal(
            "slice", value=(first, count, step), allowed=f"within the axis of {shape[axis]}"
        )
    return (*shape[:axis], count, *shape[axis + 1 :])


def expand(arguments: Arguments) -> Shape:
    """[N, *shape], equal to the input where that has more than one element."""
    shape, given = arguments.numbers("shape"), arguments.inputs[0].shape[1:]
    fits = len(shape) == len(given) and all(
        extent in (1, wanted) for extent, wanted in zip(given, shape, strict=True)
    )
    if not fits or math.prod(shape) > MAX_ELEMENTS:
        raise arguments.refusal(
            "shape",
            value=shape,
            allowed=f"{given} with other numbers for ones, {MAX_ELEMENTS} elements at most",
        )
    return (BATCH, *shape)


def constant(arguments: Arguments) -> Shape:
    """[N, *value's shape]."""
    return (BATCH, *arguments.constant_shape("value"))


def _expect_axes(arguments: Arguments, first: int, count: int) -> None:
    rank = len(arguments.inputs[0].shape)
    if not 1 <= first <= first + count <= rank:
        raise arguments.refusal(
            "axes", value=(first, count), allowed=f"axes 1..{rank - 1} of {arguments.inputs[0]}"
        )
