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

from benchmarks.coded_layer import CodedCall, CodedLayer
from benchmarks.layers import Shape

_LARGEST_CODE = 63  # 8 bits of weight would saturate sums of two products without VNNI
_OPSET, _IR_VERSION = 17, 8


def convolution(layer: CodedLayer) -> CodedCall:
    """The layer with weights of 7 bits, one scale per filter; input and output are bound once."""
    bound = _Bound(layer)
    bound()
    codes = bound.output.transpose(0, 3, 1, 2).copy()
    return CodedCall("onnxruntime", bound, codes, {"version": onnxruntime.__version__})


class _Bound:
    """A session that reads and writes arrays it does not own: they must live as long."""

    def __init__(self, layer: CodedLayer) -> None:
        filters, (rows, columns) = layer.shape.filters, layer.shape.output
        self.images = np.ascontiguousarray(layer.images.transpose(0, 2, 3, 1))
        self.output = np.zeros((len(self.images), rows, columns, filters), np.uint8)
        self._session = open_session(layer)
        self._binding = self._session.io_binding()
        self._binding.bind_cpu_input("x", self.images)
        address = self.output.ctypes.data
        self._binding.bind_output("y", "cpu", 0, np.uint8, self.output.shape, address)

    def __call__(self) -> None:
        self._session.run_with_iobinding(self._binding)


def open_session(layer: CodedLayer, optimized: str = "") -> Any:
    """A session on one thread; optimized: where to write what ONNX Runtime made of the model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if optimized:
        options.optimized_model_filepath = optimized
        options.log_severity_level = 3  # it warns that the file fits this CPU only
    return onnxruntime.InferenceSession(
        model_of(layer).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def model_of(layer: CodedLayer) -> ModelProto:
    """Transpose -> QLinearConv -> Transpose, from codes (N, H, W, C) to codes (N, P, Q, K)."""
    shape, constants = layer.shape, _constants(layer)
    nodes = [
        helper.make_node("Transpose", ["x"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "QLinearConv", ["channels_first", *constants], ["codes"], **_attributes(shape)
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


def _constants(layer: CodedLayer) -> dict[str, NDArray[Any] | np.generic]:
    """All inputs of QLinearConv but the image, in its order."""
    filters = layer.shape.filters
    flat = np.abs(layer.weight.reshape(filters, -1)).max(axis=1)
    scale = (np.where(flat > 0, flat, 1) / _LARGEST_CODE).astype(np.float32)
    codes = np.rint(layer.weight / scale[:, None, None, None]).astype(np.int8)
    return {
        "input_scale": np.float32(layer.input_scale),
        "input_zero": np.uint8(0),
        "weight_codes": codes,
        "weight_scale": scale,
        "weight_zero": np.zeros(filters, np.int8),
        "output_scale": np.float32(layer.output_scale),
        "output_zero": np.uint8(0),
        "bias": np.rint(layer.bias / (scale * layer.input_scale)).astype(np.int32),
    }


def _attributes(shape: Shape) -> dict[str, Any]:
    return {
        "kernel_shape": [shape.kernel_height, shape.kernel_width],
        "strides": [shape.stride] * 2,
        "pads": [shape.padding] * 4,
        "group": shape.groups,
    }


def _codes(name: str, extents: tuple[int, ...]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.UINT8, extents)
