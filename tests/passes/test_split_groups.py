"""Layers that are low-bit by groups of inputs become sums of low-bit layers; no others do."""

import numpy as np
import pytest
import torch

import signbin
from signbin.diagnose import measure_exactness
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


def network(size, group, activation):
    """Two layers with scales per group, and a small one, with numbers to calibrate with."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(size, size), activation, torch.nn.Linear(size, size)]
    with torch.no_grad():
        for layer in (layers[0], layers[2]):
            layer.weight.copy_(torch.from_numpy(grouped(size, size, group)))
    x = np.random.default_rng(3).standard_normal((16, size)).astype(np.float32)
    return torch.nn.Sequential(*layers, torch.nn.Linear(size, 8)).eval(), x


def tables_of(program):
    return sum(entry.strategy is Strategy.TABLE for entry in program.artifact.plan.layers)


def test_compiled_in_float32_it_runs_on_tables():
    model, x = network(512, 128, torch.nn.ReLU())
    program = signbin.compile(model, (torch.from_numpy(x[:1]),))
    expected = model(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(program(x), expected, atol=1e-5)  # orders of sums
    assert tables_of(program) == 8
    assert set(program.graph.layer_modules().values()) == {"_0", "_2", "_3"}


@pytest.mark.parametrize(
    "activation",
    [torch.nn.Identity(), torch.nn.ReLU(), torch.nn.LeakyReLU(0.2), torch.nn.ReLU6()],
    ids=["none", "relu", "leaky_relu", "clamp"],
)
def test_on_codes_its_sums_are_exact_and_rounded_once(activation):
    model, x = network(512, 128, activation)
    example = (torch.from_numpy(x[:1]),)
    program = signbin.compile(model, example, activations=signbin.QuantizedActivations(samples=x))
    assert tables_of(program) == 8
    assert {node.type.dtype for node in program.graph.nodes if node.op == "add"} == {"f32"}
    exact = measure_exactness(program.graph, program.trace(x))
    assert exact is not None
    assert exact.differing == 0
    expected = model(torch.from_numpy(x)).detach().numpy()
    assert np.abs(program(x) - expected).max() < 0.05 * np.abs(expected).max()  # 8-bit codes


def test_on_codes_short_groups_stay_whole_and_layers_may_be_left_in_float32():
    model, x = network(512, 64, torch.nn.ReLU())
    example = (torch.from_numpy(x[:1]),)
    codes = signbin.QuantizedActivations(samples=x)
    assert tables_of(signbin.compile(model, example, activations=codes)) == 0
    model, x = network(512, 128, torch.nn.ReLU())
    codes = signbin.QuantizedActivations(samples=x, float_layers=("0", "2", "3"))
    program = signbin.compile(model, example, activations=codes)
    assert not program.graph.has_codes
    np.testing.assert_allclose(
        program(x), model(torch.from_numpy(x)).detach().numpy(), atol=1e-5
    )  # orders of sums
