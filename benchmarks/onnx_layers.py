"""Single layers as ONNX models, for engines that take such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.coded_layer import CodedLayer
from benchmarks.layers import Shape
from benchmarks.onnxruntime_int8 import attributes_of, constants_of

__all__ = ["coded_convolution", "coded_linear", "float_convolution"]

_OPSET, _IR_VERSION = 17, 8
_LARGEST_CODE: Final = 127
_TOP: Final = 255


def float_convolution(
    shape: Shape, weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> bytes:
    """y = relu(conv2d(x) + bias), one image."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], **attributes_of(shape)),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    given = (1, shape.channels, shape.height, shape.width)
    return _model(nodes, given, (1, shape.filters, *shape.output), {"w": weight, "b": bias})


def coded_convolution(layer: CodedLayer) -> bytes:
    """The layer between quantisations, from floats to floats that are codes times a scale."""
    constants = {**constants_of(layer), "bias": layer.bias}
    nodes = [
        *_coded("x", "input_scale", "input_zero"),
        _dequantize("weight_codes", "weight_scale", "weight_zero", axis=0),
        helper.make_node(
            "Conv",
            ["x_real", "weight_codes_real", "bias"],
            ["sum"],
            **attributes_of(layer.shape),
        ),
        helper.make_node("Relu", ["sum"], ["positive"]),
        *_coded("positive", "output_scale", "output_zero", "y"),
    ]
    shape = layer.shape
    given = (len(layer.images), shape.channels, shape.height, shape.width)
    return _model(nodes, given, (len(layer.images), shape.filters, *shape.output), constants)


def coded_linear(weight: NDArray[np.float32]) -> bytes:
    """y = x weight', rows of whole numbers from 0 to 255 as codes, weights (K, C) of a byte."""
    scale = (np.abs(weight).max(axis=1) / _LARGEST_CODE).astype(np.float32)
    constants = {
        "input_scale": np.float32(1.0),
        "input_zero": np.uint8(0),
        "weight_codes": np.rint(weight / scale[:, None]).astype(np.int8).T.copy(),
        "weight_scale": scale,
        "weight_zero": np.zeros(len(scale), np.int8),
    }
    nodes = [
        *_coded("x", "input_scale", "input_zero"),
        _dequantize("weight_codes", "weight_scale", "weight_zero", axis=1),
        helper.make_node("MatMul", ["x_real", "weight_codes_real"], ["y"]),
    ]
    filters, inputs = weight.shape
    return _model(nodes, ("n", inputs), ("n", filters), constants)


def _coded(name: str, scale: str, zero: str, made: str = "") -> list[Any]:
    quantize = helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}_codes"])
    back = [f"{name}_codes", scale, zero]
    return [quantize, helper.make_node("DequantizeLinear", back, [made or f"{name}_real"])]


def _dequantize(name: str, scale: str, zero: str, axis: int) -> Any:
    return helper.make_node("DequantizeLinear", [name, scale, zero], [f"{name}_real"], axis=axis)


def _model(
    nodes: Sequence[Any],
    given: Sequence[int | str],
    made: Sequence[int | str],
    constants: Mapping[str, Any],
) -> bytes:
    """From float32 ``x`` to float32 ``y``."""
    body = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(body, opset_imports=[opset], ir_version=_IR_VERSION)
    content: bytes = model.SerializeToString()
    return content
