"""How far float32 may take a network whose sums cancel, as those of binary weights do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.ir import Graph, Node
from signbin.ir.graph import ConstRef
from signbin.spec import LowBitWeight, ValueSet

__all__ = ["rounding_bounds"]

_LONGEST_WALK: Final = 1024
"""Inputs that a walk adds one after the other, most of them; then its sum starts anew."""


def rounding_bounds(graph: Graph, values: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Of every float32 value: how far from exact, relative to its largest number, it may be.

    Low-bit weights w = a q + b are applied as a S + b T, S the sum of the inputs where q is 1 and T
    of all inputs under the window; binary ones, of -a and a, as 2 a S - a T. Where inputs are not
    negative both parts are far larger than their difference, and its relative error with them:

        e(node) = sqrt(n) / 2 * 2^-24 * (|factor of S| + |factor of T|) * max T(|x|) / max |y|
        bound(node) = e(node) + the largest bound of what it reads

    n: inputs of a filter, of one walk at most 1024: roundings of a running sum add up like a random
    walk. graph: lowered; values: its values on some samples, from an engine that is not in doubt
    where one has them. Nodes of other weights add nothing here: they keep to what any float32
    engine does.
    """
    bounds = {value.name: 0.0 for value in graph.inputs}
    for node in graph.nodes:
        inherited = max((bounds.get(name, 0.0) for name in node.inputs), default=0.0)
        bounds[node.name] = inherited + _own(graph, node, values)
    return bounds


def _own(graph: Graph, node: Node, values: Mapping[str, NDArray[Any]]) -> float:
    reference = node.attributes.get("weight")
    weight = graph.constants[reference.name] if isinstance(reference, ConstRef) else None
    floats = all(graph.type_of(name).dtype == "f32" for name in (node.name, *node.inputs))
    known = all(name in values for name in (node.name, node.inputs[0])) if node.inputs else False
    if not isinstance(weight, LowBitWeight) or not floats or not known:
        return 0.0
    largest = float(np.abs(values[node.name]).max(initial=0.0))
    x = np.abs(values[node.inputs[0]].astype(np.float64))
    axis = 1 if node.op == "conv2d" else -1
    taps, inputs = math.prod(weight.shape[2:]), math.prod(weight.shape[1:])
    window = float(x.sum(axis=axis).max(initial=0.0)) * taps
    units = math.sqrt(min(inputs, _LONGEST_WALK)) / 2 * 2.0**-24
    relative = units * _factors(weight) * window / (largest or 1.0)
    return relative if np.isfinite(relative) else 0.0


def _factors(weight: LowBitWeight) -> float:
    """|factor of S| + |factor of T|, of the filter where it is largest."""
    scale = np.abs(weight.scale.astype(np.float64))
    if weight.value_set is ValueSet.BINARY:
        return float((3 * scale).max(initial=0.0))
    offset = 0.0 if weight.offset is None else np.abs(weight.offset.astype(np.float64))
    return float((scale + offset).max(initial=0.0))
