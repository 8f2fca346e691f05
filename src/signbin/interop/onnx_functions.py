"""How the functions of one value are written in standard ONNX operators: one table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from signbin.interop.onnx_step import OnnxStep

__all__ = ["FUNCTIONS"]


def _function(operator: str, **attributes: Any) -> Callable[[OnnxStep], str]:
    """A function that is one operator of ONNX."""
    return lambda step: step.add(operator, [step.source], **attributes)


def _gelu(step: OnnxStep) -> None:
    """x * ((1 + Erf(x / sqrt 2)) / 2)."""
    scaled = step.add("Mul", [step.source, step.scalar("root", math.sqrt(0.5))], "scaled")
    _half_and_half(step, step.add("Erf", [scaled], "erf"))


def _gelu_tanh(step: OnnxStep) -> None:
    """x * ((1 + Tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2)."""
    square = step.add("Mul", [step.source, step.source], "square")
    slope = step.add("Mul", [square, step.scalar("cubic", 0.044715)], "slope")
    grown = step.add("Add", [slope, step.scalar("one", 1.0)], "grown")
    product = step.add("Mul", [step.source, grown], "product")
    scaled = step.add("Mul", [product, step.scalar("root", math.sqrt(2 / math.pi))], "scaled")
    _half_and_half(step, step.add("Tanh", [scaled], "tanh"))


def _half_and_half(step: OnnxStep, value: str) -> None:
    """x * (value / 2 + 1 / 2)."""
    half = step.scalar("half", 0.5)
    gate = step.add("Add", [step.add("Mul", [value, half], "halved"), half], "gate")
    step.add("Mul", [step.source, gate])


def _mish(step: OnnxStep) -> None:
    gate = step.add("Tanh", [step.add("Softplus", [step.source], "softplus")], "gate")
    step.add("Mul", [step.source, gate])


def _binary_sign(step: OnnxStep) -> None:
    """-1 where x < 0, else 1."""
    negative = step.add("Less", [step.source, step.scalar("zero", 0.0)], "negative")
    step.add("Where", [negative, step.scalar("minus", -1.0), step.scalar("one", 1.0)])


FUNCTIONS: Final[Mapping[str, Callable[[OnnxStep], object]]] = {
    "abs": _function("Abs"),
    "binary_sign": _binary_sign,
    "elu": lambda step: step.add("Elu", [step.source], alpha=step.attributes["alpha"]),
    "erf": _function("Erf"),
    "exp": _function("Exp"),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_sigmoid": _function("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_swish": _function("HardSwish"),
    "log": _function("Log"),
    "mish": _mish,
    "reciprocal": _function("Reciprocal"),
    "sigmoid": _function("Sigmoid"),
    "sign": _function("Sign"),
    "silu": lambda step: step.add("Mul", [step.source, step.add("Sigmoid", [step.source], "gate")]),
    "softplus": _function("Softplus"),
    "sqrt": _function("Sqrt"),
    "tanh": _function("Tanh"),
}
