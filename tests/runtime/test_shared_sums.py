"""Networks run by the engines of the literature: fp32 near the interpreter, codes equal to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.artifact import Artifact
from signbin.errors import PlanError
from signbin.ir import interpret
from signbin.plan import SHARED_SUMS, Strategy
from signbin.runtime import Program
from signbin.spec import LowBitWeight

SUMS = sorted(SHARED_SUMS - {Strategy.QGYM}, key=lambda strategy: strategy.value)
SEEDS = st.integers(0, 2**32 - 1)


def low_bit_layers(graph):
    return [
        node
        for node in graph.nodes
        if node.op in ("conv2d", "linear")
        and isinstance(graph.constants[node.attributes["weight"].name], LowBitWeight)
    ]


@pytest.mark.parametrize(
    "strategy", [*SUMS, Strategy.BITSERIAL], ids=lambda strategy: strategy.value
)
@settings(max_examples=15)
@given(seed=SEEDS)
def test_networks_on_codes_give_the_interpreters_values(
    random_quantized_network, random_inputs, strategy, seed
):
    graph = random_quantized_network(seed)
    images = random_inputs(graph, images=2, seed=seed % 7)[graph.inputs[0].name]
    layers = low_bit_layers(graph)
    served = [node for node in layers if graph.type_of(node.inputs[0]).dtype == "u8"]
    if not (served if strategy is Strategy.BITSERIAL else layers):
        with pytest.raises(PlanError, match=strategy.value):
            Program(Artifact(graph), strategy=strategy)
        return
    program = Program(Artifact(graph), strategy=strategy)
    expected = interpret(graph, {graph.inputs[0].name: images})
    traced = program.trace(images)
    for name, values in expected.items():
        if values.dtype == np.uint8:
            np.testing.assert_array_equal(traced[name], values, err_msg=name)
    family = "bitserial" if strategy is Strategy.BITSERIAL else "sums"
    for node in layers:
        if graph.type_of(node.inputs[0]).dtype == "u8":
            assert program.plan.for_layer(node.name).strategy is strategy
            assert f"_u8_{family}_" in program.kernels[node.name]


@pytest.mark.parametrize("strategy", SUMS, ids=lambda strategy: strategy.value)
def test_a_network_on_floats_is_near_the_interpreter(artifact, graph, images, strategy):
    program = Program(artifact, strategy=strategy)
    expected = interpret(graph, {graph.inputs[0].name: images})
    for name, values in program.trace(images).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-4, err_msg=name)
    assert any("_sums_" in kernel for kernel in program.kernels.values())


def test_a_plan_with_shared_sums_survives_the_file(tmp_path, artifact, images):
    forced = Program(artifact, strategy=Strategy.SUMMERGE)
    forced.save(tmp_path / "model.sbn")
    loaded = Program.load(tmp_path / "model.sbn")
    assert loaded.plan == forced.plan
    np.testing.assert_array_equal(loaded(images), forced(images))
