"""Rows of the operator table for functions that several ops of the IR make together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.draft.call import (
    Call,
    Entry,
    Folded,
    NodeBuilder,
    Unsupported,
    Variable,
    expect_modest,
)
from signbin.draft.rows import axis_of, broadcast, last_axes_affine, reduced, sliced
from signbin.ir import BATCH, AttributeValue

__all__ = [
    "COMPOSED_ROWS",
    "extreme_of_values",
    "function_of",
    "line",
    "log_of_sums",
    "log_softmax",
    "power",
    "selected",
]

_MOST_FACTORS: Final = 8
_LARGEST_WHOLE: Final = 1000.0
_SELU_ALPHA: Final = 1.6732632423543772
_SELU_GAMMA: Final = 1.0507009873554805


def function_of(call: Call, x: Variable, function: str, suffix: str = "") -> Variable:
    """A function of every element that takes nothing else."""
    return call.emit("unary", (x,), {"function": function}, x.shape, suffix)


def line(call: Call, x: Variable, factor: float, shift: float, suffix: str = "") -> Variable:
    """factor * x + shift."""
    scale = None if factor == 1.0 else np.array(factor)
    bias = None if shift == 0.0 and scale is not None else np.array(shift)
    return last_axes_affine(call, x, scale, bias, suffix)


def power(call: Call, x: Variable, exponent: float) -> Variable:
    """X^exponent; of exponents that are no whole numbers or small halves e^(exponent * log x)."""
    if exponent == 0:
        return call.emit("clamp", (x,), {"low": 1.0, "high": 1.0}, x.shape)
    if exponent == math.floor(exponent) and abs(exponent) > _MOST_FACTORS:
        return _by_squaring(call, x, exponent)
    halves = 2 * exponent
    if halves != math.floor(halves) or not 0 < abs(exponent) <= _MOST_FACTORS:
        log = function_of(call, x, "log", ".log")
        return function_of(call, line(call, log, exponent, 0.0, ".exponent"), "exp")
    whole, half = divmod(int(abs(halves)), 2)
    negative = exponent < 0
    made: Variable | None = None
    for number in range(whole):
        last = number == whole - 1 and not half and not negative
        made = x if made is None else _product(call, made, x, "" if last else f".power_{number}")
    if half:
        last = not negative
        root = function_of(call, x, "sqrt", "" if last and made is None else ".root")
        made = root if made is None else _product(call, made, root, "" if last else ".product")
    assert made is not None
    return function_of(call, made, "reciprocal") if negative else made


def _by_squaring(call: Call, x: Variable, exponent: float) -> Variable:
    """The product of those of x, x^2, x^4, ... that the bits of a whole exponent name."""
    whole, negative = abs(exponent), exponent < 0
    if whole > _LARGEST_WHOLE:
        raise Unsupported(f"to the power of {exponent:g}", "use one of a thousand at most")
    bits = [bit for bit in range(int(whole).bit_length()) if int(whole) >> bit & 1]
    square, made = x, x if bits[0] == 0 else None
    for bit in range(1, bits[-1] + 1):
        only = bits == [bit] and not negative
        square = _product(call, square, square, "" if only else f".square_{bit}")
        if bit in bits:
            last = bit == bits[-1] and not negative
            suffix = "" if last else f".power_{bit}"
            made = square if made is None else _product(call, made, square, suffix)
    assert made is not None  # the last bit is set
    return function_of(call, made, "reciprocal") if negative else made


def _product(call: Call, x: Variable, y: Variable, suffix: str) -> Variable:
    return call.emit("multiply", (x, y), {}, x.shape, suffix)


def _reduced(call: Call, x: Variable, function: str, axes: Sequence[int], part: str) -> Variable:
    named = Call(f"{call.name}.{part}", call.source, {}, None, call.drafted)
    made = reduced(named, x, function, list(axes), keep=True)
    assert isinstance(made, Variable)
    return made


def _less(call: Call, x: Variable, y: Variable, suffix: str) -> Variable:
    """X - y, y repeated to the shape of x."""
    wide = broadcast(call, y, x.shape, f"{suffix}.wide")
    return call.emit("subtract", (x, wide), {}, x.shape, suffix)


def log_of_sums(
    call: Call, x: Variable, axes: Sequence[int], suffix: str = ""
) -> tuple[Variable, Variable]:
    """x - its largest, and log of the sum of e^ of that, along axes that keep one element.

    Nothing overflows on the way.
    """
    most = _reduced(call, x, "max", axes, f"most{suffix}")
    below = _less(call, x, most, f"{suffix}.below")
    powers = function_of(call, below, "exp", f"{suffix}.powers")
    total = _reduced(call, powers, "sum", axes, f"total{suffix}")
    return below, function_of(call, total, "log", f"{suffix}.log")


def log_softmax(call: Call, x: Variable, axis: int) -> Variable:
    """x - log of the sum of e^x along an axis."""
    below, log = log_of_sums(call, x, [axis])
    return _less(call, below, log, "")


def extreme_of_values(call: Call, values: Sequence[Variable], function: str) -> Variable:
    """The largest (max) or least (min) of several values, element by element."""
    assert call.shape is not None
    made = _stacked(
        call, [broadcast(call, x, call.shape, f".wide_{n}") for n, x in enumerate(values)]
    )
    one = (BATCH, 1, *call.shape[1:])
    best = call.emit("reduce", (made,), {"function": function, "axis": 1}, one)
    return Variable(best.name, call.shape, best.stored)


def selected(call: Call, values: Sequence[Variable], which: NDArray[np.intp]) -> Variable:
    """Of several values of one shape every element of the one that ``which`` says for it."""
    if len(values) == 1:
        return values[0]
    shape = values[0].shape
    expect_modest(len(values) * math.prod(values[0].shape[1:]), "a list")
    made = _stacked(call, values)
    flat = Variable(made.name, (BATCH, math.prod(made.shape[1:])), made.stored)
    held = call.drafted.reshaped(flat, call.source)
    places = which.reshape(-1) * which.size + np.arange(which.size)
    attributes: dict[str, AttributeValue] = {
        "axis": 1,
        "indices": call.constant("places", places.astype(np.float32)),
    }
    taken = call.emit("take", (held,), attributes, (BATCH, which.size))
    return Variable(taken.name, shape, taken.stored)


def _stacked(call: Call, values: Sequence[Variable]) -> Variable:
    """Values of one shape behind one another, along an axis of their own before all others."""
    shape = values[0].shape
    layers = [Variable(each.name, (BATCH, 1, *shape[1:]), each.stored) for each in values]
    seen = tuple(call.drafted.reshaped(each, call.source) for each in layers)
    return call.emit("concat", seen, {}, (BATCH, len(seen), *shape[1:]), ".joined")


def _pairwise(function: str) -> NodeBuilder:
    def build(call: Call) -> Entry:
        first, second = call.get("self"), call.get("other")
        if isinstance(first, Folded) or isinstance(second, Folded):
            raise Unsupported("with a parameter", "use clamp with a number")
        values = (call.variable("self"), call.variable("other"))
        return extreme_of_values(call, values, function)

    return build


def _power(call: Call) -> Entry:
    x = call.get("self")
    if not isinstance(x, Variable):
        raise Unsupported("raises a number to a value", "use exp of a product")
    exponent: Any = call.get("exponent")
    if float(exponent) == 1.0:
        return x
    return power(call, call.variable("self"), float(exponent))


def _root(call: Call) -> Entry:
    return power(call, call.variable("self"), -0.5)


def _selu(call: Call) -> Entry:
    """gamma * elu(x, alpha) (Klambauer et al. 2017)."""
    x = call.variable("self")
    attributes: dict[str, AttributeValue] = {"function": "elu", "alpha": _SELU_ALPHA}
    bent = call.emit("unary", (x,), attributes, x.shape, ".elu")
    return line(call, bent, _SELU_GAMMA, 0.0)


def _celu(call: Call) -> Entry:
    """alpha * elu(x / alpha)."""
    x, alpha = call.variable("self"), float(call.get("alpha"))
    steep = x if alpha == 1.0 else line(call, x, 1 / alpha, 0.0, ".steep")
    bent = function_of(call, steep, "elu", "" if alpha == 1.0 else ".elu")
    return bent if alpha == 1.0 else line(call, bent, alpha, 0.0)


def _log_sigmoid(call: Call) -> Entry:
    """-softplus(-x)."""
    x = call.variable("self")
    turned = line(call, x, -1.0, 0.0, ".turned")
    return line(call, function_of(call, turned, "softplus", ".softplus"), -1.0, 0.0)


def _glu(call: Call) -> Entry:
    """One half of an axis times the sigmoid of the other."""
    x = call.variable("self")
    axis = axis_of(call, call.get("dim"), len(x.shape))
    half = x.shape[axis] // 2
    value = sliced(call, x, axis, (0, half, 1), ".value")
    gate = function_of(call, sliced(call, x, axis, (half, half, 1), ".half"), "sigmoid", ".gate")
    return call.emit("multiply", (value, gate), {}, value.shape)


def _spread(*, root: bool) -> NodeBuilder:
    """Mean of squares around the mean, times n / (n - correction), or its root."""

    def build(call: Call) -> Entry:
        x, dims = call.variable("self"), call.get("dim")
        if not dims:
            raise Unsupported("variance over all axes, the batch too", "state dim")
        axes = sorted(axis_of(call, axis, len(x.shape)) for axis in dims)
        count = math.prod(x.shape[axis] for axis in axes)
        left = count - _correction(call)
        if left <= 0:
            raise Unsupported(f"variance of {count} numbers", "use more")
        centred = _less(call, x, _reduced(call, x, "mean", axes, "mean"), ".centred")
        square = _product(call, centred, centred, ".square")
        made = _reduced(call, square, "mean", axes, "squares")
        if left != count:
            made = line(call, made, count / left, 0.0, ".variance" if root else "")
        made = function_of(call, made, "sqrt") if root else made
        if call.get("keepdim"):
            return made
        kept = tuple(extent for axis, extent in enumerate(made.shape) if axis not in axes)
        if len(kept) < 2:
            raise Unsupported("leaves one number per image, without an axis", "pass keepdim=True")
        return Variable(made.name, kept, made.stored)

    return build


def _correction(call: Call) -> float:
    """What is taken off the count: 1 unless another is stated."""
    if "unbiased" in call.arguments:
        return float(bool(call.get("unbiased")))
    stated = call.arguments.get("correction")
    return 1.0 if stated is None else float(stated)


def _extreme_of_axis(function: str) -> NodeBuilder:
    """max and min of an axis: their values alone, where nothing reads the places."""

    def build(call: Call) -> Entry:
        x = call.variable("self")
        axis = axis_of(call, call.get("dim"), len(x.shape))
        return reduced(call, x, function, [axis], bool(call.get("keepdim")))

    return build


def _square(call: Call) -> Entry:
    return power(call, call.variable("self"), 2.0)


def _log_softmax(call: Call) -> Entry:
    x = call.variable("self")
    return log_softmax(call, x, axis_of(call, call.get("dim"), len(x.shape)))


COMPOSED_ROWS: Final[tuple[tuple[NodeBuilder, tuple[str, ...]], ...]] = (
    (_power, ("pow.Tensor_Scalar",)),
    (_root, ("rsqrt.default",)),
    (_square, ("square.default",)),
    (_selu, ("selu.default",)),
    (_celu, ("celu.default",)),
    (_log_sigmoid, ("log_sigmoid.default",)),
    (_glu, ("glu.default",)),
    (_spread(root=False), ("var.correction", "var.dim")),
    (_spread(root=True), ("std.correction", "std.dim")),
    (_extreme_of_axis("max"), ("max.dim",)),
    (_extreme_of_axis("min"), ("min.dim",)),
    (_log_softmax, ("log_softmax.int", "_log_softmax.default")),
    (_pairwise("max"), ("maximum.default",)),
    (_pairwise("min"), ("minimum.default",)),
)
