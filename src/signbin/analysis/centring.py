"""Which layers will sum their inputs less their mean, told from a graph that nobody has run.

A program looks at the numbers themselves, image by image. Here they are what they are of a network
with normalized sums: normal numbers of mean zero before an activation, independent of each other.
"""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np

from signbin.ir import Graph, Node, resolve
from signbin.ir.graph import ConstRef
from signbin.plan import Layer

__all__ = ["LEAST_LOSS", "LEAST_WEIGHTS", "is_centred", "mean_over_deviation"]

LEAST_LOSS: Final = 28.0
LEAST_WEIGHTS: Final = 2**16
"""As native/src/operands/centre.{c,h} have them."""
_GRID: Final = np.linspace(-8.0, 8.0, 1601)
_PASSING: Final = ("clamp", "flatten", "reshape")


def is_centred(graph: Graph, layer: Layer) -> bool:
    """Whether a layer on float32 that walks its weights probably sums inputs less their mean.

    It does where mean / deviation * sqrt(inputs) of a window is large, and it has many weights.
    """
    if layer.activations != "f32" or layer.op != "conv2d" or not layer.needs_window_total:
        return False
    if layer.inputs * layer.filters < LEAST_WEIGHTS:
        return False
    ratio = _ratio_of(graph, graph.node(layer.name).inputs[0])
    return ratio * math.sqrt(layer.inputs) > LEAST_LOSS


@functools.cache
def mean_over_deviation(slope: float, numbers: int) -> float:
    """Of the largest of some normal numbers behind an activation with a slope below zero.

    >>> round(mean_over_deviation(0.0, 1), 2), round(mean_over_deviation(0.0, 4), 2)
    (0.68, 1.56)
    """
    density = np.exp(-_GRID * _GRID / 2)
    below = np.cumsum(density)
    largest = density * (below / below[-1]) ** (numbers - 1)
    largest /= largest.sum()
    activated = np.where(_GRID > 0, _GRID, slope * _GRID)
    mean = float(largest @ activated)
    return abs(mean) / math.sqrt(float(largest @ activated**2) - mean * mean)


def _ratio_of(graph: Graph, name: str) -> float:
    """Mean over deviation of a value: 0 where no activation is found that it comes from."""
    nodes = {node.name: node for node in graph.nodes}
    pooled = 1
    while name in nodes:
        node = nodes[name]
        slope = _slope(graph, node)
        if slope is not None:
            return mean_over_deviation(slope, pooled)
        if node.op == "max_pool2d":
            window = resolve(node)["kernel"]
            pooled *= math.prod(window) if isinstance(window, tuple) else 1
        elif node.op not in _PASSING:
            return 0.0
        name = node.inputs[0]
    return 0.0


def _slope(graph: Graph, node: Node) -> float | None:
    """Below zero, of the activation that a node ends in; None without one."""
    given = resolve(node)
    kind = given.get("activation", node.op)
    if kind == "relu":
        return 0.0
    if kind not in ("leaky_relu", "prelu"):
        return None
    held = given.get("prelu") or given.get("slope")
    if isinstance(held, ConstRef):
        return float(np.mean(np.asarray(graph.constants[held.name])))
    return held if isinstance(held, float) else None
