"""Functions that exporters write as several nodes, told from the last of them, a product.

x * sigmoid(x) and the like, and GELU as x * (1 + erf(x / sqrt 2)) / 2 in any order of its factors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from onnx import NodeProto, helper

__all__ = ["Function", "function_of"]

Function = tuple[str, str]
"""The operator of ATen, and the name of what it is applied to."""
_Number = Callable[[str], float | None]
"""The number that a name stands for, None for anything else."""

_CLOSE: Final = 1e-5
_MOST_STEPS: Final = 4
_HARD_SIGMOID: Final = 1.0 / 6.0


def function_of(
    node: NodeProto, producers: Mapping[str, NodeProto], number: _Number
) -> Function | None:
    """What a product is a function of one number of; None where it is no such thing."""
    if node.op_type != "Mul" or node.domain not in ("", "ai.onnx"):
        return None
    for factor, x, gate in _factors(node, producers, number):
        if _is_gelu(factor, x, gate, producers, number):
            return "gelu.default", x
        made = producers.get(gate)
        if factor == 1.0 and made is not None and list(made.input[:1]) == [x]:
            if made.op_type == "Sigmoid":
                return "silu.default", x
            if made.op_type == "HardSigmoid" and _is_usual(made):
                return "hardswish.default", x
        if factor == 1.0 and made is not None and made.op_type == "Tanh":
            inner = producers.get(made.input[0])
            if inner is not None and inner.op_type == "Softplus" and inner.input[0] == x:
                return "mish.default", x
    return None


def _is_usual(node: NodeProto) -> bool:
    stated = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    alpha, beta = float(stated.get("alpha", 0.2)), float(stated.get("beta", 0.5))
    return abs(alpha - _HARD_SIGMOID) < _CLOSE and abs(beta - 0.5) < _CLOSE


def _factors(
    node: NodeProto, producers: Mapping[str, NodeProto], number: _Number
) -> Iterator[tuple[float, str, str]]:
    """The product as factor * x * gate, in every way that it can be seen as one."""
    factor, inner = _by_number(node, number)
    if inner:
        below = producers.get(inner)
        if below is None or below.op_type != "Mul":
            return
        node = below
    if len(node.input) != 2:
        return
    first, second = node.input
    for x, gate in ((first, second), (second, first)):
        yield factor, x, gate
        made = producers.get(x)
        if made is not None:
            more, base = _by_number(made, number)
            if base:
                yield factor * more, base, gate


def _by_number(node: NodeProto, number: _Number) -> tuple[float, str]:
    """The number that a node multiplies by, and what; no name where it does something else."""
    if node.op_type not in ("Mul", "Div") or len(node.input) != 2:
        return 1.0, ""
    first, second = (number(name) for name in node.input)
    if second is not None and second and node.op_type == "Div":
        return 1.0 / second, node.input[0]
    if node.op_type == "Mul" and (first is None) != (second is None):
        return (second, node.input[0]) if second is not None else (first or 0.0, node.input[1])
    return 1.0, ""


def _line(
    name: str, producers: Mapping[str, NodeProto], number: _Number
) -> tuple[float, float, str]:
    """The value as a * base + b: the base is what sums and products with numbers begin with."""
    a, b = 1.0, 0.0
    for _ in range(_MOST_STEPS):
        node = producers.get(name)
        if node is None:
            break
        factor, inner = _by_number(node, number)
        if inner:
            a, name = a * factor, inner
            continue
        if node.op_type != "Add" or len(node.input) != 2:
            break
        shifts = [number(each) for each in node.input]
        if (shifts[0] is None) == (shifts[1] is None):
            break
        at = 0 if shifts[0] is None else 1
        b, name = b + a * (shifts[1 - at] or 0.0), node.input[at]
    return a, b, name


def _is_gelu(
    factor: float, x: str, gate: str, producers: Mapping[str, NodeProto], number: _Number
) -> bool:
    """factor * (a * erf(x / sqrt 2) + b) with both halves a half."""
    a, b, base = _line(gate, producers, number)
    erf = producers.get(base)
    if erf is None or erf.op_type != "Erf":
        return False
    inner = producers.get(erf.input[0])
    if inner is None:
        return False
    steep, given = _by_number(inner, number)
    halves = abs(factor * a - 0.5) < _CLOSE and abs(factor * b - 0.5) < _CLOSE
    return given == x and halves and abs(steep - math.sqrt(0.5)) < _CLOSE
