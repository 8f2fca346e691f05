"""Modules here answer, and do not learn."""

from __future__ import annotations

import torch
from torch import Tensor

from signbin.errors import ExecutionError

__all__ = ["expect_inference"]


def expect_inference(module: str, x: Tensor) -> None:
    """ExecutionError, naming the module, for an input that would have a gradient."""
    if torch.is_grad_enabled() and x.requires_grad:
        raise ExecutionError(
            module,
            value="an input that requires a gradient",
            allowed="inference",
            remedy="call the model under torch.inference_mode()",
        )
