"""Layers that are low-bit by groups of inputs become sums of low-bit layers; no others do."""

import numpy as np
import pytest
import torch

import signbin
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, interpret, verify
from signbin.passes import lower, split_groups
from signbin.plan import Strategy
from signbin.spec import LowBitWeight

SIZES = ((256, 256, 64), (300, 96, 32), (257, 512, 256))


def grouped(filters, inputs, size, values=(0, 1)):
    """Float weights whose filters have a scale and a sign of their own in every group."""
    rng = np.random.default_rng(inputs)
    shape = (filters, inputs // size, size)
    codes = rng.choice(np.float32(values), shape)
    scale = rng.choice([-1, 1], shape[:2]) * rng.uniform(0.5, 2, shape[:2]) / np.sqrt(inputs)
    return (codes * scale[..., None]).reshape(filters, inputs).astype(np.float32)


def layer(weight, shape=(), **more):
    """x -> linear with a bias and a ReLU, in a graph."""
    filters, inputs = weight.shape
    constants = {"w": weight, "b": np.linspace(-1, 1, filters, dtype=np.float32)}
    given = Value("x", TensorType("f32", (BATCH, *shape, inputs)))
    attributes = {"weight": ConstRef("w"), "bias": ConstRef("b"), "activation": "relu", **more}
    kind = TensorType("f32", (BATCH, *shape, filters))
    nodes = (Node("y", "linear", ("x",), attributes, kind, "net.fc"),)
    return Graph("grouped", (given,), nodes, ("y",), constants)


@pytest.mark.parametrize("shape", [(), (5,)], ids=["rows", "tokens"])
@pytest.mark.parametrize("values", [(0, 1), (-1, 1), (-1, 0, 1)], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_layer_with_scales_per_group_becomes_a_sum_of_low_bit_layers(size, values, shape):
    graph = layer(grouped(*size, values), shape)
    split = split_groups(graph)
    verify(split)
    layers = [node for node in split.nodes if node.op == "linear"]
    assert len(layers) == size[1] // size[2]
    assert all(
        isinstance(split.constants[node.attributes["weight"].name], LowBitWeight) for node in layers
    )
    assert {node.source for node in split.nodes} == {"net.fc"}
    x = np.random.default_rng(1).standard_normal((3, *shape, size[1])).astype(np.float32)
    before, after = interpret(graph, {"x": x})["y"], interpret(split, {"x": x})["y"]
    np.testing.assert_allclose(after, before, atol=1e-5)  # other orders of float32 sums


def test_layers_that_gain_nothing_stay():
    rng = np.random.default_rng(0)
    weights = (
        rng.standard_normal((256, 256)).astype(np.float32),  # float
        grouped(255, 256, 64),  # few filters
        grouped(256, 256, 16),  # groups too short
        rng.integers(0, 2, (256, 256)).astype(np.float32),  # low-bit as a whole
    )
    for weight in weights:
        graph = lower(layer(weight))
        whole = split_groups(graph)
        assert [node.op for node in whole.nodes] == [node.op for node in graph.nodes]


def test_a_residual_and_what_follows_the_sum_stay_where_they_were():
    weight = grouped(256, 256, 64)
    graph = layer(weight, post_bias=ConstRef("p"))
    constants = {**graph.constants, "p": np.full(256, 0.25, np.float32)}
    node = graph.nodes[0]
    with_residual = Node("z", "linear", ("x", "x"), dict(node.attributes), node.type, node.source)
    graph = Graph("residual", graph.inputs, (with_residual,), ("z",), constants)
    x = np.random.default_rng(2).standard_normal((4, 256)).astype(np.float32)
    after = interpret(split_groups(graph), {"x": x})["z"]
    np.testing.assert_allclose(after, interpret(graph, {"x": x})["z"], atol=1e-5)  # orders of sums


def test_compiled_in_float32_it_runs_on_tables_and_on_codes_it_stays_whole():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.ReLU(), torch.nn.Linear(512, 8))
    with torch.no_grad():
        model[0].weight.copy_(torch.from_numpy(grouped(512, 512, 128)))
    x = np.random.default_rng(3).standard_normal((16, 512)).astype(np.float32)
    floats = signbin.compile(model.eval(), (torch.from_numpy(x[:1]),))
    expected = model(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(floats(x), expected, atol=1e-5)  # orders of sums
    planned = {entry.layer: entry.strategy for entry in floats.artifact.plan.layers}
    assert sum(strategy is Strategy.TABLE for strategy in planned.values()) == 4
    codes = signbin.compile(
        model, (torch.from_numpy(x[:1]),), activations=signbin.QuantizedActivations(samples=x)
    )
    assert len([node for node in codes.graph.nodes if node.op == "linear"]) == 2
