"""A part that ONNX Runtime runs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from signbin.errors import ExecutionError, FormatError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

__all__ = ["RuntimePart", "require_onnx_runtime"]

_NOTHING: Final = 4  # errors are raised here, and not printed there
_SPINNING: Final = "session.intra_op.allow_spinning"


def require_onnx_runtime() -> None:
    """ExecutionError that says what to install where ONNX Runtime, or onnx, is not there."""
    for package in ("onnxruntime", "onnx"):
        if importlib.util.find_spec(package) is None:
            raise ExecutionError(
                "running a part of this network in ONNX Runtime",
                value=f"{package} is not installed",
                remedy="pip install 'signbin[fallback]'",
            )


class RuntimePart:
    """An ONNX model in a session of its own, on the CPU: arrays in, arrays out.

    threads: of one call. spins: whether its threads wait for work by spinning, as ONNX Runtime
    has it, which takes the cores from an engine whose turn it is.

    FormatError for bytes that are no ONNX model, or one that has data in other files;
    ExecutionError where ONNX Runtime is not installed or cannot run it.
    """

    def __init__(self, model: bytes, *, threads: int = 1, spins: bool = True) -> None:
        require_onnx_runtime()
        import onnxruntime  # noqa: PLC0415 - an extra

        _check(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _NOTHING
        options.add_session_config_entry(_SPINNING, str(int(spins)))
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # a class of its own for every kind of failure
            raise _refusal("loading a part", error) from error
        self.inputs = tuple(value.name for value in self._session.get_inputs())
        self.outputs = tuple(value.name for value in self._session.get_outputs())

    def __call__(self, arrays: Mapping[str, Any]) -> list[Any]:
        """The outputs, in order, of these inputs."""
        try:
            found: list[Any] = self._session.run(self.outputs, dict(arrays))
        except Exception as error:  # as above
            raise _refusal("running a part", error) from error
        return found


def _refusal(doing: str, error: Exception) -> ExecutionError:
    return ExecutionError(f"{doing} in ONNX Runtime", reason=str(error))


def _check(content: bytes) -> None:
    """Nothing but what is in these bytes may be read: a model can name files of its reader's."""
    from onnx import load_model_from_string  # noqa: PLC0415 - an extra

    try:
        model: ModelProto = load_model_from_string(content)
    except Exception as error:  # protobuf's own, which is no package of ours
        raise FormatError("part for ONNX Runtime", reason=str(error)) from error
    graphs = [model.graph]
    while graphs:
        _expect_inside(graphs.pop(), graphs)
    for function in model.functions:
        raise FormatError("part for ONNX Runtime", value=f"function {function.name}")


def _expect_inside(graph: GraphProto, waiting: list[GraphProto]) -> None:
    tensors, sparse = list(graph.initializer), list(graph.sparse_initializer)
    for node in graph.node:
        for attribute in node.attribute:
            waiting += [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
            tensors += [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
            sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
    for tensor in [*tensors, *(half for pair in sparse for half in (pair.values, pair.indices))]:
        _expect_own_data(tensor)


def _expect_own_data(tensor: TensorProto) -> None:
    if tensor.external_data or tensor.data_location:
        raise FormatError(
            f"tensor {tensor.name} of a part for ONNX Runtime",
            value="data in another file",
            allowed="data in the model itself",
        )
