"""Rows for functions of one number, sums, products, and what of them is constant."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from signbin.draft import Entry, Folded, Unsupported, Variable
from signbin.draft.arithmetic import affine
from signbin.onnx_reader.node import OnnxNode, Row, Rows

__all__ = ["ELEMENTWISE", "scaled"]

_HARD_SIGMOID: Final = 1.0 / 6.0


def _as(operator: str) -> Row:
    """The operator of ATen that takes nothing but the value."""
    return lambda node: node.say(f"{operator}.default", self=node.variable())


def _two(operator: str, **more: Any) -> Row:
    """An operator of two values."""
    return lambda node: node.say(operator, self=node.entry(0), other=node.entry(1), **more)


def scaled(node: OnnxNode, x: Variable, factor: float, shift: float, suffix: str = "") -> Variable:
    """factor * x + shift."""
    channels = x.shape[1]
    call = node.call({"self": x}, shape=x.shape)
    return affine(call, x, np.full(channels, factor), np.full(channels, shift), suffix)


def _leaky_relu(node: OnnxNode) -> Entry:
    slope = float(node.attribute("alpha", 0.01))
    return node.say("leaky_relu.default", self=node.variable(), negative_slope=slope)


def _prelu(node: OnnxNode) -> Entry:
    """Slopes broadcast to the value from its last axis on; one per channel is what there is."""
    x, slope = node.variable(), node.known(1)
    per_channel = (1, x.shape[1], *[1] * (len(x.shape) - 2))
    try:
        fitting = np.broadcast_to(slope, per_channel).reshape(-1)
    except ValueError:
        raise Unsupported(
            f"slopes of shape {slope.shape}", f"make their shape {per_channel}"
        ) from None
    origin = getattr(node.entry(1), "origin", "")
    return node.say("prelu.default", self=x, weight=Folded(fitting, origin))


def _clip(node: OnnxNode) -> Entry:
    bounds = [node.stated(1, "min"), node.stated(2, "max")]
    low, high = (_number(bound) if bound is not None else None for bound in bounds)
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


def _pow(node: OnnxNode) -> Entry:
    exponent = _number(node.known(1))
    x = node.variable()
    if exponent == 1.0:
        return x
    if exponent == 2.0:
        return node.say("mul.Tensor", self=x, other=x)
    if exponent == -1.0:
        return node.say("reciprocal.default", self=x)
    raise Unsupported(f"to the power of {exponent}", "use powers 1, 2 or -1")


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


def _bounded(bound: str) -> Row:
    """Max or Min with one number."""

    def row(node: OnnxNode) -> Entry:
        if len(node.inputs) == 1:
            return node.variable()
        values = [p for p in range(len(node.inputs)) if isinstance(node.entry(p), Variable)]
        if len(node.inputs) != 2 or len(values) != 1:
            raise Unsupported("of two values of the model", "use it with a number")
        number = _number(node.known(1 - values[0]))
        limits: dict[str, Any] = {"min": None, "max": None, bound: number}
        return node.say("clamp.default", self=node.variable(values[0]), **limits)

    return row


def _cast(node: OnnxNode) -> Entry:
    """Of float32 to float32; another type of result has been refused before."""
    return node.variable()


def _dropout(node: OnnxNode) -> Entry:
    if node.has(2) and bool(node.known(2)):
        raise Unsupported("training mode", "export the model in eval mode")
    return node.variable()


_FUNCTIONS: Final[dict[str, Callable[[OnnxNode], Entry | tuple[Entry, ...]]]] = {
    **{name: _as(name.lower()) for name in ("Abs", "Exp", "Mish", "Relu", "Sigmoid", "Sign")},
    **{name: _as(name.lower()) for name in ("Tanh", "Reciprocal", "Neg")},
    "HardSwish": _as("hardswish"),
}

ELEMENTWISE: Final[Rows] = MappingProxyType(
    {
        **_FUNCTIONS,
        "LeakyRelu": _leaky_relu,
        "PRelu": _prelu,
        "Clip": _clip,
        "HardSigmoid": _hard_sigmoid,
        "Gelu": _gelu,
        "Elu": _elu,
        "Selu": _selu,
        "Softplus": _softplus,
        "Swish": _swish,
        "Pow": _pow,
        "Add": _two("add.Tensor", alpha=1),
        "Sub": _two("sub.Tensor", alpha=1),
        "Mul": _two("mul.Tensor"),
        "Div": _two("div.Tensor", rounding_mode=None),
        "Sum": _chain("add.Tensor", alpha=1),
        "Max": _bounded("min"),
        "Min": _bounded("max"),
        "Identity": lambda node: node.entry(0),
        "Cast": _cast,
        "Dropout": _dropout,
    }
)
"""Operator of ONNX -> its row."""
