"""From a source to its graph, and to what its own framework computes: PyTorch, or ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from signbin.diagnose.compare import ReferenceFunction
from signbin.draft import legal_name
from signbin.errors import SpecError
from signbin.ir import Graph
from signbin.verbs.source import Source, is_onnx

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

__all__ = ["engine_of", "example_arrays_of", "graph_of", "operators_of", "reference_of"]


def engine_of(source: Source) -> str:
    """Who computes the reference, as comparisons call it."""
    return "onnxruntime" if is_onnx(source.model) else "pytorch"


def graph_of(source: Source) -> Graph:
    """The graph of a model, before any pass; CaptureError names every layer that has none."""
    if is_onnx(source.model):
        from signbin.onnx_reader import read_onnx  # noqa: PLC0415 - an extra
        from signbin.verbs.onnx_inputs import shapes_of  # noqa: PLC0415

        model = source.model
        shapes = shapes_of(model, source.example_inputs)
        return read_onnx(model, legal_name(source.name), input_shapes=shapes)
    from signbin.capture import capture  # noqa: PLC0415 - needs torch, which running does not

    return capture(*_of_torch(source))


def _of_torch(source: Source) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """What PyTorch's own checks then look at."""
    return cast("nn.Module", source.model), cast("tuple[Tensor, ...]", source.example_inputs)


def operators_of(source: Source) -> int:
    """How many nodes an ONNX model has; 0 for other models, whose operators nobody lists."""
    return len(source.model.graph.node) if is_onnx(source.model) else 0


def example_arrays_of(source: Source, count: int | None = None) -> list[NDArray[Any]]:
    """The example inputs as arrays; noise where an ONNX model was given without any.

    count: so many samples of every input. Beyond those that there are, noise of their mean and
    deviation; SpecError for inputs that are no floats.
    """
    found = _examples_of(source)
    return found if count is None else [_as_many(each, count) for each in found]


def _as_many(array: NDArray[Any], count: int) -> NDArray[Any]:
    if not array.ndim or len(array) >= count:
        return array[:count] if array.ndim else array
    if array.dtype.kind != "f" or not array.size:
        raise SpecError(
            "number of samples",
            value=count,
            allowed=f"up to {len(array)}: the source brings no more of its {array.dtype} input",
            remedy="leave --samples out, or let the factory return more example inputs",
        )
    shape = (count - len(array), *array.shape[1:])
    drawn = np.random.default_rng(0).normal(array.mean(), array.std() or 1.0, shape)
    return np.concatenate([array, drawn.astype(array.dtype)])


def _examples_of(source: Source) -> list[NDArray[Any]]:
    if is_onnx(source.model) and not source.example_inputs:
        from signbin.verbs.onnx_inputs import example_arrays  # noqa: PLC0415 - an extra

        return list(example_arrays(source.model, {}))
    return [
        each if isinstance(each, np.ndarray) else each.detach().cpu().numpy()
        for each in source.example_inputs
    ]


def reference_of(source: Source) -> ReferenceFunction:
    """From samples to every value by name, as the source's own framework computes them.

    ExecutionError where an ONNX model needs ONNX Runtime, which is not installed.
    """
    if is_onnx(source.model):
        return _OnnxReference(source)
    from signbin.capture import Reference  # noqa: PLC0415 - needs torch

    return Reference(*_of_torch(source))


class _OnnxReference:
    """An ONNX model in ONNX Runtime, with all its values as outputs."""

    def __init__(self, source: Source) -> None:
        from signbin.hybrid.network import read_network  # noqa: PLC0415 - an extra
        from signbin.hybrid.observe import InnerValues  # noqa: PLC0415
        from signbin.onnx_reader import value_names  # noqa: PLC0415
        from signbin.verbs.onnx_inputs import shapes_of, stated_batch  # noqa: PLC0415

        model = cast("ModelProto", source.model)
        network = read_network(model)
        names = value_names(model, input_shapes=shapes_of(model, source.example_inputs))
        self._inputs = network.inputs
        self._names = {ours: name for ours, name in names.items() if name in network.maker}
        self._inner = InnerValues(network, tuple(dict.fromkeys(self._names.values())))
        self._batch = stated_batch(model)

    def __call__(self, *arrays: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Every float32 value by the name it has in the graph."""
        count = len(arrays[0])
        size = self._batch or count
        parts = [
            self._run([each[start : start + size] for each in arrays], size)
            for start in range(0, count, size)
        ]
        return {
            ours: np.concatenate([part[name] for part in parts])
            for ours, name in self._names.items()
        }

    def _run(self, arrays: list[NDArray[np.float32]], size: int) -> dict[str, Any]:
        """A batch that a model states is filled up with copies of the last image."""
        count = len(arrays[0])
        filled = [np.concatenate([each, *[each[-1:]] * (size - count)]) for each in arrays]
        values = self._inner(dict(zip(self._inputs, filled, strict=True)))
        return {name: value[:count] for name, value in values.items()}
