"""What ONNX Runtime computes for every value of a graph: another engine to compare with."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.interop.onnx_model import to_onnx
from signbin.ir import Graph

__all__ = ["OnnxValues"]

_ERRORS_ALONE: Final = 3


class OnnxValues:
    """A float32 graph in ONNX Runtime, with every value as an output.

    Its optimiser is off, so that no value is fused away. Calling it with one float32 array per
    input, (N, ...) each, gives every node's value by name. Raises VerifyError as
    :func:`signbin.interop.to_onnx` does, for graphs with codes for one.
    """

    def __init__(self, graph: Graph) -> None:
        import onnxruntime  # noqa: PLC0415 - an extra

        self._inputs = tuple(value.name for value in graph.inputs)
        self._values = tuple(node.name for node in graph.nodes)
        model = to_onnx(dataclasses.replace(graph, outputs=self._values, form=None))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = _ERRORS_ALONE
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    @staticmethod
    def installed() -> bool:
        """Whether the packages onnx and onnxruntime are there."""
        return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))

    def __call__(self, *arrays: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Every node's value by name."""
        given = dict(zip(self._inputs, arrays, strict=True))
        return dict(zip(self._values, self._session.run(self._values, given), strict=True))
