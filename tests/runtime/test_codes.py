"""Programs on 8-bit codes equal the interpreter, value by value, on every instruction set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin import native
from signbin.artifact import Artifact
from signbin.errors import ExecutionError
from signbin.ir import interpret
from signbin.layout.arena import Block, MemoryPlan
from signbin.plan import Strategy
from signbin.runtime import Program
from signbin.spec import ActivationSpec, LowBitWeight

ISAS = list(dict.fromkeys(kernel.isa for kernel in native.kernels() if kernel.usable))
SEEDS = st.integers(0, 2**32 - 1)


def check(graph, images, **options):
    program = Program(Artifact(graph), **options)
    expected = interpret(graph, {graph.inputs[0].name: images})
    traced = program.trace(images)
    assert list(traced) == list(expected)
    for name, values in expected.items():
        assert traced[name].dtype == values.dtype
        np.testing.assert_array_equal(traced[name], values, err_msg=name)
    np.testing.assert_array_equal(program(images), traced[graph.outputs[0]])


@pytest.mark.parametrize("isa", ISAS)
@settings(max_examples=40)
@given(seed=SEEDS)
def test_every_value_is_the_interpreters(random_quantized_network, random_inputs, isa, seed):
    graph = random_quantized_network(seed)
    images = random_inputs(graph, images=1 + seed % 3, seed=seed % 7)[graph.inputs[0].name]
    check(graph, images, isa=isa)
    if any(node.op in ("conv2d", "linear") for node in graph.nodes):
        check(graph, images, isa=isa, strategy=Strategy.DENSE)


@settings(max_examples=15)
@given(seed=SEEDS, threads=st.integers(2, 8), batch=st.integers(1, 17))
def test_threads_and_batch_change_no_value(
    random_quantized_network, random_inputs, seed, threads, batch
):
    graph = random_quantized_network(seed)
    name = graph.inputs[0].name
    images = random_inputs(graph, images=batch, seed=seed % 7)[name]
    alone = Program(Artifact(graph)).trace(images)
    shared = Program(Artifact(graph), threads=threads).trace(images)
    single = Program(Artifact(graph)).trace(images[:1])
    for value in alone:
        np.testing.assert_array_equal(alone[value], shared[value])
        np.testing.assert_array_equal(alone[value][:1], single[value])


def low_bit(builder, *shape):
    codes = builder.rng.integers(-1, 2, shape).astype(np.int8)
    return builder.const(LowBitWeight(codes, np.full(shape[0], 0.25, np.float32)))


@pytest.mark.parametrize("width", [1, 3, 5, 11])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_floats_may_lie_behind_an_odd_number_of_codes(graph_builder, width, batch):
    """Values of the whole batch lie side by side: two bytes a code, four a float."""
    builder = graph_builder()
    x = builder.input(width)
    codes = builder.add("quantize", x, codes=ActivationSpec(0.125, 128, 8))
    hidden = builder.add("linear", codes, weight=low_bit(builder, width, width))
    weight = builder.const(builder.rng.normal(size=(2, width)).astype(np.float32))
    graph = builder.graph(builder.add("linear", hidden, weight=weight))
    images = np.random.default_rng(width).normal(size=(batch, width)).astype(np.float32)
    expected = interpret(graph, {"x": images})
    for isa in ISAS:
        traced = Program(Artifact(graph), isa=isa).trace(images)
        np.testing.assert_array_equal(traced[hidden], expected[hidden])
        np.testing.assert_allclose(traced[graph.outputs[0]], expected[graph.outputs[0]], rtol=1e-5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("values", [(0, 1), (-1, 1), (-1, 0, 1)])
def test_wide_linear_layers_look_sums_up(graph_builder, isa, values):
    """Rows, a fused ReLU, codes and float32 out; forced, written and read again: the same bits."""
    builder = graph_builder()
    shape, scale = (3, 200), np.full(200, 0.02, np.float32)
    weights = []
    for _ in range(2):
        drawn = builder.rng.choice(np.array(values, np.int8), (200, 200))
        weights.append(builder.const(LowBitWeight(drawn, scale)))
    spec = ActivationSpec(0.0625, 128, 8)
    codes = builder.add("quantize", builder.input(*shape), codes=spec)
    hidden = builder.add("linear", codes, weight=weights[0], activation="relu", codes=spec)
    graph = builder.graph(builder.add("linear", hidden, weight=weights[1]))
    images = np.random.default_rng(2).normal(size=(3, *shape)).astype(np.float32)
    check(graph, images, isa=isa, strategy=Strategy.TABLE)
    program = Program(Artifact(graph), isa=isa, strategy=Strategy.TABLE)
    read = Program.from_bytes(program.to_bytes(), isa=isa)
    assert [layer.strategy for layer in read.plan.layers] == [Strategy.TABLE] * 2
    np.testing.assert_array_equal(read(images), program(images))
    assert all("_table_" in read.kernels[layer.layer] for layer in read.plan.layers)


def test_a_value_the_library_refuses_is_named(graph_builder, monkeypatch):
    builder = graph_builder()
    graph = builder.graph(builder.add("relu", builder.add("relu", builder.input(4, 3, 3))))
    monkeypatch.setattr(
        "signbin.runtime.build.plan_memory",
        lambda graph, sizes: MemoryPlan(7, {n: Block(6, s, 0, 1) for n, s in sizes.items()}),
    )
    with pytest.raises(ExecutionError, match=r"value relu_0 cannot be built .*bytes at offset 6"):
        Program(Artifact(graph))
