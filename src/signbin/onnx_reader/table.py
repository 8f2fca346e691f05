"""THE table of the reader: which operators of ONNX are read, each by its row."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from signbin.onnx_reader.elementwise import ELEMENTWISE
from signbin.onnx_reader.moving import MOVING
from signbin.onnx_reader.node import Rows
from signbin.onnx_reader.normalizing import NORMALIZING
from signbin.onnx_reader.pools import POOLS
from signbin.onnx_reader.products import PRODUCTS
from signbin.onnx_reader.quantized import QUANTIZED
from signbin.onnx_reader.reductions import REDUCTIONS
from signbin.onnx_reader.resizing import RESIZING
from signbin.onnx_reader.windows import WINDOWS

__all__ = ["ALLOWED", "CLAIMS", "REMEDIES", "ROWS"]

ROWS: Final[Rows] = MappingProxyType(
    {
        **WINDOWS,
        **ELEMENTWISE,
        **MOVING,
        **NORMALIZING,
        **POOLS,
        **PRODUCTS,
        **QUANTIZED,
        **REDUCTIONS,
        **RESIZING,
    }
)
"""Operator of ONNX, with its domain where that is not ONNX's own -> its row."""

CLAIMS: Final[tuple[str, ...]] = tuple(sorted(ROWS))
"""Operators that are read; each may refuse attributes and shapes that the IR has no op for."""

ALLOWED: Final = (
    ", ".join(CLAIMS) + ", of float32 values [N, C, ...], and any operator of constants"
)
"""What can be read, as errors say it."""

REMEDIES: Final = MappingProxyType(
    dict.fromkeys(
        ("If", "Loop", "Scan"), "export without branches and loops that depend on the input"
    )
    | dict.fromkeys(
        ("DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"),
        "quantise with scales that are known beforehand, as QuantizeLinear and DequantizeLinear",
    )
    | dict.fromkeys(
        (
            *("com.microsoft.QGemm", "com.microsoft.QLinearAdd", "com.microsoft.QLinearMul"),
            *("com.microsoft.QLinearGlobalAveragePool", "com.microsoft.QLinearAveragePool"),
            *("com.microsoft.QLinearConcat", "com.microsoft.QLinearSigmoid"),
            *("com.microsoft.QLinearLeakyRelu", "com.microsoft.QLinearSoftmax"),
        ),
        "quantise in the format QDQ, whose operators are ONNX's own",
    )
    | dict.fromkeys(("LSTM", "GRU", "RNN"), "run it beside the program, or replace it by layers")
    | dict.fromkeys(
        ("ArgMax", "ArgMin", "TopK", "NonMaxSuppression"),
        "end the model before it: apply it to the program's output",
    )
)
"""What to do about operators that are asked for often."""
