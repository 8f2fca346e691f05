"""Numpy references of operations along axes; as in reference.py, sums are float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.ir.requantization import Held
from signbin.ir.schema import Arguments, Array

__all__ = [
    "REDUCTIONS",
    "affine",
    "constant",
    "expand",
    "expand_codes",
    "layer_norm",
    "matmul",
    "reduce",
    "slice_",
    "slice_codes",
    "softmax",
    "take",
    "take_codes",
    "transpose",
    "transpose_codes",
]

REDUCTIONS: Final[Mapping[str, Callable[..., Array]]] = MappingProxyType(
    {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}
)
"""What may be made of the elements along an axis; NaN propagates."""


def softmax(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = e^x / sum of e^x along the axis."""
    axis = arguments.integer("axis")
    powers = np.exp(inputs[0] - inputs[0].max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def reduce(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """The sum, mean, largest or least along the axes."""
    axis = arguments.integer("axis")
    axes = tuple(range(axis, axis + arguments.integer("count")))
    return REDUCTIONS[arguments.word("function")](inputs[0], axis=axes, keepdims=True)


def layer_norm(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the last axes."""
    axes = tuple(range(-arguments.integer("axes"), 0))
    steps = inputs[0] - inputs[0].mean(axis=axes, keepdims=True)
    variance = (steps**2).mean(axis=axes, keepdims=True)
    return _scaled(arguments, steps / np.sqrt(variance + arguments.real("epsilon")))


def affine(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Scale * x + bias; constants are the same for all but their own axes."""
    return _scaled(arguments, inputs[0])


def matmul(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Products of matrices in the last two axes."""
    del arguments
    return np.asarray(inputs[0] @ inputs[1])


def constant(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """The value, once for every image."""
    value = arguments.array("value")
    return np.broadcast_to(value, (len(inputs[0]), *value.shape))


def transpose(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Axes in another order."""
    return inputs[0].transpose(0, *arguments.numbers("order"))


def transpose_codes(arguments: Arguments, _constants: object, inputs: tuple[Held, ...]) -> Held:
    """The same of codes."""
    return inputs[0].transpose(0, *arguments.numbers("order"))


def slice_(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Every step-th element of an axis, from the first on."""
    return inputs[0][_taken(arguments)]


def slice_codes(arguments: Arguments, _constants: object, inputs: tuple[Held, ...]) -> Held:
    """The same of codes."""
    return inputs[0][_taken(arguments)]


def take(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Elements of an axis by their places."""
    return np.take(inputs[0], _places(arguments), arguments.integer("axis"))


def take_codes(arguments: Arguments, _constants: object, inputs: tuple[Held, ...]) -> Held:
    """The same of codes."""
    return np.take(inputs[0], _places(arguments), arguments.integer("axis"))


def _places(arguments: Arguments) -> NDArray[np.intp]:
    return arguments.array("indices").astype(np.intp)


def expand(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Axes of one element repeated."""
    return np.broadcast_to(inputs[0], (len(inputs[0]), *arguments.numbers("shape")))


def expand_codes(arguments: Arguments, _constants: object, inputs: tuple[Held, ...]) -> Held:
    """The same of codes."""
    return np.broadcast_to(inputs[0], (len(inputs[0]), *arguments.numbers("shape")))


def _taken(arguments: Arguments) -> tuple[slice, ...]:
    first, count = arguments.integer("first"), arguments.integer("count")
    step = arguments.integer("step")
    along = slice(first, first + (count - 1) * step + 1, step)
    return (*(slice(None),) * arguments.integer("axis"), along)


def _scaled(arguments: Arguments, x: Array) -> Array:
    x = x * arguments.array("scale") if arguments.has("scale") else x
    return x + arguments.array("bias") if arguments.has("bias") else x
