"""ONNX Runtime: the CPU provider with its default optimisations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnxruntime


def open_model(request: Mapping[str, Any]) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """A session with ``threads`` threads; everything else as ONNX Runtime sets it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        request["model"], options, providers=["CPUExecutionProvider"]
    )
    given, result = session.get_inputs()[0].name, session.get_outputs()[0].name

    def run(images: Any) -> Any:
        return session.run([result], {given: images})[0]

    return run, {"version": onnxruntime.__version__}
