"""What is said of numbers without running them holds when they run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.ir import interpret, never_negative


@pytest.mark.parametrize("kind", ["f32", "u8"])
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_never_negative_is_not(
    random_network, random_quantized_network, random_inputs, seed, kind
):
    graph = random_network(seed) if kind == "f32" else random_quantized_network(seed)
    values = interpret(graph, random_inputs(graph, images=2))
    for name in never_negative(graph):
        spec = graph.type_of(name).quantization
        real = values[name] if spec is None else spec.dequantized(values[name])
        assert real.min() >= 0


def test_rectified_values_are_found_through_pools_and_sums(graph_builder):
    builder = graph_builder()
    x = builder.input(4, 6, 6)
    weight, bias = builder.const(np.ones((4, 4, 1, 1), np.float32)), builder.vector(4)
    layer = builder.add("conv2d", x, weight=weight, activation="relu")
    biased = builder.add("conv2d", x, weight=weight, activation="relu", post_bias=bias)
    held = builder.add("clamp", x, low=0.0, high=6.0)
    pool = builder.add("max_pool2d", layer, kernel=(2, 2), stride=(1, 1), padding=(1, 1))
    total = builder.add("add", layer, held)
    mixed = builder.add("add", layer, biased)
    flat = builder.add("flatten", total)
    graph = builder.graph(pool, mixed, flat)
    assert never_negative(graph) == {layer, held, pool, total, flat}
