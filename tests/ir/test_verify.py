"""The verifier refuses whatever breaks a rule, and says which rule."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import VerifyError
from signbin.ir import ConstRef, Graph, Node, TensorType, Value, verify
from signbin.ir.schema import MAX_ELEMENTS
from signbin.ir.verify import MAX_NODES
from signbin.spec import LowBitWeight

IMAGE = TensorType("f32", (0, 4, 5, 5))


def ones(*shape):
    return np.ones(shape, np.float32)


def convolution(constants=None, inputs=("x",), type_=IMAGE, **attributes):
    """A sound graph of one 1x1 convolution, with something changed."""
    attributes = {"weight": ConstRef("w"), **attributes}
    node = Node("y", "conv2d", inputs, attributes, type_)
    constants = {"w": ones(4, 4, 1, 1), **(constants or {})}
    return Graph("g", (Value("x", IMAGE),), (node,), ("y",), constants)


def single(op, type_=IMAGE, inputs=("x",), input_type=IMAGE, constants=None, **attributes):
    node = Node("y", op, inputs, attributes, type_)
    return Graph("g", (Value("x", input_type),), (node,), ("y",), constants or {})


def test_the_sound_graph_passes():
    verify(convolution())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_networks_pass(random_network, seed):
    verify(random_network(seed))


LOW_BIT = LowBitWeight(np.ones((4, 4), np.int8), ones(4))
NAN_WEIGHT = np.where(np.eye(4) > 0, np.nan, 0).astype(np.float32).reshape(4, 4, 1, 1)
HUGE = TensorType("f32", (0, 2**14, 2**14, 2))

BROKEN = {
    "float for an int": (convolution(groups=1.0), "groups"),
    "bool for an int": (convolution(groups=True), "groups"),
    "zero groups": (convolution(groups=0), r"groups: got 0; allowed: .* 1\.\."),
    "groups that do not divide the channels": (convolution(groups=3), "divisor of the 4"),
    "groups that do not divide the filters": (
        convolution({"w": ones(3, 2, 1, 1)}, groups=2),
        "divisor of the 3 filters",
    ),
    "zero stride": (convolution(stride=(0, 1)), "stride"),
    "negative padding": (convolution(padding=(0, -1)), "padding"),
    "list for a pair": (convolution(stride=[1, 1]), "stride"),
    "triple for a pair": (convolution(stride=(1, 1, 1)), "stride"),
    "numpy integers": (convolution(stride=(np.int64(1), np.int64(1))), "stride"),
    "huge padding": (convolution(padding=(2**16, 2**16)), "padded input"),
    "huge dilation": (convolution(dilation=(2**62, 1)), "dilation"),
    "unknown attribute": (convolution(strides=(1, 1)), "strides"),
    "unknown activation": (convolution(activation="gelu"), "none, relu, leaky_relu"),
    "slope without leaky_relu": (convolution(activation="relu", slope=0.5), "slope"),
    "bounds without clamp": (convolution(high=1.0), "high"),
    "prelu without slopes": (convolution(activation="prelu"), "prelu"),
    "bounds out of order": (convolution(activation="clamp", low=1.0, high=0.0), "low <= high"),
    "nan slope": (convolution(activation="leaky_relu", slope=float("nan")), "finite"),
    "infinite slope": (convolution(activation="leaky_relu", slope=float("inf")), "finite"),
    "slope beyond float32": (convolution(activation="leaky_relu", slope=1e39), "float32"),
    "int for a float": (convolution(activation="leaky_relu", slope=1), "slope"),
    "no such constant": (convolution(bias=ConstRef("b")), "@b"),
    "number for a constant": (convolution(bias=0.5), "bias"),
    "None for a constant": (convolution(bias=None), "bias"),
    "bias of the wrong shape": (convolution({"b": ones(5)}, bias=ConstRef("b")), r"\(4\)"),
    "weight of the wrong depth": (convolution({"w": ones(4, 3, 1, 1)}), r"\(any, 4, any, any\)"),
    "weight of the wrong rank": (convolution({"w": ones(4, 4)}), r"\(any, 4, any, any\)"),
    "low-bit weight of the wrong rank": (convolution({"w": LOW_BIT}), r"\(any, 4, any, any\)"),
    "low-bit bias": (convolution({"b": LOW_BIT}, bias=ConstRef("b")), "float32 array"),
    "float64 weight": (convolution({"w": np.ones((4, 4, 1, 1))}), "@w"),
    "list of weights": (convolution({"w": [1.0]}), "@w"),
    "empty weight": (convolution({"w": ones(0, 4, 1, 1)}), "@w"),
    "nan weight": (convolution({"w": NAN_WEIGHT}), "@w: got nan"),
    "unused constant": (convolution({"b": ones(4)}), "@b: no node uses it"),
    "illegal constant name": (convolution({"b b": ones(4)}), "b b"),
    "missing weight": (single("conv2d"), "weight is missing"),
    "window beyond the image": (convolution({"w": ones(4, 4, 6, 1)}), "height of the dilated"),
    "wrong result type": (convolution(type_=TensorType("f32", (0, 4, 5, 6))), "shape rule"),
    "residual of another shape": (
        convolution({"w": ones(3, 4, 1, 1)}, ("x", "x"), TensorType("f32", (0, 3, 5, 5))),
        "residual",
    ),
    "three inputs": (convolution(inputs=("x", "x", "x")), "1 to 2"),
    "undefined input": (convolution(inputs=("z",)), "%z"),
    "reads itself": (convolution(inputs=("y",)), "%y"),
    "unknown op": (single("gelu"), "conv2d, linear"),
    "add of one": (single("add"), "number of inputs: got 1; allowed: 2"),
    "linear of shorter rows": (
        single("linear", weight=ConstRef("w"), constants={"w": ones(2, 4)}),
        r"allowed: \(any, 5\)",
    ),
    "attribute on relu": (single("relu", slope=0.1), "no attributes"),
    "clamp from infinity": (single("clamp", low=float("inf")), "low <= high"),
    "pool with much padding": (
        single("max_pool2d", kernel=(2, 2), stride=(1, 1), padding=(2, 0)),
        "less than the window: 1",
    ),
    "int for a bool": (
        single("avg_pool2d", kernel=(1, 1), stride=(1, 1), padding=(0, 0), count_include_pad=1),
        "true or false",
    ),
    "float64 value": (single("relu", TensorType("f64", IMAGE.shape)), "f32"),
    "zero extent": (single("relu", input_type=TensorType("f32", (0, 4, 0, 5))), "%x"),
    "numpy extent": (single("relu", input_type=TensorType("f32", (0, np.int64(4)))), "%x"),
    "one axis": (single("relu", input_type=TensorType("f32", (0,))), "%x"),
    "seven axes": (single("relu", input_type=TensorType("f32", (0, *range(1, 7)))), "%x"),
    "fixed batch": (single("relu", input_type=TensorType("f32", (1, 4, 5, 5))), "%x"),
    "huge value": (single("relu", HUGE, input_type=HUGE), str(MAX_ELEMENTS)),
    "huge extent": (single("relu", input_type=TensorType("f32", (0, 2**64))), "%x"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_named(case):
    graph, named = BROKEN[case]
    with pytest.raises(VerifyError, match=named):
        verify(graph)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "7up"},
        {"inputs": ()},
        {"inputs": (Value("x", IMAGE), Value("x", IMAGE))},
        {"inputs": (Value("x", IMAGE), Value("y", IMAGE))},
        {"inputs": (Value("x y", IMAGE),)},
        {"outputs": ()},
        {"outputs": ("nothing",)},
        {"outputs": ("y", "y")},
        {"constants": {}},
    ],
    ids=str,
)
def test_names_inputs_and_outputs_are_checked(change):
    with pytest.raises(VerifyError):
        verify(dataclasses.replace(convolution(), **change))


@pytest.mark.parametrize("source", ["a\nb", "x" * 256, None])
def test_a_source_is_one_short_printable_line(source):
    graph = convolution()
    node = dataclasses.replace(graph.nodes[0], source=source)
    with pytest.raises(VerifyError, match="source"):
        verify(dataclasses.replace(graph, nodes=(node,)))


@pytest.mark.parametrize(("lowest", "epsilon"), [(-0.5, 1.0), (0.0, 0.0)])
def test_batch_norm_needs_a_positive_variance(lowest, epsilon):
    constants = {"one": ones(4), "variance": np.float32([1, 1, lowest, 1])}
    attributes = {name: ConstRef("one") for name in ("scale", "bias", "mean")}
    graph = single(
        "batch_norm",
        constants=constants,
        variance=ConstRef("variance"),
        epsilon=epsilon,
        **attributes,
    )
    with pytest.raises(VerifyError, match="variance"):
        verify(graph)


def test_the_number_of_nodes_is_capped():
    nodes = tuple(Node(f"n{i}", "relu", ("x",), {}, IMAGE) for i in range(MAX_NODES + 1))
    graph = Graph("g", (Value("x", IMAGE),), nodes, ("n0",), {})
    with pytest.raises(VerifyError, match="number of nodes"):
        verify(graph)


def test_an_error_names_node_value_allowed_and_remedy():
    with pytest.raises(VerifyError) as caught:
        verify(convolution({"b": ones(5)}, bias=ConstRef("b")))
    assert str(caught.value) == (
        "node %y (conv2d): shape of bias=@b: got (5,); allowed: (4); correct the constant"
    )
