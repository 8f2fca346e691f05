"""rounding_bounds: float32 sums that cancel stay within what is said of them."""

import dataclasses

import numpy as np
import pytest

from signbin.artifact import Artifact
from signbin.diagnose import compare, rounding_bounds
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, interpret
from signbin.runtime import Program
from signbin.spec import LowBitWeight


def layers(depth: int, channels: int, *, binary: bool) -> Graph:
    """Convolutions and ReLUs in a row: inputs that are never negative."""
    rng = np.random.default_rng(depth)
    image = TensorType("f32", (BATCH, channels, 9, 9))
    nodes, constants, last = [], {}, "x"
    for number in range(depth):
        shape = (channels, channels, 3, 3)
        codes = rng.choice([-1, 1], shape) if binary else rng.random(shape) < 0.4
        scale = np.full(channels, (2 / (9 * channels)) ** 0.5, np.float32)
        constants[f"w{number}"] = LowBitWeight(codes.astype(np.int8), scale)
        weight = {"weight": ConstRef(f"w{number}"), "padding": (1, 1), "activation": "relu"}
        nodes.append(Node(f"y{number}", "conv2d", (last,), weight, image))
        last = f"y{number}"
    return Graph("net", (Value("x", image),), tuple(nodes), (last,), constants)


@pytest.mark.parametrize(("depth", "channels"), [(1, 16), (1, 128), (6, 64)])
@pytest.mark.parametrize("isa", ["auto", "scalar"])
def test_the_programs_error_keeps_to_the_bound_and_binary_weights_need_it(depth, channels, isa):
    graph = layers(depth, channels, binary=True)
    x = np.abs(np.random.default_rng(1).normal(size=(1, channels, 9, 9))).astype(np.float32)
    values = Program(Artifact(graph), isa=isa).trace(x)
    exact, bounds = interpret(graph, {"x": x}), rounding_bounds(graph, values)
    for name in bounds:
        error = np.abs(values[name] - exact[name]).max() / np.abs(exact[name]).max()
        assert error <= bounds[name] + 1e-6
    plain = rounding_bounds(layers(depth, channels, binary=False), values)
    assert plain[f"y{depth - 1}"] < bounds[f"y{depth - 1}"]


def test_a_comparison_allows_rounding_where_it_is_asked_to_and_says_how_much():
    graph = layers(6, 64, binary=True)
    x = np.abs(np.random.default_rng(1).normal(size=(1, 64, 9, 9))).astype(np.float32)
    program = Program(Artifact(graph))

    def reference(part):
        return interpret(graph, {"x": part})

    strict = compare(reference, graph, program, x, tolerance=1e-9)
    assert not strict.passes
    found = compare(reference, graph, program, x, tolerance=1e-9, allow_rounding=True)
    assert found.passes
    assert 1e-7 < found.tolerance < 1e-2
    assert found.layers[-1].rounding == pytest.approx(found.tolerance - 1e-9)


class Fading:
    """A program whose results have all but vanished."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._right = Program(Artifact(graph))

    def __call__(self, x):
        return self._right(x) * np.float32(1e-9)

    def trace(self, x):
        values = self._right.trace(x)
        return {**values, self.graph.outputs[0]: self(x)}


def test_results_that_are_far_too_small_are_no_rounding():
    graph = layers(1, 128, binary=True)
    x = np.abs(np.random.default_rng(1).normal(size=(1, 128, 9, 9))).astype(np.float32)
    found = compare(
        lambda part: interpret(graph, {"x": part}),
        graph,
        Fading(graph),
        x,
        tolerance=1e-4,
        allow_rounding=True,
    )
    assert found.max_relative_error == pytest.approx(1)
    assert found.tolerance < 1e-2
    assert not found.passes


def test_float_weights_and_codes_add_nothing():
    graph = layers(1, 16, binary=True)
    floats = {"w0": graph.constants["w0"].dequantized()}
    assert set(
        rounding_bounds(
            dataclasses.replace(graph, constants=floats), {"x": np.ones((1, 16, 9, 9), np.float32)}
        ).values()
    ) == {0.0}
