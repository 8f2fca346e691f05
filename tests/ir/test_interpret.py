"""The interpreter: all values by name, inputs checked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import ExecutionError, VerifyError
from signbin.ir import Graph, Node, TensorType, Value, interpret

IMAGE = TensorType("f32", (0, 2, 3, 3))


def doubling(inputs=("x",)):
    node = Node("y", "add", ("x", inputs[-1]), {}, IMAGE)
    return Graph("g", tuple(Value(name, IMAGE) for name in inputs), (node,), ("y",), {})


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_value_has_its_name_and_the_shape_of_its_type(random_network, random_inputs, seed):
    graph = random_network(seed)
    values = interpret(graph, random_inputs(graph, images=3))
    assert list(values) == [value.name for value in (*graph.inputs, *graph.nodes)]
    for name, array in values.items():
        assert array.dtype == np.float32
        assert array.shape == (3, *graph.type_of(name).shape[1:])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_images_do_not_influence_each_other(random_network, random_inputs, seed):
    graph = random_network(seed)
    inputs = random_inputs(graph, images=3)
    together = interpret(graph, inputs)
    alone = interpret(graph, {name: array[1:2] for name, array in inputs.items()})
    for name in graph.outputs:
        np.testing.assert_allclose(together[name][1:2], alone[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((1, 2, 3, 3)),
        np.zeros((1, 2, 3, 4), np.float32),
        np.zeros((2, 3, 3), np.float32),
        np.zeros((0, 2, 3, 3), np.float32),
        [[1.0]],
    ],
    ids=["float64", "wrong width", "no batch axis", "no images", "a list"],
)
def test_an_input_that_does_not_fit_is_refused_by_name(array):
    with pytest.raises(ExecutionError, match="%x"):
        interpret(doubling(), {"x": array})


def test_missing_and_unknown_inputs_are_refused():
    image = np.zeros((1, 2, 3, 3), np.float32)
    for inputs in ({}, {"x": image, "z": image}):
        with pytest.raises(ExecutionError, match="allowed: x"):
            interpret(doubling(), inputs)


def test_inputs_must_hold_the_same_number_of_images():
    one, two = np.zeros((1, 2, 3, 3), np.float32), np.zeros((2, 2, 3, 3), np.float32)
    with pytest.raises(ExecutionError, match="images per input"):
        interpret(doubling(("x", "z")), {"x": one, "z": two})


def test_inputs_are_left_alone():
    image = np.ones((1, 2, 3, 3), np.float32)
    assert np.all(interpret(doubling(), {"x": image})["y"] == 2)
    assert np.all(image == 1)


def test_values_beyond_float32_become_infinite_without_a_warning():
    image = np.full((1, 2, 3, 3), 3e38, np.float32)
    assert np.all(np.isinf(interpret(doubling(), {"x": image})["y"]))


def test_an_unsound_graph_is_refused():
    graph = Graph("g", (Value("x", IMAGE),), (), ("nothing",), {})
    with pytest.raises(VerifyError, match="nothing"):
        interpret(graph, {"x": np.zeros((1, 2, 3, 3), np.float32)})
