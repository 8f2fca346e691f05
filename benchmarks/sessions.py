"""ONNX Runtime and OpenVINO on one thread: a model as a function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

__all__ = ["BoundSession", "open_request", "open_session"]


def open_session(model: bytes, optimized: str = "") -> Any:
    """ONNX Runtime's; optimized: where to write what it made of the model."""
    import onnxruntime  # noqa: PLC0415 - a peer's package

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if optimized:
        options.optimized_model_filepath = optimized
        options.log_severity_level = 3  # it warns that the file fits this CPU only
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class BoundSession:
    """A session that reads ``images`` as ``x`` and writes ``output`` as ``y``, bound once."""

    def __init__(self, session: Any, images: NDArray[Any], output: NDArray[Any]) -> None:
        self.images, self.output = images, output  # not the session's own: they must live as long
        self._session = session
        self._binding = session.io_binding()
        self._binding.bind_cpu_input("x", images)
        address = output.ctypes.data
        self._binding.bind_output("y", "cpu", 0, output.dtype.type, output.shape, address)

    def __call__(self) -> None:
        """One inference."""
        self._session.run_with_iobinding(self._binding)


def open_request(
    model: Any, change: Callable[[Any], Any] | None = None
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """OpenVINO's, for the least latency, without bfloat16; the output lives until the next call.

    model: an ONNX file's bytes. change: what is made of OpenVINO's model before it is compiled.
    """
    import openvino  # noqa: PLC0415 - a peer's package

    core = openvino.Core()
    read = core.read_model(model)
    how = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    how |= {"INFERENCE_PRECISION_HINT": "f32"}
    made = core.compile_model(read if change is None else change(read), "CPU", how)
    request = made.create_infer_request()

    def call(x: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = request.infer({0: x}, share_inputs=True, share_outputs=True)[0]
        return found

    return call
