"""dequantize_activations: the float network of a graph on codes, and the way back."""

import numpy as np
import pytest

from signbin.ir import BATCH, Graph, Node, TensorType, Value, interpret
from signbin.passes import dequantize_activations, lower, quantize_activations
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

SPEC = ActivationSpec(0.03125, 128, 8)


def on_the_grid(graph: Graph) -> dict:
    """The constants, float weights of layers rounded as quantising rounds them."""
    layers = {node.attributes["weight"].name for node in graph.nodes if "weight" in node.attributes}
    return {
        name: IntegerWeight.from_float(constant).dequantized()
        if name in layers and isinstance(constant, np.ndarray)
        else constant
        for name, constant in graph.constants.items()
    }


def same(constant, other) -> bool:
    if isinstance(constant, LowBitWeight):
        return isinstance(other, LowBitWeight) and np.array_equal(constant.codes, other.codes)
    return np.array_equal(constant, other)


@pytest.mark.parametrize("seed", [0, 1, 2, *range(4, 12)])  # 3 has no layer on codes
def test_a_quantised_network_dequantised_is_the_network_with_its_dense_weights_rounded(
    random_network, seed: int
) -> None:
    graph = lower(random_network(seed))
    names = [*(value.name for value in graph.inputs), *(node.name for node in graph.nodes)]
    quantized = quantize_activations(graph, dict.fromkeys(names, SPEC))
    assert any(node.op == "quantize" for node in quantized.nodes)
    found = dequantize_activations(quantized)
    assert found.nodes == graph.nodes
    assert (found.inputs, found.outputs) == (graph.inputs, graph.outputs)
    rounded = on_the_grid(graph)
    changed = [name for name in found.constants if not same(found.constants[name], rounded[name])]
    left_float = {  # layers whose sums might leave int32 stay as they were
        node.attributes["weight"].name
        for node in quantized.nodes
        if "weight" in node.attributes
        and isinstance(quantized.constants[node.attributes["weight"].name], np.ndarray)
    }
    assert set(changed) <= left_float


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_on_codes_any_more_and_inputs_and_outputs_stay(
    random_quantized_network, random_inputs, seed: int
) -> None:
    graph = random_quantized_network(seed)
    found = dequantize_activations(graph)
    assert {node.type.dtype for node in found.nodes} == {"f32"}
    assert not {"quantize", "dequantize"} & {node.op for node in found.nodes}
    assert (found.inputs, found.outputs) == (graph.inputs, graph.outputs)
    outputs = interpret(found, random_inputs(found, 2, seed))
    assert all(np.isfinite(outputs[name]).all() for name in found.outputs)


def test_an_output_that_was_a_conversion_keeps_its_name() -> None:
    f32, u8 = TensorType("f32", (BATCH, 4)), TensorType("u8", (BATCH, 4), SPEC)
    nodes = (
        Node("codes", "quantize", ("x",), {}, u8),
        Node("rectified", "relu", ("codes",), {}, u8),
        Node("y", "dequantize", ("rectified",), {}, f32),
    )
    graph = Graph("chain", (Value("x", f32),), nodes, ("y",), {})
    found = dequantize_activations(graph)
    assert [(node.name, node.op, node.inputs) for node in found.nodes] == [("y", "relu", ("x",))]


def test_a_float_network_stays_as_it_is(random_network) -> None:
    graph = lower(random_network(3))
    assert dequantize_activations(graph).nodes == graph.nodes
