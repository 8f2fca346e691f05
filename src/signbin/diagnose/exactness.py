"""Whether every node of a program computes what the interpreter does of the same operands."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.ir import Graph, interpret_node

__all__ = [
    "Exactness",
    "FloatNodes",
    "measure_exactness",
    "measure_float_nodes",
    "node_error",
    "rounds_floats",
]


@dataclasses.dataclass(frozen=True)
class Exactness:
    """Every node that reads or writes codes, against the interpreter on the same operands.

    values: numbers and codes compared. differing: how many are not equal; NaN equals NaN. first:
    the first node found with one that differs.
    """

    values: int = 0
    differing: int = 0
    first: str | None = None

    def joined(self, other: Exactness) -> Exactness:
        """Over the samples of both."""
        return Exactness(
            self.values + other.values, self.differing + other.differing, self.first or other.first
        )


@dataclasses.dataclass(frozen=True)
class FloatNodes:
    """Every node that reads and writes float32 alone, against the interpreter on its operands.

    nodes: how many. max_relative_error: the largest max |difference| / max |expected| of one of
    them, inf where only one side is finite; worst: its name, None where there are no such nodes.
    """

    nodes: int = 0
    max_relative_error: float = 0.0
    worst: str | None = None


def measure_float_nodes(graph: Graph, values: Mapping[str, NDArray[Any]]) -> FloatNodes:
    """Recompute every float32 node from a program's own values; values: a program's trace."""
    types = graph.types()
    count, largest, worst = 0, 0.0, None
    for node in graph.nodes:
        known = all(name in values for name in (node.name, *node.inputs))
        if not known or any(types[name].dtype != "f32" for name in (node.name, *node.inputs)):
            continue
        expected = interpret_node(graph, node, tuple(values[name] for name in node.inputs))
        count, error = count + 1, node_error(values[node.name], expected)
        if worst is None or error > largest:
            largest, worst = error, node.name
    return FloatNodes(count, largest, worst)


def node_error(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    """max |difference| / max |expected|, inf where only one side is finite; NaN equals NaN."""
    wide, wanted = actual.astype(np.float64), expected.astype(np.float64)
    same = (wide == wanted) | (np.isnan(wide) & np.isnan(wanted))
    if same.all():
        return 0.0
    if not (np.isfinite(wide[~same]).all() and np.isfinite(wanted[~same]).all()):
        return float("inf")
    largest = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0))
    return float(np.abs(wide[~same] - wanted[~same]).max()) / (largest or 1.0)


def rounds_floats(graph: Graph) -> bool:
    """Whether codes are made of numbers that a float32 node computed.

    Such a number may differ in its last bit from one implementation to the next, and next to the
    middle between two codes become the other one: then outputs agree to some codes, not to the
    last bits of float32, although every node is right.
    """
    types = graph.types()
    computed: set[str] = set()
    for node in graph.nodes:
        if types[node.name].dtype == "u8":
            if computed.intersection(node.inputs):
                return True
        elif all(types[name].dtype == "f32" for name in node.inputs):
            computed.add(node.name)
    return False


def measure_exactness(graph: Graph, values: Mapping[str, NDArray[Any]]) -> Exactness | None:
    """Recompute every node on codes from a program's own values; None for a graph without any.

    values: a program's trace, codes as uint8. Each node is judged on the operands the program had,
    so a float32 layer before it, which may round differently, is not held against it.
    """
    types = graph.types()
    found = None
    for node in graph.nodes:
        if all(types[name].dtype == "f32" for name in (node.name, *node.inputs)):
            continue
        found = found or Exactness()
        if any(name not in values for name in (node.name, *node.inputs)):
            continue
        expected = interpret_node(graph, node, tuple(values[name] for name in node.inputs))
        actual = values[node.name]
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        differing = int(np.count_nonzero(~same))
        found = found.joined(Exactness(expected.size, differing, node.name if differing else None))
    return found
