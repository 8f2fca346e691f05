"""Convolutions that go over the image in steps, behind operations whose blocks they choose."""

import numpy as np
import pytest

from signbin import native
from signbin.artifact import Artifact
from signbin.ir import interpret
from signbin.runtime import Program
from signbin.spec import ActivationSpec, IntegerWeight

SIZES = [(14, 14), (28, 28), (13, 15), (9, 31), (32, 48)]
ISAS = [
    isa for isa in native.isas() if any(row.isa == isa and row.usable for row in native.kernels())
]
WINDOWS = [(3, 2, 1), (5, 2, 2), (2, 3, 0), (4, 4, 0), (3, 2, 0)]


def network(graph_builder, size, window, groups, codes):
    """Whole numbers throughout: 1x1 from 2 to 8 channels, relu, the convolution, relu."""
    kernel, stride, padding = window
    rng = np.random.default_rng(kernel * stride)
    builder = graph_builder()
    value = builder.add("relu", builder.input(2, *size))
    given = {"codes": ActivationSpec(1.0, 0, 8)} if codes else {}
    if codes:
        value = builder.add("quantize", value, **given)

    def weight(*shape):
        drawn = rng.integers(-2, 3, shape).astype(np.int8)
        made = IntegerWeight(drawn, np.ones(shape[0], "f4")) if codes else drawn.astype(np.float32)
        return builder.const(made)

    value = builder.add("conv2d", value, weight=weight(8, 2, 1, 1), activation="relu", **given)
    value = builder.add(
        "conv2d",
        value,
        weight=weight(8, 8 // groups, kernel, kernel),
        stride=(stride, stride),
        padding=(padding, padding),
        groups=groups,
        **given,
    )
    if codes:
        value = builder.add("dequantize", value)
    return builder.graph(builder.add("relu", value))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("codes", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
def test_steps_give_the_numbers_of_the_interpreter(graph_builder, isa, groups, codes, window):
    for size in SIZES:
        graph = network(graph_builder, size, window, groups, codes)
        images = np.random.default_rng(1).integers(-3, 9, (2, 2, *size)).astype(np.float32)
        expected = interpret(graph, {graph.inputs[0].name: images})[graph.outputs[0]]
        made = Program(Artifact(graph), isa=isa)(images)
        np.testing.assert_array_equal(made, expected)
