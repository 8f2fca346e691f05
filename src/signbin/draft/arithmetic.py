"""Rows of the operator table for sums, differences, products and quotients.

Of two values they are ops of their own. With a number, or a parameter of one number per channel,
they are one affine function per channel, y = factor[c] * x + shift[c]: a batch_norm that measures
nothing, or a channel_bias where the factor is 1, which passes fold into the layers around them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.draft.call import Call, Entry, Folded, Unsupported, Variable, shown
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
    return affine(call, x, np.full(x.shape[1], -1.0), np.zeros(x.shape[1]))


def multiply(call: Call) -> Entry:
    """self * other; two values may differ as the op multiply allows."""
    first, second = call.get("self"), call.get("other")
    if isinstance(first, Variable) and isinstance(second, Variable):
        return _product(call, call.variable("self"), call.variable("other"))
    name, constant = ("self", "other") if isinstance(first, Variable) else ("other", "self")
    x = call.variable(name)
    return affine(call, x, _vector(call, constant, x, "multiplies"), np.zeros(x.shape[1]))


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
        factor = _vector(call, "self", inverse, "divides")
        return affine(call, inverse, factor, np.zeros(inverse.shape[1]))
    x = call.variable("self")
    divisor = _vector(call, "other", x, "divides")
    if not divisor.all():
        raise Unsupported("divides by zero", "divide by numbers other than zero")
    return affine(call, x, 1.0 / divisor, np.zeros(x.shape[1]))


def affine(call: Call, x: Variable, factor: Vector, shift: Vector, suffix: str = "") -> Variable:
    """factor[c] * x + shift[c]."""
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


def _product(call: Call, x: Variable, y: Variable) -> Entry:
    large, small = (x, y) if call.shape == x.shape else (y, x)
    pixels = large.shape[2:]
    fits = len(small.shape) == len(large.shape) and small.shape[1] in (1, large.shape[1])
    if call.shape != large.shape or not fits or small.shape[2:] not in (pixels, (1,) * len(pixels)):
        raise Unsupported(
            f"multiplies {shown(x.shape)} and {shown(y.shape)}",
            "multiply tensors of equal shape, or by one of [N, C, 1, 1] or [N, 1, H, W]",
        )
    return call.emit("multiply", (x, y), {})


def _sum(call: Call, first: str, second: str, plus: float, times: float) -> Entry:
    """plus * first + times * second."""
    both = [isinstance(call.get(name), Variable) for name in (first, second)]
    if all(both):
        return _sum_of_values(call, call.variable(first), call.variable(second), times)
    name, constant = (first, second) if both[0] else (second, first)
    factor, share = (plus, times) if both[0] else (times, plus)
    x = call.variable(name)
    if factor == share == 1.0:  # under the parameter's own name
        array = _vector(call, constant, x, "adds").astype(np.float32)
        return call.emit("channel_bias", (x,), {"bias": call.constant(constant, array)}, x.shape)
    shift = share * _vector(call, constant, x, "adds")
    return affine(call, x, np.full(x.shape[1], factor), shift)


def _sum_of_values(call: Call, x: Variable, y: Variable, times: float) -> Entry:
    if x.shape != y.shape:
        raise Unsupported(
            f"adds {shown(x.shape)} and {shown(y.shape)}", "add tensors of equal shape"
        )
    if abs(times) != 1.0:
        y = affine(call, y, np.full(y.shape[1], times), np.zeros(y.shape[1]), ".scaled")
        return call.emit("add", (x, y), {})
    return call.emit("add" if times > 0 else "subtract", (x, y), {})


def _vector(call: Call, argument: str, x: Variable, does: str) -> Vector:
    """A number or parameter as one number per channel of x."""
    given: Any = call.get(argument)
    array = call.array(argument) if isinstance(given, Folded) else np.asarray(given, np.float64)
    per_channel = (1, x.shape[1]) + (1,) * (len(x.shape) - 2)
    try:
        return np.broadcast_to(array, per_channel).reshape(-1).astype(np.float64)
    except ValueError:
        raise Unsupported(
            f"{does} a parameter of shape {array.shape} to {shown(x.shape)}"
            if does == "adds"
            else f"{does} {shown(x.shape)} by a parameter of shape {array.shape}",
            f"make its shape {per_channel}: one number per channel",
        ) from None
