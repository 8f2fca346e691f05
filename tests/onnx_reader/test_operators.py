"""Every operator of ONNX that is read computes what ONNX Runtime computes."""

import numpy as np
import pytest
from onnx import helper

from signbin.errors import CaptureError
from signbin.onnx_reader import read_onnx
from signbin.spec import LowBitWeight

node = helper.make_node
generator = np.random.default_rng(3)


def floats(*shape):
    return generator.standard_normal(shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, np.int64)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 1, 1, 1]},
        {"pads": [0, 1, 2, 1], "strides": [2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
        {"auto_pad": "VALID"},
        {"dilations": [2, 1], "pads": [2, 1, 2, 1]},
    ],
)
def test_a_convolution_with_any_padding(model, agrees, attributes):
    conv = node("Conv", ["x", "w", "b"], ["y"], **attributes)
    agrees(model([conv], constants={"w": floats(6, 4, 3, 3), "b": floats(6)}))


def test_a_convolution_in_groups(model, agrees):
    conv = node("Conv", ["x", "w"], ["y"], group=2)
    agrees(model([conv], constants={"w": floats(6, 2, 3, 3)}))


def test_low_bit_weights_are_recognised(model, agrees):
    codes = np.sign(generator.standard_normal((6, 4, 3, 3))).astype(np.float32)
    graph = agrees(model([node("Conv", ["x", "w"], ["y"])], constants={"w": 0.5 * codes}))
    assert isinstance(graph.constants["w"], LowBitWeight)


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_linear_layer_as_gemm(model, agrees, transposed):
    weight = floats(3, 7) if transposed else floats(7, 3)
    gemm = node("Gemm", ["x", "w", "b"], ["y"], transB=transposed, alpha=0.5, beta=2.0)
    agrees(model([gemm], ["N", 7], {"w": weight, "b": floats(3)}))
    gemm = node("Gemm", ["x", "w", "b"], ["y"], transB=transposed)
    agrees(model([gemm], ["N", 7], {"w": weight, "b": floats(1, 3)}))


def test_a_linear_layer_as_product_and_sum(model, agrees):
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["b", "a"], ["y"])]
    agrees(model(nodes, ["N", 7], {"w": floats(7, 3), "b": floats(3)}))


def test_batch_norm(model, agrees):
    constants = {"s": floats(4), "b": floats(4), "m": floats(4), "v": np.abs(floats(4)) + 0.5}
    norm = node("BatchNormalization", ["x", *"sbmv"], ["y"], epsilon=1e-3)
    agrees(model([norm], constants=constants))


FUNCTIONS = (
    *("Abs", "Exp", "HardSwish", "Identity", "Mish", "Neg", "Relu", "Reciprocal", "Sigmoid"),
    *("Sign", "Softplus", "Tanh", "Selu", "HardSigmoid", "Elu", "LeakyRelu", "Dropout"),
)


@pytest.mark.parametrize("operator", FUNCTIONS)
def test_a_function_of_one_number(model, agrees, operator):
    agrees(model([node(operator, ["x"], ["a"]), node("Relu", ["a"], ["y"])], opset=20))


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
        ("Elu", {"alpha": 0.3}),
        ("LeakyRelu", {"alpha": 0.3}),
        ("Gelu", {}),
        ("Gelu", {"approximate": "tanh"}),
        ("Cast", {"to": 1}),
    ],
)
def test_a_function_with_its_attributes(model, agrees, operator, attributes):
    nodes = [node(operator, ["x"], ["a"], **attributes), node("Relu", ["a"], ["y"])]
    agrees(model(nodes, opset=20))


@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 1, 1), (1,), (1, 4, 1, 1)])
def test_prelu_with_slopes_per_channel(model, agrees, shape):
    agrees(model([node("PRelu", ["x", "s"], ["y"])], constants={"s": floats(*shape)}))


def test_clip_by_inputs_and_by_attributes(model, agrees):
    bounds = {"low": np.float32(-0.5), "high": np.float32(0.7)}
    agrees(model([node("Clip", ["x", "low", "high"], ["y"])], constants=bounds))
    agrees(model([node("Clip", ["x", "", "high"], ["y"])], constants=bounds))
    agrees(model([node("Clip", ["x"], ["y"], min=-0.5, max=0.5)], opset=10))
    agrees(model([node("Clip", ["x"], ["y"], min=0.0)], opset=10))


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("shape", [(), (1,), (4, 1, 1), (1, 4, 1, 1)])
def test_arithmetic_with_constants(model, agrees, operator, first, shape):
    names = ["c", "x"] if first else ["x", "c"]
    constant = np.abs(floats(*shape)) + np.float32(0.5)
    nodes = [node("Exp", ["x"], ["e"]), node(operator, [n.replace("x", "e") for n in names], ["y"])]
    agrees(model(nodes, constants={"c": np.asarray(constant, np.float32)}))


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
def test_arithmetic_of_values(model, agrees, operator):
    nodes = [node("Exp", ["x"], ["e"]), node(operator, ["x", "e"], ["y"])]
    agrees(model(nodes))


def test_a_gate_of_one_number_per_channel(model, agrees):
    nodes = [
        node("GlobalAveragePool", ["x"], ["m"]),
        node("Sigmoid", ["m"], ["g"]),
        node("Mul", ["x", "g"], ["y"]),
    ]
    agrees(model(nodes))


def test_sums_and_bounds_of_several(model, agrees):
    nodes = [node("Exp", ["x"], ["e"]), node("Sum", ["x", "e", "x"], ["y"])]
    agrees(model(nodes))
    agrees(model([node("Max", ["x", "c"], ["y"])], constants={"c": np.float32(0.0)}))
    agrees(model([node("Min", ["c", "x"], ["y"])], constants={"c": np.float32([0.3])}))
    agrees(model([node("Pow", ["x", "c"], ["y"])], constants={"c": np.float32(2)}))


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [2, 2]},
        {"pads": [1, 1, 1, 1], "strides": [2, 1]},
        {"pads": [0, 1, 1, 0], "strides": [2, 2]},
        {"ceil_mode": 1, "strides": [2, 2]},
        {"ceil_mode": 1, "strides": [2, 3], "pads": [1, 0, 1, 0]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    ],
)
def test_pools_with_any_padding(model, agrees, operator, attributes):
    agrees(model([node(operator, ["x"], ["y"], kernel_shape=[2, 3], **attributes)], opset=19))


def test_averages_that_count_the_padding(model, agrees):
    told = {"kernel_shape": [3, 3], "count_include_pad": 1}
    agrees(model([node("AveragePool", ["x"], ["y"], pads=[1, 1, 1, 1], **told)]))
    agrees(model([node("AveragePool", ["x"], ["y"], pads=[0, 1, 1, 2], strides=[2, 2], **told)]))


def test_pools_over_whole_images(model, agrees):
    agrees(model([node("GlobalAveragePool", ["x"], ["y"])]))
    agrees(model([node("GlobalMaxPool", ["x"], ["y"])]))
    agrees(model([node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)]))
    agrees(model([node("ReduceMax", ["x"], ["y"], axes=[-1, -2])]))
    agrees(model([node("ReduceSum", ["x", "a"], ["y"])], constants={"a": whole(2, 3)}))
    agrees(model([node("ReduceMean", ["x", "a"], ["y"])], constants={"a": whole(2, 3)}, opset=18))


def test_reshapes_to_vectors(model, agrees):
    agrees(model([node("Flatten", ["x"], ["y"])]))
    agrees(model([node("Reshape", ["x", "s"], ["y"])], constants={"s": whole(0, -1)}))
    agrees(model([node("Reshape", ["x", "s"], ["y"])], constants={"s": whole(-1, 120)}))
    pooled = node("GlobalAveragePool", ["x"], ["p"])
    agrees(model([pooled, node("Squeeze", ["p", "a"], ["y"])], constants={"a": whole(2, 3)}))
    agrees(model([pooled, node("Flatten", ["p"], ["y"])], (1, 4, 6, 5)))


def test_a_shape_that_is_read_and_put_together(model, agrees):
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["images"]),
        node("Unsqueeze", ["images", "axis"], ["images_1"]),
        node("Concat", ["images_1", "rest"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {"zero": np.int64(0), "axis": whole(0), "rest": whole(-1)}
    agrees(model(nodes, constants=constants))
    agrees(model(nodes, (2, 4, 6, 5), constants))


def test_a_number_that_depends_on_the_batch_is_refused(model):
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["images"]),
        node("Cast", ["images"], ["number"], to=1),
        node("Mul", ["x", "number"], ["y"]),
    ]
    with pytest.raises(CaptureError, match="number of images"):
        read_onnx(model(nodes, constants={"zero": np.int64(0)}))


def test_channels_joined_cut_and_shuffled(model, agrees):
    nodes = [node("Exp", ["x"], ["e"]), node("Concat", ["x", "e"], ["y"], axis=1)]
    agrees(model(nodes))
    split = node("Split", ["x", "sizes"], ["a", "b"], axis=1)
    agrees(
        model(
            [split, node("Exp", ["b"], ["y"]), node("Relu", ["a"], ["z"])],
            constants={"sizes": whole(1, 3)},
            outputs=["y", "z"],
        )
    )
    cut = {"s": whole(1), "e": whole(3), "a": whole(1)}
    agrees(model([node("Slice", ["x", *"sea"], ["y"])], constants=cut))
    strided = {"s": whole(0, 0), "e": whole(100, 100), "a": whole(2, -1), "t": whole(2, 2)}
    agrees(model([node("Slice", ["x", *"seat"], ["y"])], constants=strided))
    shuffle = [
        node("Reshape", ["x", "apart"], ["a"]),
        node("Transpose", ["a"], ["t"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["t", "together"], ["y"]),
    ]
    shapes = {"apart": whole(0, 2, 2, 6, 5), "together": whole(0, -1, 6, 5)}
    agrees(model(shuffle, constants=shapes))


def test_zeros_around_images(model, agrees):
    pads = {"p": whole(0, 0, 1, 2, 0, 0, 0, 1)}
    agrees(model([node("Pad", ["x", "p"], ["y"])], constants=pads))
    axes = {"p": whole(1, 2), "v": np.float32(0), "a": whole(3)}
    agrees(model([node("Pad", ["x", *"pva"], ["y"])], constants=axes, opset=18))


def test_softmax_over_channels(model, agrees):
    agrees(model([node("Softmax", ["x"], ["y"], axis=1)]))
    agrees(model([node("Softmax", ["x"], ["y"])], ("N", 7), opset=11))


def test_constants_are_computed_beforehand(model, agrees):
    nodes = [
        node("Constant", [], ["three"], value_float=3.0),
        node("Mul", ["w", "three"], ["w3"]),
        node("Transpose", ["w3"], ["wt"], perm=[1, 0, 2, 3]),
        node("Conv", ["x", "wt"], ["y"]),
    ]
    agrees(model(nodes, constants={"w": floats(4, 6, 3, 3)}))


GELUS = {
    "halved last": [("Mul", "x", "a", "m"), ("Mul", "m", "half", "y")],
    "halved first": [("Mul", "half", "x", "h"), ("Mul", "a", "h", "y")],
    "gate halved": [("Mul", "a", "half", "g"), ("Mul", "x", "g", "y")],
}


@pytest.mark.parametrize("form", GELUS)
def test_gelu_in_parts_is_one_function(model, agrees, form):
    constants = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32([0.5])}
    parts = [("Div", "x", "root", "s"), ("Erf", "s", "e"), ("Add", "e", "one", "a"), *GELUS[form]]
    nodes = [node(operator, names[:-1], [names[-1]]) for operator, *names in parts]
    graph = agrees(model(nodes, constants=constants))
    assert [dict(each.attributes) for each in graph.nodes] == [{"function": "gelu"}]


def test_what_only_looks_like_gelu_is_computed_as_it_stands(model, agrees):
    constants = {"root": np.float32(1.5), "one": np.float32(1), "half": np.float32([0.5])}
    parts = [("Div", "x", "root", "s"), ("Erf", "s", "e"), ("Add", "e", "one", "a")]
    parts += GELUS["halved last"]
    nodes = [node(operator, names[:-1], [names[-1]]) for operator, *names in parts]
    graph = agrees(model(nodes, constants=constants))
    assert "erf" in [each.attributes.get("function") for each in graph.nodes]


@pytest.mark.parametrize(
    ("gates", "function"),
    [
        (["Sigmoid"], "silu"),
        (["HardSigmoid"], "hard_swish"),
        (["Softplus", "Tanh"], "mish"),
    ],
)
def test_gates_of_the_value_itself_are_one_function(model, agrees, gates, function):
    names = ["x", *(f"g{at}" for at in range(len(gates)))]
    stated = {"alpha": 1 / 6} if gates == ["HardSigmoid"] else {}
    nodes = [
        node(operator, [given], [made], **stated)
        for operator, given, made in zip(gates, names[:-1], names[1:], strict=True)
    ]
    graph = agrees(model([*nodes, node("Mul", [names[-1], "x"], ["y"])]))
    assert [dict(each.attributes) for each in graph.nodes] == [{"function": function}]


@pytest.mark.parametrize("name", ["r.view", "y.axis2", "x.view"])
def test_names_of_the_file_are_no_names_that_reading_makes_up(model, agrees, name):
    """A file that was read and written before has such names."""
    twice = [node("Relu", ["x"], [name]), node("Relu", [name], ["r"])]
    for first, second in (twice, [node("Relu", ["x"], ["r"]), node("Neg", ["r"], [name])]):
        nodes = [first, second, node("Flatten", ["r"], ["f"]), node("Exp", ["f"], ["z"])]
        cut = node("Slice", [name, "s", "e", "a"], ["y"])
        bounds = {"s": whole(1, 1), "e": whole(3, 3), "a": whole(2, 3)}
        agrees(model([*nodes, cut], constants=bounds, outputs=["z", "y"]))
