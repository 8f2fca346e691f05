"""The other side of a comparison: what PyTorch computes for every value of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from signbin.capture.export import Exported, export
from signbin.errors import CaptureError

__all__ = ["Reference", "reference_values"]


class Reference:
    """A model exported once, to be run by PyTorch on many batches.

    Calling it with one float32 array per input, (N, ...) with N >= 1, gives every value that
    PyTorch computes on the way, by the names :func:`capture` uses, inputs included. Raises
    CaptureError as capture does, and for arrays that do not fit.
    """

    def __init__(self, model: nn.Module, example_inputs: tuple[Tensor, ...]) -> None:
        self._exported = export(model, example_inputs)
        self._shapes = tuple(tuple(tensor.shape[1:]) for tensor in example_inputs)

    def __call__(self, *arrays: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Every float32 value by name; the arrays are not changed."""
        shapes = tuple(array.shape[1:] for array in arrays)
        wrong_type = [str(array.dtype) for array in arrays if array.dtype != np.float32]
        batches = {array.shape[:1] for array in arrays}
        if shapes != self._shapes or wrong_type or len(batches) != 1 or (0,) in batches:
            raise CaptureError(
                "inputs of the reference",
                value=[(str(array.dtype), array.shape) for array in arrays],
                allowed=", ".join(f"float32 (N, {str(shape)[1:]}" for shape in self._shapes),
            )
        tensors = [torch.from_numpy(np.array(array, order="C")) for array in arrays]
        return _run(self._exported, tensors)


def reference_values(
    model: nn.Module, example_inputs: tuple[Tensor, ...]
) -> dict[str, NDArray[np.float32]]:
    """Every value that PyTorch computes for these inputs, by the names :func:`capture` uses.

    The model runs in eval mode, as a copy. Exporting takes most of the time: for many batches
    make one :class:`Reference`.
    """
    reference = Reference(model, example_inputs)
    return reference(*(tensor.detach().cpu().numpy() for tensor in example_inputs))


def _run(exported: Exported, tensors: list[Tensor]) -> dict[str, NDArray[np.float32]]:
    given = dict(zip(exported.inputs, tensors, strict=True))
    placeholders = [node for node in exported.graph_module.graph.nodes if node.op == "placeholder"]
    arguments = [given.get(node.name, exported.constants.get(node.name)) for node in placeholders]
    recorder = _Recorder(exported)
    with torch.no_grad():
        recorder.run(*arguments)
    values = {name: tensor.numpy() for name, tensor in given.items()}
    return values | recorder.values


class _Recorder(fx.Interpreter):
    """Runs an fx graph and keeps the float32 result of every operator."""

    def __init__(self, exported: Exported) -> None:
        super().__init__(exported.graph_module)
        self._names = exported.names
        self.values: dict[str, NDArray[np.float32]] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op == "call_function":
            first = result[0] if isinstance(result, (tuple, list)) and result else result
            if isinstance(first, Tensor) and first.dtype == torch.float32:
                self.values[self._names[n.name]] = first.detach().contiguous().numpy()
        return result
