"""Whether a program keeps the contract of whole numbers: the same bits as the interpreter."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.ir import Graph, interpret_node

__all__ = ["Exactness", "measure_exactness"]


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
