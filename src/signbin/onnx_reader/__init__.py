"""From an ONNX file to a Graph, without torch; needs the extra ``signbin[onnx]``.

A node of ONNX is said in the vocabulary of the room ``draft``, which makes the nodes of the IR.
"""

from __future__ import annotations

from signbin.onnx_reader.loading import load_onnx
from signbin.onnx_reader.reading import NodeFinding, findings, read_onnx, value_names
from signbin.onnx_reader.table import CLAIMS

__all__ = ["CLAIMS", "NodeFinding", "findings", "load_onnx", "read_onnx", "value_names"]
