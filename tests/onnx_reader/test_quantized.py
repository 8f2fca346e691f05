"""Numbers that a file rounds, in either notation of ONNX or in QONNX's, are rounded alike."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import signbin
from signbin.errors import CaptureError
from signbin.ir import interpret
from signbin.onnx_reader import read_onnx
from signbin.spec import LowBitWeight

node = helper.make_node
generator = np.random.default_rng(11)
QONNX = "qonnx.custom_op.general"


def floats(*shape):
    return generator.standard_normal(shape).astype(np.float32)


def rounded_pair(zero, name="x", made="y", scale="s"):
    """QuantizeLinear and DequantizeLinear of a scale and a zero point."""
    return [
        node("QuantizeLinear", [name, scale, zero], [f"{made}_codes"]),
        node("DequantizeLinear", [f"{made}_codes", scale, zero], [made]),
    ]


@pytest.mark.parametrize(
    "zero",
    [
        np.uint8(0),
        np.uint8(128),
        np.uint8(30),
        np.uint8(255),
        np.int8(0),
        np.int8(-128),
        np.int8(5),
    ],
    ids=str,
)
def test_numbers_are_rounded_to_codes_around_any_zero_point(model, zero):
    # A scale that float32 divides by exactly: no number lies between codes for one engine alone.
    constants = {"s": np.float32(1 / 32), "z": zero}
    made = model(
        [*rounded_pair("z"), node("Relu", ["y"], ["r"])], constants=constants, outputs=["r"]
    )
    graph = read_onnx(made)
    assert "quantize" in {each.op for each in graph.nodes}
    x = (3 * floats(3, 4, 6, 5)).astype(np.float32)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    expected = session.run(None, {"x": x})[0]
    actual = interpret(graph, {"x": x})[graph.outputs[0]]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "zero",
    [np.uint8(101), np.uint8(254), np.uint8(255), np.int8(5), np.int8(-1), np.int8(127)],
    ids=str,
)
def test_what_lies_between_two_codes_goes_to_the_even_one_around_any_zero_point(model, zero):
    constants = {"s": np.float32(0.5), "z": zero}
    made = model(rounded_pair("z"), shape=("N", 800), constants=constants)
    graph = read_onnx(made)
    x = np.arange(-400, 400, dtype=np.float32)[None] / 4
    expected = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_array_equal(interpret(graph, {"x": x})[graph.outputs[0]], expected)


def clipped_codes(low, high, zero):
    """A rounding to codes of 8 bits, of which some are left: as Brevitas writes fewer bits."""
    first, last = rounded_pair("z")
    return [
        first,
        node("Clip", ["y_codes", "low", "high"], ["kept"]),
        node("DequantizeLinear", ["kept", *last.input[1:]], ["y"]),
    ], {"s": np.float32(1 / 32), "z": zero, "low": zero.dtype.type(low), "high": high}


@pytest.mark.parametrize(
    ("zero", "low", "high"),
    [
        (np.uint8(0), 0, np.uint8(3)),
        (np.uint8(0), 0, np.uint8(15)),
        (np.int8(0), -7, np.int8(7)),
        (np.int8(0), -8, np.int8(7)),
        (np.int8(5), -3, np.int8(40)),
        (np.uint8(128), 127, np.uint8(129)),
    ],
    ids=str,
)
def test_codes_of_which_some_are_left_are_fewer_bits(model, zero, low, high):
    nodes, constants = clipped_codes(low, high, zero)
    made = model([*nodes, node("Relu", ["y"], ["r"])], constants=constants, outputs=["r"])
    graph = read_onnx(made)
    x = floats(3, 4, 6, 5)
    expected = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0]
    actual = interpret(graph, {"x": x})[graph.outputs[0]]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


def test_one_code_alone_is_refused_by_name(model):
    nodes, constants = clipped_codes(3, np.uint8(3), np.uint8(0))
    with pytest.raises(CaptureError, match=r"Clip: codes 3\.\.3; leave two codes at least"):
        read_onnx(model(nodes, constants=constants))


def net(weight, form):
    """With a head whose operators on codes, of the form QOperator, are not ONNX's own."""
    last = "y" if form == "QOperator" else "c"
    nodes = [
        node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["r"]),
        node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["m", "v"], [last]),
    ]
    if form == "QDQ":
        nodes += [
            node("GlobalAveragePool", ["c"], ["g"]),
            node("Flatten", ["g"], ["f"]),
            node("Gemm", ["f", "l", "k"], ["y"], transB=1),
        ]
    constants = {
        **{"w": weight, "b": floats(8), "v": floats(6, 8, 1, 1)},
        **{"l": floats(3, 6), "k": floats(3)},
    }
    return nodes, constants


class Samples:
    def __init__(self, count):
        self.left = [{"x": floats(1, 3, 10, 8)} for _ in range(count)]

    def get_next(self):
        return self.left.pop() if self.left else None

    def set_range(self, start_index, end_index):
        raise NotImplementedError


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("kind", ["QUInt8", "QInt8"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_network_that_onnx_runtime_quantised(model, tmp_path, form, kind, per_channel):
    from onnxruntime import quantization

    nodes, constants = net(floats(8, 3, 3, 3), form)
    made = model(nodes, ("N", 3, 10, 8), constants, opset=17)
    given, path = tmp_path / "float.onnx", tmp_path / "codes.onnx"
    given.write_bytes(made.SerializeToString())
    quantization.quantize_static(
        str(given),
        str(path),
        Samples(8),
        quant_format=quantization.QuantFormat[form],
        activation_type=quantization.QuantType[kind],
        weight_type=quantization.QuantType.QInt8,
        per_channel=per_channel,
        extra_options={"ActivationSymmetric": kind == "QInt8"},
    )
    graph = read_onnx(path)
    x = floats(5, 3, 10, 8)
    expected = onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
    actual = interpret(graph, {"x": x})[graph.outputs[0]]
    step = 4 * np.abs(expected).max() / 255
    # Both round; where a number lies between two codes, one engine may take the other.
    assert np.abs(actual - expected).max() <= step
    assert np.abs(actual - expected).mean() <= step / 8


@pytest.mark.parametrize("constant", [True, False])
def test_products_of_codes(model, constant):
    constants = {
        **{"s": np.float32(1 / 16), "z": np.uint8(100)},
        **{"t": np.float32(1 / 64), "u": np.int8(3), "w": generator.integers(-99, 99, (7, 7))},
        **{"r": np.float32(1 / 8), "q": np.uint8(120)},
    }
    constants["w"] = constants["w"].astype(np.int8)
    second = ["w", "t", "u"] if constant else ["c", "s", "z"]
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["c"]),
        node("QLinearMatMul", ["c", "s", "z", *second, "r", "q"], ["d"]),
        node("DequantizeLinear", ["d", "r", "q"], ["y"]),
    ]
    made = model(nodes, (2, 7, 7), constants)
    graph, x = read_onnx(made), floats(2, 7, 7)
    expected = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0]
    actual = interpret(graph, {"x": x})[graph.outputs[0]]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1 / 8)  # one code, at a tie
    assert np.abs(actual - expected).mean() < 1 / 80


@pytest.mark.parametrize("kind", ["INT8", "UINT8", "INT4", "UINT4", "INT2", "UINT2"])
def test_weights_of_codes_are_recognised_by_their_values(model, agrees, kind):
    proto = getattr(TensorProto, kind)
    unsigned = kind.startswith("U")
    codes = (
        generator.integers(0, 2, (6, 4, 3, 3))
        if unsigned
        else generator.integers(-1, 2, (6, 4, 3, 3))
    )
    held = helper.make_tensor("codes", proto, codes.shape, codes.reshape(-1).tolist())
    zero = helper.make_tensor("zero", proto, (6,), [1 if unsigned else 0] * 6)
    scale = numpy_helper.from_array(np.abs(floats(6)) + np.float32(0.1), "scale")
    nodes = [
        node("DequantizeLinear", ["codes", "scale", "zero"], ["w"], axis=0),
        node("Conv", ["x", "w"], ["y"]),
    ]
    made = model(nodes, opset=25 if kind.endswith("2") else 21)
    made.ir_version = 13 if kind.endswith("2") else 10
    made.graph.initializer.extend([held, zero, scale])
    graph = read_onnx(made)
    weight = graph.constants[graph.nodes[0].attributes["weight"].name]
    assert isinstance(weight, LowBitWeight)
    np.testing.assert_array_equal(
        weight.dequantized(),
        (codes - int(unsigned)).astype(np.float32)
        * numpy_helper.to_array(scale).reshape(-1, 1, 1, 1),
    )
    if not kind.endswith("2"):
        agrees(made)


def quant(x, scale, zero, bits, *, signed, narrow):
    """What QONNX says of Quant."""
    least = -(2 ** (bits - 1)) + narrow if signed else 0
    most = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    return (np.rint(np.clip(x / scale + zero, least, most)) - zero) * scale


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize("zero", [0, 1])
def test_quant_of_qonnx(model, bits, signed, narrow, zero):
    told = {"signed": signed, "narrow": narrow, "rounding_mode": "ROUND", "domain": QONNX}
    constants = {"s": np.float32(0.25), "z": np.float32(zero), "b": np.float32(bits)}
    nodes = [node("Quant", ["x", *"szb"], ["q"], **told), node("Neg", ["q"], ["y"])]
    graph = read_onnx(model(nodes, constants=constants, domains=[QONNX]))
    x = (4 * floats(3, 4, 6, 5)).astype(np.float32)
    expected = -quant(x, 0.25, zero, bits, signed=signed, narrow=narrow)
    actual = interpret(graph, {"x": x})[graph.outputs[0]]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_bipolar_quant_of_qonnx(model, scale):
    nodes = [
        node("BipolarQuant", ["x", "s"], ["q"], domain=QONNX),
        node("Conv", ["q", "w"], ["y"]),
    ]
    constants = {"s": np.float32(scale), "w": np.sign(floats(6, 4, 3, 3))}
    graph = read_onnx(model(nodes, constants=constants, domains=[QONNX]))
    x = floats(3, 4, 6, 5)
    values = interpret(graph, {"x": x})
    signs = np.where(x < 0, -scale, scale).astype(np.float32)
    assert any(np.array_equal(value, signs) for value in values.values())


def test_trunc_of_qonnx_rounds_whole_steps_down(model):
    told = {"rounding_mode": "FLOOR", "domain": QONNX}
    constants = {"s": np.float32(0.5), "z": np.float32(0), "a": np.float32(8), "b": np.float32(6)}
    nodes = [node("Trunc", ["x", *"szab"], ["t"], **told), node("Neg", ["t"], ["y"])]
    graph = read_onnx(model(nodes, constants=constants, domains=[QONNX]))
    steps = np.arange(-128, 112).reshape(2, 4, 6, 5)
    actual = interpret(graph, {"x": (0.5 * steps).astype(np.float32)})[graph.outputs[0]]
    np.testing.assert_array_equal(-actual, np.floor(steps / 4) * 0.5)


def test_constants_of_qonnx_are_rounded_beforehand_and_recognised(model):
    quant_of_weight = node("Quant", ["w", "s", "z", "b"], ["v"], signed=1, narrow=1, domain=QONNX)
    nodes = [quant_of_weight, node("Conv", ["x", "v"], ["y"])]
    scale = (np.abs(floats(6, 1, 1, 1)) + 0.1).astype(np.float32)
    constants = {"w": floats(6, 4, 3, 3), "s": scale, "z": np.float32(0), "b": np.float32(2)}
    graph = read_onnx(model(nodes, constants=constants, domains=[QONNX]))
    weight = graph.constants[graph.nodes[0].attributes["weight"].name]
    assert isinstance(weight, LowBitWeight)
    assert graph.nodes[0].attributes["weight"].name == "w"


def test_layers_with_low_bit_weights_compute_on_the_codes(model):
    constants = {
        **{"s": np.float32(1 / 16), "z": np.int8(0)},
        "w": (0.5 * np.sign(floats(8, 4, 3, 3))).astype(np.float32),
    }
    nodes = [*rounded_pair("z", made="q"), node("Conv", ["q", "w"], ["y"])]
    made = model(nodes, (3, 4, 6, 5), constants)
    program = signbin.compile(made)
    types = program.graph.types()
    layers = [each for each in program.graph.nodes if each.op == "conv2d"]
    assert [types[each.inputs[0]].dtype for each in layers] == ["u8"]
    x = floats(3, 4, 6, 5)
    expected = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(program(x), expected, rtol=1e-5, atol=1e-5)


REFUSED = {
    "a scale per channel": (
        rounded_pair("z", scale="many"),
        "4 numbers as scale of an activation; quantise activations with one scale",
    ),
    "more bits": (
        [
            node("QuantizeLinear", ["x", "s", "wide"], ["c"]),
            node("DequantizeLinear", ["c", "s", "wide"], ["y"]),
        ],
        "codes of int16",
    ),
    "codes read otherwise": (
        [
            node("QuantizeLinear", ["x", "s", "z"], ["c"]),
            node("DequantizeLinear", ["c", "t", "z"], ["y"]),
        ],
        "that were written with others",
    ),
    "codes read without their zero point": (
        [
            node("QuantizeLinear", ["x", "s", "middle"], ["c"]),
            node("DequantizeLinear", ["c", "s"], ["y"]),
        ],
        "zero point 0 that were written with others",
    ),
    "sums of codes": (
        [
            node("QuantizeLinear", ["x", "s", "z"], ["c"]),
            node("Add", ["c", "c"], ["d"]),
            node("DequantizeLinear", ["d", "s", "z"], ["y"]),
        ],
        "computes on codes",
    ),
    "scales of the moment": (
        [
            node("DynamicQuantizeLinear", ["x"], ["c", "u", "v"]),
            node("DequantizeLinear", ["c", "u", "v"], ["y"]),
        ],
        "quantise with scales that are known beforehand",
    ),
    "bits beyond codes": (
        [node("Quant", ["x", "s", "nil", "nine"], ["y"], domain=QONNX)],
        "9 bits around 0",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_code_of_eight_bits_is_refused_by_name(model, case):
    nodes, reason = REFUSED[case]
    constants = {
        **{"s": np.float32(0.5), "t": np.float32(0.25), "z": np.uint8(0)},
        **{"many": np.float32([1, 2, 3, 4]), "wide": np.int16(0)},
        **{"nil": np.float32(0), "nine": np.float32(9), "middle": np.uint8(128)},
    }
    made = model(nodes, constants=constants, opset=21, domains=[QONNX])
    with pytest.raises(CaptureError, match=reason):
        read_onnx(made)


def test_codes_are_no_output(model):
    made = model(
        [node("QuantizeLinear", ["x", "s", "z"], ["y"])],
        constants={"s": np.float32(1), "z": np.uint8(0)},
    )
    made.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    with pytest.raises(CaptureError, match="codes"):
        read_onnx(made)


def test_codes_move_as_the_numbers_they_are(model):
    constants = {"s": np.float32(0.5), "z": np.int8(0), "shape": np.array([0, 2, 60], np.int64)}
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["c"]),
        node("MaxPool", ["c"], ["m"], kernel_shape=[1, 1]),
        node("Transpose", ["m"], ["t"], perm=[0, 2, 3, 1]),
        node("Reshape", ["t", "shape"], ["r"]),
        node("DequantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    graph = read_onnx(model(nodes, constants=constants))
    x = floats(2, 4, 6, 5)
    actual = interpret(graph, {"x": x})[graph.outputs[0]]
    expected = np.rint(2 * x).transpose(0, 2, 3, 1).reshape(2, 2, 60) / 2
    np.testing.assert_array_equal(actual, expected)
