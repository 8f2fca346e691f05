"""ONNX export: the same network, by the reference interpreter and by ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from signbin.errors import VerifyError
from signbin.interop import to_onnx, write_onnx
from signbin.interop.onnx_nodes import WRITERS
from signbin.ir import BATCH, OPS, ConstRef, Graph, Node, TensorType, Value, interpret
from signbin.ir.functions import FUNCTIONS
from signbin.passes import lower
from signbin.spec import LowBitWeight

RNG = np.random.default_rng(5)


def run_onnx(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def one_node(op: str, in_shape, out_shape, inputs=("x",), constants=None, **attributes) -> Graph:
    node = Node("y", op, inputs, attributes, TensorType("f32", (BATCH, *out_shape)))
    value = Value("x", TensorType("f32", (BATCH, *in_shape)))
    return Graph("one", (value,), (node,), ("y",), constants or {})


def assert_same(graph: Graph, batch: int = 3) -> None:
    shape = (batch, *graph.inputs[0].type.shape[1:])
    images = RNG.standard_normal(shape).astype(np.float32)
    expected = interpret(graph, {"x": images})[graph.outputs[0]]
    actual = run_onnx(to_onnx(graph), images)
    assert actual.shape == expected.shape
    # float32 sums of some hundred terms against float64 ones
    largest = max(1.0, np.nanmax(np.abs(expected)))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * largest)


def vector(count: int) -> np.ndarray:
    return RNG.uniform(0.25, 1.5, count).astype(np.float32)


def weight(*shape: int) -> np.ndarray:
    return RNG.normal(0, 0.3, shape).astype(np.float32)


NORM = {name: ConstRef(name) for name in ("scale", "bias", "mean", "variance")}
IMAGE = (6, 7, 9)
CASES = {
    "batch_norm": one_node(
        "batch_norm", IMAGE, IMAGE, constants={n: vector(6) for n in NORM}, **NORM, epsilon=1e-3
    ),
    "relu": one_node("relu", IMAGE, IMAGE),
    "leaky_relu": one_node("leaky_relu", IMAGE, IMAGE, slope=0.2),
    "prelu": one_node("prelu", IMAGE, IMAGE, constants={"s": vector(6)}, slope=ConstRef("s")),
    "prelu of vectors": one_node(
        "prelu", (6,), (6,), constants={"s": vector(6)}, slope=ConstRef("s")
    ),
    "clamp": one_node("clamp", IMAGE, IMAGE, low=-0.5, high=0.75),
    "clamp from below": one_node("clamp", IMAGE, IMAGE, low=-0.5),
    "clamp from above": one_node("clamp", IMAGE, IMAGE, high=0.5),
    "clamp nothing": one_node("clamp", IMAGE, IMAGE),
    **{
        f"unary {function}": one_node("unary", IMAGE, IMAGE, function=function)
        for function in FUNCTIONS
    },
    "unary elu of alpha": one_node("unary", IMAGE, IMAGE, function="elu", alpha=0.25),
    "add": one_node("add", IMAGE, IMAGE, ("x", "x")),
    "subtract": one_node("subtract", IMAGE, IMAGE, ("x", "x")),
    "multiply": one_node("multiply", IMAGE, IMAGE, ("x", "x")),
    "softmax": one_node("softmax", IMAGE, IMAGE),
    "softmax of vectors": one_node("softmax", (6,), (6,)),
    "channel_bias": one_node(
        "channel_bias", IMAGE, IMAGE, constants={"b": vector(6)}, bias=ConstRef("b")
    ),
    "channel_bias of vectors": one_node(
        "channel_bias", (6,), (6,), constants={"b": vector(6)}, bias=ConstRef("b")
    ),
    "max_pool2d": one_node(
        "max_pool2d",
        IMAGE,
        (6, 3, 5),
        kernel=(3, 3),
        stride=(2, 2),
        padding=(1, 1),
        dilation=(2, 1),
    ),
    "avg_pool2d": one_node(
        *("avg_pool2d", IMAGE, (6, 4, 5)), kernel=(3, 3), stride=(2, 2), padding=(1, 1)
    ),
    "avg_pool2d inside": one_node(
        *("avg_pool2d", IMAGE, (6, 4, 9)),
        kernel=(3, 3),
        stride=(2, 1),
        padding=(1, 1),
        count_include_pad=False,
    ),
    "max_pool2d on one side": one_node(
        *("max_pool2d", IMAGE, (6, 4, 5)), kernel=(3, 3), stride=(2, 2), padding=(1, 0, 1, 2)
    ),
    "avg_pool2d on one side": one_node(
        *("avg_pool2d", IMAGE, (6, 4, 5)), kernel=(3, 3), stride=(2, 2), padding=(0, 0, 2, 2)
    ),
    "avg_pool2d inside on one side": one_node(
        *("avg_pool2d", IMAGE, (6, 4, 5)),
        kernel=(3, 3),
        stride=(2, 2),
        padding=(0, 0, 2, 2),
        count_include_pad=False,
    ),
    "global_avg_pool": one_node("global_avg_pool", IMAGE, (6, 1, 1)),
    "flatten": one_node("flatten", IMAGE, (6 * 7 * 9,)),
    "reshape": one_node("reshape", IMAGE, (21, 2, 9), shape=(21, 2, 9)),
    "transpose": one_node("transpose", IMAGE, (9, 6, 7), order=(3, 1, 2)),
    "slice": one_node("slice", IMAGE, (6, 3, 9), axis=2, first=1, count=3, step=2),
    "expand": one_node("expand", (6, 1, 9), (6, 4, 9), shape=(6, 4, 9)),
    "softmax along columns": one_node("softmax", IMAGE, IMAGE, axis=3),
    **{
        f"reduce to {name}": one_node("reduce", IMAGE, (6, 1, 1), function=name, axis=2, count=2)
        for name in ("sum", "mean", "max", "min")
    },
    "reduce": one_node("reduce", (5, 8), (1, 8), function="sum", axis=1),
    "layer_norm": one_node(
        "layer_norm",
        IMAGE,
        IMAGE,
        constants={"s": vector(9), "b": vector(9)},
        scale=ConstRef("s"),
        bias=ConstRef("b"),
        epsilon=1e-5,
    ),
    "layer_norm of two axes": one_node("layer_norm", IMAGE, IMAGE, axes=2, epsilon=1e-5),
    "affine": one_node(
        "affine",
        IMAGE,
        IMAGE,
        constants={"s": vector(9), "b": vector(9)},
        scale=ConstRef("s"),
        bias=ConstRef("b"),
    ),
    "affine bias": one_node("affine", IMAGE, IMAGE, constants={"b": vector(9)}, bias=ConstRef("b")),
    "matmul": one_node("matmul", (4, 7, 7), (4, 7, 7), ("x", "x")),
    "constant": one_node("constant", IMAGE, (9,), constants={"v": vector(9)}, value=ConstRef("v")),
    "linear of rows": one_node(
        "linear",
        (5, 9),
        (5, 9),
        ("x", "x"),
        constants={"w": RNG.standard_normal((9, 9)).astype(np.float32), "b": vector(9)},
        weight=ConstRef("w"),
        bias=ConstRef("b"),
        activation="relu",
        post_bias=ConstRef("b"),
    ),
    "subsample_pad": one_node(
        "subsample_pad", IMAGE, (11, 4, 3), stride=(2, 3), channels_before=2, channels_after=3
    ),
    "concat": one_node("concat", IMAGE, (12, 7, 9), ("x", "x")),
    "concat of vectors": one_node("concat", (6,), (18,), ("x", "x", "x")),
    "slice_channels": one_node("slice_channels", IMAGE, (3, 7, 9), first=2, count=3),
    "channel_shuffle": one_node("channel_shuffle", IMAGE, IMAGE, groups=3),
    "channel_shuffle of vectors": one_node("channel_shuffle", (6,), (6,), groups=2),
    "pad": one_node("pad", IMAGE, (6, 10, 8), padding=(1, -2, 2, 1), value=0.5),
    "pad with nothing": one_node("pad", IMAGE, (6, 9, 11), padding=(1, 1), value=-3e38),
    **{
        f"pad {mode}": one_node("pad", IMAGE, (6, 11, 11), padding=(1, 0, 3, 2), mode=mode)
        for mode in ("reflect", "replicate", "circular")
    },
    "resize_nearest": one_node("resize_nearest", IMAGE, (6, 14, 18), size=(14, 18)),
    "resize_nearest to less": one_node("resize_nearest", IMAGE, (6, 5, 11), size=(5, 11)),
    "resize_nearest centred": one_node(
        "resize_nearest", IMAGE, (6, 10, 12), size=(10, 12), centred=True
    ),
    "resize_linear": one_node(
        *("resize_linear", IMAGE, (6, 10, 12)),
        size=(10, 12),
        step_height=0.7,
        step_width=0.75,
        first_height=-0.15,
        first_width=0.3,
    ),
    "depth_to_space": one_node("depth_to_space", IMAGE, (1, 14, 27), block=(2, 3)),
    "depth_to_space less a border": one_node(
        "depth_to_space", IMAGE, (1, 13, 24), block=(2, 3), crop=(1, 0, 0, 3)
    ),
    "space_to_depth": one_node("space_to_depth", IMAGE, (126, 1, 3), block=(7, 3)),
    "take": one_node(
        "take",
        IMAGE,
        (6, 3, 9),
        axis=2,
        constants={"i": np.float32([6, 0, 6])},
        indices=ConstRef("i"),
    ),
    "subsample_pad in a border": one_node(
        *("subsample_pad", IMAGE, (9, 5, 4)),
        stride=(2, 3),
        padding=(2, 1, 0, 0),
        channels_before=0,
        channels_after=3,
    ),
    "conv2d on one side": one_node(
        *("conv2d", IMAGE, (4, 4, 5)),
        constants={"w": weight(4, 6, 3, 3)},
        weight=ConstRef("w"),
        stride=(2, 2),
        padding=(0, 0, 2, 2),
    ),
    "conv2d": one_node(
        "conv2d",
        IMAGE,
        (4, 4, 7),
        constants={"w": weight(4, 3, 3, 3)},
        weight=ConstRef("w"),
        stride=(2, 1),
        padding=(2, 1),
        dilation=(2, 2),
        groups=2,
    ),
    "linear": one_node(
        "linear",
        (6,),
        (4,),
        constants={"w": weight(4, 6), "b": vector(4)},
        weight=ConstRef("w"),
        bias=ConstRef("b"),
    ),
}


@pytest.mark.parametrize("graph", CASES.values(), ids=CASES.keys())
def test_an_op_computes_the_same_in_onnx_runtime(graph: Graph) -> None:
    assert_same(graph)


def test_every_op_of_the_table_has_a_writer_and_a_case() -> None:
    of_numbers = {name for name, op in OPS.items() if op.reference is not None}
    assert set(WRITERS) == of_numbers
    assert {name.partition(" ")[0] for name in CASES} == of_numbers


ACTIVATIONS = {
    "none": {},
    "relu": {},
    "leaky_relu": {"slope": 0.1},
    "prelu": {"prelu": ConstRef("p")},
    "clamp": {"low": -0.3, "high": 0.4},
}


@pytest.mark.parametrize("post_bias", [False, True], ids=["", "post_bias"])
@pytest.mark.parametrize("residual", [False, True], ids=["", "residual"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("op", ["conv2d", "linear"])
def test_an_epilogue_keeps_its_order(op, activation, residual, post_bias) -> None:
    shape = (6, 5, 5) if op == "conv2d" else (6,)
    weights = weight(6, 6, 3, 3) if op == "conv2d" else weight(6, 6)
    attributes = {"weight": ConstRef("w"), "bias": ConstRef("b"), "activation": activation}
    attributes |= ACTIVATIONS[activation] | ({"padding": (1, 1)} if op == "conv2d" else {})
    attributes |= {"post_bias": ConstRef("q")} if post_bias else {}
    constants = {"w": weights, "b": vector(6), "p": vector(6), "q": vector(6)}
    used = {value.name for value in attributes.values() if isinstance(value, ConstRef)}
    graph = one_node(
        *(op, shape, shape, ("x", "x") if residual else ("x",)),
        {name: array for name, array in constants.items() if name in used},
        **attributes,
    )
    assert_same(graph)


def low_bit_graph() -> Graph:
    codes = RNG.integers(-1, 2, (6, 6, 3, 3)).astype(np.int8)
    constant = LowBitWeight(codes, vector(6), -vector(6))
    return one_node(
        "conv2d", IMAGE, IMAGE, constants={"w": constant}, weight=ConstRef("w"), padding=(1, 1)
    )


def test_low_bit_weights_are_written_dequantised() -> None:
    graph = low_bit_graph()
    stored = onnx.numpy_helper.to_array(to_onnx(graph).graph.initializer[0])
    assert np.array_equal(stored, graph.constants["w"].dequantized())
    assert_same(graph)


def test_a_captured_network_and_its_lowered_form_export_alike() -> None:
    import torch
    from torch import nn

    from signbin.capture import capture

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 3, stride=2), nn.PReLU(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )  # fmt: skip
    images = torch.randn(2, 2, 12, 10)
    captured = capture(model, (images,))
    expected = model.eval()(images).detach().numpy()
    for graph in (captured, lower(captured)):
        actual = run_onnx(to_onnx(graph), images.numpy())
        assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_names_are_the_graphs_and_the_batch_is_free() -> None:
    model = to_onnx(low_bit_graph())
    assert [value.name for value in model.graph.input] == ["x"]
    assert [value.name for value in model.graph.output] == ["y"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert model.opset_import[0].version == 17
    assert_same(low_bit_graph(), batch=1)
    assert_same(low_bit_graph(), batch=7)


def test_a_file_holds_the_same_bytes_every_time(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        write_onnx(low_bit_graph_of_fixed_weights(), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    onnx.checker.check_model(str(tmp_path / "a.onnx"), full_check=True)


def low_bit_graph_of_fixed_weights() -> Graph:
    ones = LowBitWeight(np.ones((6, 6, 1, 1), np.int8), np.ones(6, np.float32))
    return one_node("conv2d", IMAGE, IMAGE, constants={"w": ones}, weight=ConstRef("w"))


def test_a_graph_that_breaks_the_rules_is_refused() -> None:
    with pytest.raises(VerifyError):
        to_onnx(one_node("relu", IMAGE, (6, 7, 8)))


def test_an_output_that_is_an_input_is_refused() -> None:
    value = Value("x", TensorType("f32", (BATCH, 3)))
    with pytest.raises(VerifyError):
        to_onnx(Graph("nothing", (value,), (), ("x",), {}))


def test_8_bit_activations_are_refused_by_name(random_quantized_network) -> None:
    with pytest.raises(VerifyError, match=r"type of %quantize_0 in ONNX.*float activations"):
        to_onnx(random_quantized_network(0))
