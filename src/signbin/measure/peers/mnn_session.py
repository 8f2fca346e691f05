"""MNN: its CPU backend in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import MNN
import numpy as np


def open_model(request: Mapping[str, Any]) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """A session for one fixed shape with ``threads`` threads; the rest as MNN sets it."""
    interpreter = MNN.Interpreter(request["model"])
    session = interpreter.createSession({"backend": "CPU", "numThread": request["threads"]})
    shape = tuple(request["shape"])
    interpreter.resizeTensor(interpreter.getSessionInput(session), shape)
    interpreter.resizeSession(session)
    given, result = interpreter.getSessionInput(session), interpreter.getSessionOutput(session)
    extents = result.getShape()
    output = _on_host(extents, np.empty(extents, np.float32))

    def run(images: Any) -> Any:
        given.copyFrom(_on_host(shape, images))
        interpreter.runSession(session)
        result.copyToHostTensor(output)
        return output.getNumpyData()

    return run, {"version": version("mnn")}


def _on_host(shape: tuple[int, ...], array: Any) -> Any:
    return MNN.Tensor(shape, MNN.Halide_Type_Float, array, MNN.Tensor_DimensionType_Caffe)
