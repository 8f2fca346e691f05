"""Graphs in the formats of others. ONNX needs the extra ``signbin[onnx]``."""

from signbin.interop.onnx_model import Flavour, to_onnx, write_onnx
from signbin.interop.onnx_values import OnnxValues

__all__ = ["Flavour", "OnnxValues", "to_onnx", "write_onnx"]
