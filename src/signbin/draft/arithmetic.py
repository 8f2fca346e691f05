"""Rows of the operator table for sums, differences, products and quotients.

Of two values they are ops of their own. With a number, or a parameter of one number per channel,
they are one affine function per channel, y = factor[c] * x + shift[c]: a batch_norm that measures
nothing, or a channel_bias where the factor is 1, which passes fold into the layers around them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.draft.call import Call, Entry, Folded, Unsupported, Variable, expect_modest
from signbin.draft.rows import broadcast, last_axes_affine
from signbin.ir import AttributeValue

__all__ = ["add", "divide", "multiply", "negate", "subtract", "subtract_from"]

Vector: TypeAlias = NDArray[np.float64]


def add(call: Call) -> Entry:
    """self + alpha * other, either of them a value of the graph."""
    return _sum(call, "self", "other", 1.0, float(call.get("alpha")))


def subtract(call: Call) -> Entry:
    """self - alpha * other."""
    return _sum(call, "self", "other", 1.0, -float(call.get("alpha")))


def subtract_from(call: Call) -> Entry:
    """other - alpha * self (rsub)."""
    return _sum(call, "other", "self", 1.0, -float(call.get("alpha")))


def negate(call: Call) -> Entry:
    """-self."""
    x = call.variable("self")
    return affine(call, x, _full(x, -1.0), _full(x, 0.0))


def multiply(call: Call) -> Entry:
    """self * other; two values may differ as the op multiply allows."""
    first, second = call.get("self"), call.get("other")
    if isinstance(first, Variable) and isinstance(second, Variable):
        return _product(call, call.variable("self"), call.variable("other"))
    name, constant = ("self", "other") if isinstance(first, Variable) else ("other", "self")
    x = call.variable(name)
    factor = _given(call, constant)
    if not _per_channel(factor, x):
        return last_axes_affine(call, x, factor, None)
    return affine(call, x, _vector(factor, x), _full(x, 0.0))


def divide(call: Call) -> Entry:
    """self / other: of values a product with the reciprocal."""
    call.expect("rounding_mode", None, "divide without rounding")
    first, second = call.get("self"), call.get("other")
    if isinstance(second, Variable):
        inverse = call.emit(
            "unary",
            (call.variable("other"),),
            {"function": "reciprocal"},
            second.shape,
            suffix=".reciprocal",
        )
        if isinstance(first, Variable):
            return _product(call, call.variable("self"), inverse)
        factor = _given(call, "self")
        if not _per_channel(factor, inverse):
            return last_axes_affine(call, inverse, factor, None)
        return affine(call, inverse, _vector(factor, inverse), _full(inverse, 0.0))
    x, divisor = call.variable("self"), _given(call, "other")
    if not divisor.all():
        raise Unsupported("divides by zero", "divide by numbers other than zero")
    if not _per_channel(divisor, x):
        return last_axes_affine(call, x, 1.0 / divisor, None)
    return affine(call, x, 1.0 / _vector(divisor, x), _full(x, 0.0))


def affine(call: Call, x: Variable, factor: Vector, shift: Vector, suffix: str = "") -> Variable:
    """factor[c] * x + shift[c]."""
    expect_modest(x.shape[1], "a factor")
    with np.errstate(over="ignore"):
        scale, bias = factor.astype(np.float32), shift.astype(np.float32)
    if not (np.isfinite(scale).all() and np.isfinite(bias).all()):
        raise Unsupported("a constant is beyond float32", "use smaller numbers")
    if (scale == 1).all():
        return call.emit(
            "channel_bias", (x,), {"bias": call.constant("shift", bias)}, x.shape, suffix
        )
    attributes: dict[str, AttributeValue] = {
        "scale": call.constant("factor", scale),
        "bias": call.constant("shift", bias),
        "mean": call.constant("mean", np.zeros_like(scale)),
        "variance": call.constant("variance", np.ones_like(scale)),
        "epsilon": 0.0,
    }
    return call.emit("batch_norm", (x,), attributes, x.shape, suffix)


def _full(x: Variable, number: float) -> Vector:
    """The number once for every channel, which takes no memory."""
    return np.broadcast_to(np.float64(number), (x.shape[1],))


def _product(call: Call, x: Variable, y: Variable) -> Entry:
    large, small = (x, y) if call.shape == x.shape else (y, x)
    pixels = large.shape[2:]
    fits = len(small.shape) == len(large.shape) and small.shape[1] in (1, large.shape[1])
    if call.shape != large.shape or not fits or small.shape[2:] not in (pixels, (1,) * len(pixels)):
        x, y = _as_large(call, x, y)
    return call.emit("multiply", (x, y), {})


def _as_large(call: Call, x: Variable, y: Variable) -> tuple[Variable, Variable]:
    """Both as large as their sum or product."""
    if call.shape is None:
        raise Unsupported("its result is not one tensor")
    return broadcast(call, x, call.shape, ".first"), broadcast(call, y, call.shape, ".second")


def _sum(call: Call, first: str, second: str, plus: float, times: float) -> Entry:
    """plus * first + times * second."""
    both = [isinstance(call.get(name), Variable) for name in (first, second)]
    if all(both):
        return _sum_of_values(call, call.variable(first), call.variable(second), times)
    name, constant = (first, second) if both[0] else (second, first)
    factor, share = (plus, times) if both[0] else (times, plus)
    x, given = call.variable(name), _given(call, constant)
    if not _per_channel(given, x):
        scale = None if factor == 1.0 else np.array(factor)
        return last_axes_affine(call, x, scale, share * given)
    if factor == share == 1.0:  # under the parameter's own name
        array = _vector(given, x).astype(np.float32)
        return call.emit("channel_bias", (x,), {"bias": call.constant(constant, array)}, x.shape)
    shift = share * _vector(given, x)
    return affine(call, x, _full(x, factor), shift)


def _sum_of_values(call: Call, x: Variable, y: Variable, times: float) -> Entry:
    if x.shape != y.shape:
        x, y = _as_large(call, x, y)
    if abs(times) != 1.0:
        y = affine(call, y, _full(y, times), _full(y, 0.0), ".scaled")
        return call.emit("add", (x, y), {})
    return call.emit("add" if times > 0 else "subtract", (x, y), {})


def _given(call: Call, argument: str) -> Vector:
    """A number or a parameter, whatever its shape."""
    given: Any = call.get(argument)
    array = call.array(argument) if isinstance(given, Folded) else np.asarray(given)
    return np.asarray(array, np.float64)


def _per_channel(array: Vector, x: Variable) -> bool:
    """Whether it is one number per channel, or for all; rows have theirs along the last axis."""
    if len(x.shape) not in (2, 4) and array.ndim == 0:
        return False
    try:
        np.broadcast_to(array, (1, x.shape[1]) + (1,) * (len(x.shape) - 2))
    except ValueError:
        return False
    return True


def _vector(array: Vector, x: Variable) -> Vector:
    """One number per channel of x."""
    return np.broadcast_to(array, (1, x.shape[1]) + (1,) * (len(x.shape) - 2)).reshape(-1)
