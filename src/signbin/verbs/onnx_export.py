"""From a source to an ONNX model: its own, its graph's, or what PyTorch's exporter makes of it."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbin.errors import CaptureError
from signbin.ir.form import Form

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

__all__ = ["export_with_torch", "form_of", "torch_exporter"]

_OPSET = 18


def torch_exporter() -> str:
    """Which of PyTorch's exporters is used: the newer one needs onnxscript."""
    newer = importlib.util.find_spec("onnxscript") is not None
    return "torch.onnx (dynamo)" if newer else "torch.onnx (TorchScript)"


def export_with_torch(model: nn.Module, examples: tuple[Tensor, ...]) -> ModelProto:
    """What PyTorch's exporter makes of a model in eval mode; the batch is free.

    CaptureError with its own words where it refuses.
    """
    import torch  # noqa: PLC0415 - an extra

    from signbin.onnx_reader import load_onnx  # noqa: PLC0415 - an extra

    names = [f"input_{number}" for number in range(len(examples))]
    copied = copy.deepcopy(model).eval()
    newer = importlib.util.find_spec("onnxscript") is not None
    batch = {name: {0: "N"} for name, each in zip(names, examples, strict=True) if each.ndim}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="signbin-"))
        stack.enter_context(torch.no_grad())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(
                copied,
                examples,
                path,
                input_names=names,
                dynamic_axes=batch,
                opset_version=_OPSET,
                dynamo=newer,
            )
        except Exception as error:  # a class of its own for every kind of failure
            raise _not_exported(model, error) from error
        return load_onnx(path)


def _not_exported(model: nn.Module, error: Exception) -> CaptureError:
    return CaptureError(
        f"{type(model).__name__} for a fallback",
        reason=f"{torch_exporter()} cannot export it: {error}",
        remedy="export it as ONNX yourself, and name that file",
    )


def form_of(result: Any) -> Form:
    """The form of what a model hands back, its tensors numbered as exporters number them.

    CaptureError for anything but tensors in tuples, lists and dicts.
    """
    import torch  # noqa: PLC0415 - an extra

    count = 0

    def form(part: Any) -> Form:
        nonlocal count
        if isinstance(part, dict):
            return {str(key): form(each) for key, each in part.items()}
        if isinstance(part, (tuple, list)):
            members = [form(each) for each in part]
            return members if isinstance(part, list) else tuple(members)
        if not isinstance(part, torch.Tensor):
            raise CaptureError(
                "a result of the model",
                value=type(part).__name__,
                allowed="tensors, in tuples, lists and dicts",
                remedy="hand back tensors alone",
            )
        count += 1
        return count - 1

    walk: Callable[[Any], Form] = form
    return walk(result)
