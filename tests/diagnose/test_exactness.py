"""Exactness: every node on codes is judged by the interpreter on the operands it had."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.diagnose import compare, measure_exactness
from signbin.ir import interpret, real_values
from signbin.spec import ActivationSpec, IntegerWeight

SPEC = ActivationSpec(0.0625, 128, 8)


@pytest.fixture
def graph(graph_builder):
    """float layer -> quantize -> layer on codes -> relu on codes -> output."""
    builder = graph_builder(1)
    x = builder.input(2, 5, 5)
    real = builder.rng.standard_normal((3, 2, 1, 1)).astype(np.float32)
    stem = builder.add("conv2d", x, weight=builder.const(real), name="stem")
    codes = builder.add("quantize", stem, codes=SPEC, name="codes")
    integer = IntegerWeight.from_float(builder.rng.standard_normal((4, 3, 3, 3)).astype("f4"))
    layer = builder.add("conv2d", codes, weight=builder.const(integer), codes=SPEC, name="layer")
    rectified = builder.add("relu", layer, codes=ActivationSpec(0.0625, 0, 8), name="rectified")
    return builder.graph(builder.add("dequantize", rectified, name="y"))


@pytest.fixture
def values(graph):
    images = np.random.default_rng(0).standard_normal((3, 2, 5, 5)).astype(np.float32)
    return interpret(graph, {"x": images})


def test_the_interpreters_values_are_exact(graph, values):
    found = measure_exactness(graph, values)
    assert (found.differing, found.first) == (0, None)
    assert found.values == sum(values[name].size for name in ("codes", "layer", "rectified", "y"))


@pytest.mark.parametrize("name", ["codes", "layer", "rectified", "y"])
def test_one_wrong_value_is_found_in_its_node(graph, values, name):
    wrong = values[name].copy()
    wrong.reshape(-1)[5] += 1
    found = measure_exactness(graph, {**values, name: wrong})
    assert found.differing >= 1
    assert found.first == name


def test_a_float_layer_that_rounds_otherwise_is_not_held_against_the_codes(graph, values):
    images = values["x"]
    moved = interpret(graph, {"x": images + np.float32(0.01)})
    assert measure_exactness(graph, {**moved, "x": images}).differing == 0


def test_a_graph_without_codes_has_nothing_to_be_exact_about(random_network, random_inputs):
    graph = random_network(3)
    assert measure_exactness(graph, interpret(graph, random_inputs(graph))) is None


def test_values_that_are_not_there_are_not_judged(graph, values):
    del values["layer"]
    found = measure_exactness(graph, values)
    assert found.values == values["codes"].size + values["y"].size


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_interpreter_is_exact_on_any_network(random_quantized_network, random_inputs, seed):
    graph = random_quantized_network(seed)
    found = measure_exactness(graph, interpret(graph, random_inputs(graph)))
    assert (found.differing, found.first) == (0, None)


class Quantized:
    """The interpreter as a program; one code of ``broken`` is off by one."""

    def __init__(self, graph, broken=""):
        self.graph, self._broken = graph, broken

    def trace(self, images):
        values = interpret(self.graph, {"x": images})
        if self._broken:
            values[self._broken] = values[self._broken].copy()
            values[self._broken].reshape(-1)[0] ^= 1
        return values

    def __call__(self, images):
        return self.trace(images)["y"]


def test_compare_takes_codes_for_numbers_and_counts_differing_ones(graph, values):
    images = np.repeat(values["x"], 12, axis=0)

    def reference(part):
        return real_values(graph, interpret(graph, {"x": part}))

    whole = compare(reference, graph, Quantized(graph), images, tolerance=1e-4)
    assert whole.max_relative_error == 0
    assert (whole.exactness.differing, whole.exactness.first) == (0, None)
    assert whole.exactness.values == 12 * measure_exactness(graph, values).values
    broken = compare(reference, graph, Quantized(graph, "rectified"), images, tolerance=1e-4)
    assert broken.exactness.first == "rectified"
    assert broken.exactness.differing >= 2  # 36 images are two batches
    layer = next(layer for layer in broken.layers if layer.name == "rectified")
    steps = real_values(graph, values)["rectified"].max() / 0.0625
    assert layer.compiled_error == pytest.approx(1 / steps)
    assert broken.to_json()["exactness"] == {
        "values": broken.exactness.values,
        "differing": broken.exactness.differing,
        "first": "rectified",
    }
