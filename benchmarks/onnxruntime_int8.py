"""ONNX Runtime's u8s8 convolution as it runs inside a network: one QLinearConv, channels last.

The model is QLinearConv between two transpositions, which ONNX Runtime cancels against its own:
what is left is the one node, and a test looks. ReLU costs nothing: the output's zero point is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from benchmarks import sessions
from benchmarks.coded_layer import CodedCall, CodedLayer, rounded
from benchmarks.layers import Shape
from benchmarks.sessions import BoundSession

_OPSET, _IR_VERSION = 17, 8


def convolution(layer: CodedLayer) -> CodedCall:
    """The layer with weights of 7 bits, one scale per filter; input and output are bound once."""
    images = np.ascontiguousarray(layer.images.transpose(0, 2, 3, 1))
    output = np.zeros((len(images), *layer.shape.output, layer.shape.filters), np.uint8)
    bound = BoundSession(open_session(layer), images, output)
    bound()
    codes = output.transpose(0, 3, 1, 2).copy()
    return CodedCall("onnxruntime", bound, codes, {"version": onnxruntime.__version__})


def open_session(layer: CodedLayer, optimized: str = "") -> Any:
    """A session on one thread; optimized: where to write what ONNX Runtime made of the model."""
    return sessions.open_session(model_of(layer).SerializeToString(), optimized)


def model_of(layer: CodedLayer) -> ModelProto:
    """Transpose -> QLinearConv -> Transpose, from codes (N, H, W, C) to codes (N, P, Q, K)."""
    shape, constants = layer.shape, constants_of(layer)
    nodes = [
        helper.make_node("Transpose", ["x"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "QLinearConv", ["channels_first", *constants], ["codes"], **attributes_of(shape)
        ),
        helper.make_node("Transpose", ["codes"], ["y"], perm=[0, 2, 3, 1]),
    ]
    batch, (rows, columns) = len(layer.images), shape.output
    body = helper.make_graph(
        nodes,
        "layer",
        [_codes("x", (batch, shape.height, shape.width, shape.channels))],
        [_codes("y", (batch, rows, columns, shape.filters))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(body, opset_imports=[opset], ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    return model


def constants_of(layer: CodedLayer) -> dict[str, NDArray[Any] | np.generic]:
    """All inputs of QLinearConv but the image, in its order."""
    codes, scale = rounded(layer.weight)
    return {
        "input_scale": np.float32(layer.input_scale),
        "input_zero": np.uint8(0),
        "weight_codes": codes,
        "weight_scale": scale,
        "weight_zero": np.zeros(len(scale), np.int8),
        "output_scale": np.float32(layer.output_scale),
        "output_zero": np.uint8(0),
        "bias": np.rint(layer.bias / (scale * layer.input_scale)).astype(np.int32),
    }


def attributes_of(shape: Shape) -> dict[str, Any]:
    """Of a convolution of any type."""
    return {
        "kernel_shape": [shape.kernel_height, shape.kernel_width],
        "strides": [shape.stride] * 2,
        "pads": [shape.padding] * 4,
        "group": shape.groups,
    }


def _codes(name: str, extents: tuple[int, ...]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.UINT8, extents)
