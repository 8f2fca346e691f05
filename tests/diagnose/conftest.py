"""A small graph, its values by the interpreter, and a program that can be made to err."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest

from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, interpret

_IMAGE = TensorType("f32", (BATCH, 2, 4, 4))


@dataclasses.dataclass
class ErringProgram:
    """The interpreter in a program's clothes; ``errors`` is added to its values by name.

    fused: values it does not have. final_error: added to the plain call only.
    """

    graph: Graph
    errors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    fused: frozenset[str] = frozenset()
    final_error: float = 0.0
    largest_batch: int = 0

    def trace(self, array):
        self.largest_batch = max(self.largest_batch, len(array))
        values = interpret(self.graph, {"x": array})
        return {
            name: value + np.float32(self.errors.get(name, 0))
            for name, value in values.items()
            if name not in self.fused
        }

    def __call__(self, array):
        return interpret(self.graph, {"x": array})["head"] + np.float32(self.final_error)


@pytest.fixture
def graph() -> Graph:
    generator = np.random.default_rng(0)
    constants = {
        "conv.weight": generator.standard_normal((3, 2, 3, 3), dtype=np.float32),
        "head.weight": generator.standard_normal((5, 3), dtype=np.float32),
    }
    nodes = (
        Node(
            "conv",
            "conv2d",
            ("x",),
            {"weight": ConstRef("conv.weight"), "padding": (1, 1)},
            TensorType("f32", (BATCH, 3, 4, 4)),
            "stage.conv",
        ),
        Node("relu", "relu", ("conv",), {}, TensorType("f32", (BATCH, 3, 4, 4)), "stage.act"),
        Node("pool", "global_avg_pool", ("relu",), {}, TensorType("f32", (BATCH, 3, 1, 1))),
        Node("flat", "flatten", ("pool",), {}, TensorType("f32", (BATCH, 3))),
        Node(
            "head",
            "linear",
            ("flat",),
            {"weight": ConstRef("head.weight")},
            TensorType("f32", (BATCH, 5)),
            "head",
        ),
    )
    return Graph("net", (Value("x", _IMAGE),), nodes, ("head",), constants)


@pytest.fixture
def program(graph):
    def make(**settings) -> ErringProgram:
        return ErringProgram(graph, **settings)

    return make


@pytest.fixture
def reference(graph):
    return lambda samples: interpret(graph, {"x": samples})


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((70, 2, 4, 4), dtype=np.float32)
