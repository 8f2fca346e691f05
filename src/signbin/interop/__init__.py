"""Graphs in the formats of others. ONNX needs the extra ``signbin[onnx]``."""

from signbin.interop.onnx_model import to_onnx, write_onnx

__all__ = ["to_onnx", "write_onnx"]
