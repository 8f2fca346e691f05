"""Rows for functions of one number, sums, products, and what of them is constant."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from signbin.draft import Entry, Folded, Unsupported, Variable
from signbin.draft.arithmetic import affine
from signbin.draft.call import expect_modest
from signbin.draft.composed import extreme_of_values, line, power, selected
from signbin.draft.rows import broadcast, last_axes_affine
from signbin.onnx_reader.node import OnnxNode, Row, Rows

__all__ = ["ELEMENTWISE", "bounds_of", "clip", "scaled"]

_HARD_SIGMOID: Final = 1.0 / 6.0


def _as(operator: str) -> Row:
    """The operator of ATen that takes nothing but the value."""
    return lambda node: node.say(f"{operator}.default", self=node.variable())


def _two(operator: str, **more: Any) -> Row:
    """An operator of two values."""
    return lambda node: node.say(operator, self=node.entry(0), other=node.entry(1), **more)


def scaled(node: OnnxNode, x: Variable, factor: float, shift: float, suffix: str = "") -> Variable:
    """factor * x + shift."""
    if len(x.shape) not in (2, 4):
        return line(node.call({}), x, factor, shift, suffix)
    channels = x.shape[1]
    call = node.call({"self": x}, shape=x.shape)
    expect_modest(channels, "a factor")
    return affine(call, x, np.full(channels, factor), np.full(channels, shift), suffix)


def _leaky_relu(node: OnnxNode) -> Entry:
    slope = float(node.attribute("alpha", 0.01))
    return node.say("leaky_relu.default", self=node.variable(), negative_slope=slope)


def _prelu(node: OnnxNode) -> Entry:
    """Slopes broadcast to the value from its last axis on; of other shapes x+ and slope * x-."""
    x, slope = node.variable(), node.known(1)
    per_channel = (1, x.shape[1], *[1] * (len(x.shape) - 2))
    origin = getattr(node.entry(1), "origin", "")
    try:
        fitting = np.broadcast_to(slope, per_channel).reshape(-1)
    except ValueError:
        x = node.call({"self": x}).variable("self")
        above = node.say("relu.default", self=x, suffix=".above")
        below = node.say("clamp.default", self=x, min=None, max=0.0, suffix=".below")
        assert isinstance(below, Variable)
        call = node.call({"scale": Folded(slope, origin)})
        bent = last_axes_affine(call, below, np.asarray(slope), None, ".bent")
        return node.say("add.Tensor", self=above, other=bent, alpha=1)
    return node.say("prelu.default", self=x, weight=Folded(fitting, origin))


def bounds_of(node: OnnxNode) -> tuple[float | None, float | None]:
    """The least and the largest number of a Clip, None where there is none."""
    bounds = [node.stated(1, "min"), node.stated(2, "max")]
    low, high = (_number(bound) if bound is not None else None for bound in bounds)
    return low, high


def clip(node: OnnxNode) -> Entry:
    """Clip of numbers."""
    low, high = bounds_of(node)
    least, most = float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)
    return node.say(
        "clamp.default",
        self=node.variable(),
        min=None if low is None or low <= least else low,
        max=None if high is None or high >= most else high,
    )


def _number(stated: Any) -> float:
    found = np.asarray(stated, np.float64).reshape(-1)
    if found.size != 1:
        raise Unsupported(f"a bound of {found.size} numbers", "use one number")
    return float(found[0])


def _hard_sigmoid(node: OnnxNode) -> Entry:
    alpha, beta = float(node.attribute("alpha", 0.2)), float(node.attribute("beta", 0.5))
    x = node.variable()
    if math.isclose(alpha, _HARD_SIGMOID, rel_tol=1e-6) and beta == 0.5:
        return node.say("hardsigmoid.default", self=x)
    line = scaled(node, x, alpha, beta, ".line")
    return node.say("clamp.default", self=line, min=0.0, max=1.0)


def _gelu(node: OnnxNode) -> Entry:
    approximate = _text(node.attribute("approximate", "none"))
    return node.say("gelu.default", self=node.variable(), approximate=approximate)


def _text(stated: Any) -> str:
    return stated.decode() if isinstance(stated, bytes) else str(stated)


def _elu(node: OnnxNode) -> Entry:
    alpha = float(node.attribute("alpha", 1.0))
    return node.say("elu.default", self=node.variable(), alpha=alpha, scale=1, input_scale=1)


def _selu(node: OnnxNode) -> Entry:
    """gamma * elu(x, alpha)."""
    alpha = float(node.attribute("alpha", 1.67326319217681884765625))
    gamma = float(node.attribute("gamma", 1.05070102214813232421875))
    x = node.variable()
    bent = node.say("elu.default", self=x, alpha=alpha, scale=1, input_scale=1, suffix=".elu")
    assert isinstance(bent, Variable)
    return scaled(node, bent, gamma, 0.0)


def _softplus(node: OnnxNode) -> Entry:
    return node.say("softplus.default", self=node.variable(), beta=1, threshold=20)


def _swish(node: OnnxNode) -> Entry:
    """x * sigmoid(alpha * x)."""
    alpha, x = float(node.attribute("alpha", 1.0)), node.variable()
    if alpha == 1.0:
        return node.say("silu.default", self=x)
    steep = scaled(node, x, alpha, 0.0, ".scaled")
    gate = node.say("sigmoid.default", self=steep, suffix=".gate")
    return node.say("mul.Tensor", self=x, other=gate)


def _celu(node: OnnxNode) -> Entry:
    """alpha * elu(x / alpha)."""
    alpha, x = float(node.attribute("alpha", 1.0)), node.variable()
    plain: dict[str, Any] = {"alpha": 1, "scale": 1, "input_scale": 1}
    if alpha == 1.0:
        return node.say("elu.default", self=x, **plain)
    steep = scaled(node, x, 1 / alpha, 0.0, ".steep")
    bent = node.say("elu.default", self=steep, suffix=".bent", **plain)
    assert isinstance(bent, Variable)
    return scaled(node, bent, alpha, 0.0)


def _softsign(node: OnnxNode) -> Entry:
    """x / (1 + |x|)."""
    x = node.variable()
    size = node.say("abs.default", self=x, suffix=".size")
    assert isinstance(size, Variable)
    more = scaled(node, size, 1.0, 1.0, ".more")
    return node.say("div.Tensor", self=x, other=more, rounding_mode=None)


def _pow(node: OnnxNode) -> Entry:
    """Exponents that differ: all powers that occur, of which every element takes its own."""
    x, given = node.variable(), np.asarray(node.known(1), np.float64)
    exponents = np.unique(given)
    call = node.call({"self": x})
    if len(exponents) == 1 and x.shape == node.shape:
        return x if exponents[0] == 1.0 else power(call, call.variable("self"), exponents[0])
    x = broadcast(call, call.variable("self"), node.shape, ".wide")
    powers = [
        x if each == 1.0 else power(node.call({}, suffix=f".power_{at}"), x, float(each))
        for at, each in enumerate(exponents)
    ]
    places = np.searchsorted(exponents, given)
    if given.ndim == len(x.shape) - node.lead and not node.lead:
        if places.shape[0] != 1:
            raise Unsupported("exponents of every image", "make their first extent 1")
        places = places[0]
    return selected(call, powers, np.broadcast_to(places, x.shape[1:]))


def _chain(operator: str, **more: Any) -> Row:
    """Any number of values, one after the other."""

    def row(node: OnnxNode) -> Entry:
        total = node.entry(0)
        for position in range(1, len(node.inputs)):
            last = position == len(node.inputs) - 1
            total = node.say(
                operator,
                self=total,
                other=node.entry(position),
                suffix="" if last else f".{position}",
                **more,
            )
        return total

    return row


def _extreme(function: str, bound: str) -> Row:
    """Max or Min: a bound, where all others are one number."""

    def row(node: OnnxNode) -> Entry:
        if len(node.inputs) == 1:
            return node.entry(0)
        values = [p for p in range(len(node.inputs)) if isinstance(node.entry(p), Variable)]
        if len(node.inputs) == 2 and len(values) == 1 and node.known(1 - values[0]).size == 1:
            number = _number(node.known(1 - values[0]))
            limits: dict[str, Any] = {"min": None, "max": None, bound: number}
            return node.say("clamp.default", self=node.variable(values[0]), **limits)
        if len(values) < len(node.inputs):
            raise Unsupported("of values and arrays of numbers", "use it with one number")
        call = node.call({})
        given = [node.call({"self": each}).variable("self") for each in node.inputs]
        return extreme_of_values(call, given, function)

    return row


def _mean(node: OnnxNode) -> Entry:
    """Of several values."""
    if len(node.inputs) == 1:
        return node.entry(0)
    total = _chain("add.Tensor", alpha=1)(dataclasses.replace(node, names=(f"{node.name}.sum",)))
    assert isinstance(total, Variable)
    return scaled(node, total, 1 / len(node.inputs), 0.0)


def _cast(node: OnnxNode) -> Entry:
    """Of float32 to float32; another type of result has been refused before."""
    return node.variable()


def _dropout(node: OnnxNode) -> Entry:
    if node.has(2) and bool(node.known(2)):
        raise Unsupported("training mode", "export the model in eval mode")
    return node.variable()


_FUNCTIONS: Final[dict[str, Callable[[OnnxNode], Entry | tuple[Entry, ...]]]] = {
    **{name: _as(name.lower()) for name in ("Abs", "Exp", "Mish", "Relu", "Sigmoid", "Sign")},
    **{name: _as(name.lower()) for name in ("Tanh", "Reciprocal", "Neg", "Sqrt", "Log", "Erf")},
    "HardSwish": _as("hardswish"),
}

ELEMENTWISE: Final[Rows] = MappingProxyType(
    {
        **_FUNCTIONS,
        "LeakyRelu": _leaky_relu,
        "PRelu": _prelu,
        "HardSigmoid": _hard_sigmoid,
        "Gelu": _gelu,
        "Elu": _elu,
        "Selu": _selu,
        "Softplus": _softplus,
        "Swish": _swish,
        "Celu": _celu,
        "Softsign": _softsign,
        "Pow": _pow,
        "Add": _two("add.Tensor", alpha=1),
        "Sub": _two("sub.Tensor", alpha=1),
        "Mul": _two("mul.Tensor"),
        "Div": _two("div.Tensor", rounding_mode=None),
        "Sum": _chain("add.Tensor", alpha=1),
        "Mean": _mean,
        "Max": _extreme("max", "min"),
        "Min": _extreme("min", "max"),
        "Identity": lambda node: node.entry(0),
        "Cast": _cast,
        "Dropout": _dropout,
    }
)
"""Operator of ONNX -> its row."""
