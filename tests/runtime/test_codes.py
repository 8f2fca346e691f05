"""Programs on 8-bit codes equal the interpreter, value by value, on every instruction set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin import native
from signbin.artifact import Artifact
from signbin.ir import interpret
from signbin.plan import Strategy
from signbin.runtime import Program

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
