"""Where engines part: one number of one sample, as each of them computed it."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.diagnose.exactness import node_error
from signbin.ir import Graph, interpret_node

__all__ = ["Divergence", "OwnError", "first_own_error", "odd_ones"]


@dataclasses.dataclass(frozen=True)
class OwnError:
    """A node of the program whose own arithmetic is off, whatever came before it.

    error: max |difference| / max |expected| of its result against the interpreter's, on the very
    operands that the program had.
    """

    name: str
    source: str
    error: float


@dataclasses.dataclass(frozen=True)
class Divergence:
    """The first value on which engines differ, at the place where they differ most.

    sample, place: which sample, and which element of its value. values: what every engine that
    has the value computed there. odd: the engines that differ from most of the others. own: the
    first node of the program that is wrong by itself, None where every node is right: then the
    difference is the model's (another one, other weights), or float32 rounding that grew.
    """

    name: str
    source: str
    sample: int
    place: tuple[int, ...]
    values: Mapping[str, float]
    odd: tuple[str, ...]
    own: OwnError | None

    def to_json(self) -> dict[str, Any]:
        """A JSON object of all fields; what is not finite becomes the largest double."""
        document = dataclasses.asdict(self)
        document["values"] = {name: _finite(value) for name, value in self.values.items()}
        document |= {"place": list(self.place), "odd": list(self.odd)}
        if self.own is not None:
            document["own"]["error"] = _finite(self.own.error)
        return document

    def __str__(self) -> str:
        """What is known, in one sentence each."""
        at = f"sample {self.sample}, element {self.place}"
        values = ", ".join(f"{name} {value:.7g}" for name, value in self.values.items())
        told = [f"layer {self.source or self.name} ({self.name}), {at}: {values}"]
        if self.odd:
            told.append(f"{' and '.join(self.odd)} alone")
        if self.own is None:
            told.append("every node of the program is right on its own operands")
        else:
            own = self.own
            told.append(
                f"in the program {own.source or own.name} ({own.name}) is wrong by itself: "
                f"{own.error:.1e}"
            )
        return "; ".join(told)


def _finite(value: float) -> float:
    if math.isnan(value):
        return sys.float_info.max
    return min(max(value, -sys.float_info.max), sys.float_info.max)


def odd_ones(values: Mapping[str, float], tolerance: float) -> tuple[str, ...]:
    """The engines outside the largest group that agrees to ``tolerance``; none if that is a tie.

    >>> odd_ones({"pytorch": 1.0, "interpreter": 1.0, "signbin": 2.0}, 0.1)
    ('signbin',)
    >>> odd_ones({"pytorch": 1.0, "signbin": 2.0}, 0.1)
    ()
    """
    groups = [
        {name for name, value in values.items() if _agree(value, middle, tolerance)}
        for middle in values.values()
    ]
    largest = max(groups, key=len, default=set())
    if any(len(group) == len(largest) and group != largest for group in groups):
        return ()
    return tuple(name for name in values if name not in largest)


def _agree(one: float, other: float, tolerance: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other)) or abs(one - other) <= tolerance


def first_own_error(
    graph: Graph, values: Mapping[str, NDArray[Any]], tolerance: float
) -> OwnError | None:
    """The first node of a program that computes something else than the interpreter does of its
    operands: any other code, or float32 beyond the tolerance.

    graph: the program's; values: its trace.
    """
    types, modules = graph.types(), graph.modules()
    for node in graph.nodes:
        if any(name not in values for name in (node.name, *node.inputs)):
            continue
        expected = interpret_node(graph, node, tuple(values[name] for name in node.inputs))
        floats = all(types[name].dtype == "f32" for name in (node.name, *node.inputs))
        error = node_error(values[node.name], np.asarray(expected))
        if error > (tolerance if floats else 0.0):
            return OwnError(node.name, modules[node.name], error)
    return None
