"""Exports that keep codes: what other engines compute from them is what the interpreter does."""

import numpy as np
import onnx
import onnxruntime
import pytest

from signbin.errors import SpecError
from signbin.interop import Flavour, to_onnx
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value, interpret
from signbin.onnx_reader import read_onnx
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight, ValueSet

KINDS = ("signed_binary", "binary", "ternary", "integer")


def weight_of(kind: str, random: np.random.Generator) -> LowBitWeight | IntegerWeight:
    scale = (random.uniform(0.2, 1, 8) * np.where(np.arange(8) % 3, 1, -1)).astype(np.float32)
    shape = (8, 3, 3, 3)
    if kind == "integer":
        return IntegerWeight(random.integers(-63, 64, shape).astype(np.int8), np.abs(scale) / 40)
    codes = random.integers(0, 2, shape).astype(np.int8)
    if kind == "binary":
        return LowBitWeight((2 * codes - 1).astype(np.int8), scale)
    if kind == "ternary":
        return LowBitWeight(random.integers(-1, 2, shape).astype(np.int8), scale)
    return LowBitWeight(codes, scale, (scale * -0.3).astype(np.float32))


def coded_graph(kind: str, bits: int = 8, zero: int = 0) -> Graph:
    """quantize, a convolution on codes, dequantize."""
    random = np.random.default_rng(0)
    given = ActivationSpec(float(np.float32(0.03)), 2 ** (bits - 1), bits)
    made = ActivationSpec(float(np.float32(0.11)), zero, bits)
    image, out = (BATCH, 3, 7, 6), (BATCH, 8, 7, 6)
    attributes = {"weight": ConstRef("body.weight"), "padding": (1, 1), "activation": "relu"}
    nodes = (
        Node("q", "quantize", ("x",), {}, TensorType("u8", image, given)),
        Node("c", "conv2d", ("q",), attributes, TensorType("u8", out, made), "body"),
        Node("y", "dequantize", ("c",), {}, TensorType("f32", out)),
    )
    constants = {"body.weight": weight_of(kind, random)}
    return Graph("coded", (Value("x", TensorType("f32", image)),), nodes, ("y",), constants)


def images() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((3, 3, 7, 6)).astype(np.float32)


def run(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": images()})[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [8, 7, 4])
def test_onnx_runtime_computes_the_codes_of_qdq(kind: str, bits: int) -> None:
    graph = coded_graph(kind, bits)
    expected = interpret(graph, {"x": images()})["y"]
    steps = np.abs(run(to_onnx(graph, Flavour.QDQ)) - expected) / np.float32(0.11)
    # Floats in the middle between two codes may become the other one.
    assert steps.max() < 1.01
    assert (steps > 0.5).mean() < 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [8, 7, 4])
def test_the_reader_of_qonnx_finds_the_same_network(kind: str, bits: int) -> None:
    graph = coded_graph(kind, bits)
    model = to_onnx(graph, Flavour.QONNX)
    again = read_onnx(model)
    expected = interpret(graph, {"x": images()})["y"]
    found = interpret(again, {"x": images()})[again.outputs[0]]
    steps = np.abs(found - expected) / np.float32(0.11)
    assert steps.max() < 1.01
    assert (steps > 0.5).mean() < 0.01
    assert ("BipolarQuant" in {node.op_type for node in model.graph.node}) == (kind == "binary")


@pytest.mark.parametrize("kind", ["signed_binary", "binary", "ternary"])
def test_low_bit_weights_take_two_bits_in_opset_25(kind: str) -> None:
    model = to_onnx(coded_graph(kind), Flavour.QDQ, opset=25)
    (codes,) = (each for each in model.graph.initializer if each.name == "body.weight/codes")
    assert codes.data_type == onnx.TensorProto.INT2
    assert len(codes.raw_data) == 8 * 27 * 2 / 8
    weight = coded_graph(kind).constants["body.weight"]
    sign = np.where(weight.scale < 0, -1, 1).reshape(-1, 1, 1, 1)
    np.testing.assert_array_equal(
        onnx.numpy_helper.to_array(codes).astype(np.int8), weight.codes * sign
    )


def test_operators_are_called_by_their_modules_and_weights_keep_their_names() -> None:
    model = to_onnx(coded_graph("ternary"), Flavour.QDQ)
    names = [node.name for node in model.graph.node]
    assert "/body/Conv" in names
    assert len(names) == len(set(names))
    assert {each.name for each in model.graph.initializer} >= {"body.weight/codes"}


def test_signed_binary_stays_so_when_it_is_read_back() -> None:
    again = read_onnx(to_onnx(coded_graph("signed_binary"), Flavour.QONNX))
    kinds = [each for each in again.constants.values() if isinstance(each, LowBitWeight)]
    assert [each.value_set for each in kinds] == [ValueSet.SIGNED_BINARY]


def test_another_opset_is_refused() -> None:
    with pytest.raises(SpecError, match="opset: got 13; allowed: 17, 25"):
        to_onnx(coded_graph("ternary"), Flavour.QDQ, opset=13)
