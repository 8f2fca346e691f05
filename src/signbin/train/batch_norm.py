"""Batch-norm statistics measured again, with the weights as they now are."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from signbin.errors import SpecError

__all__ = ["reestimate_batch_norm"]

_BATCH_SIZE: Final = 256


def reestimate_batch_norm(model: nn.Module, images: Tensor, batch_size: int = _BATCH_SIZE) -> None:
    """Replace every batch norm's running statistics by averages over ``images``.

    images: float32 (N, C, H, W), N >= 2, varied as in training. Mean and (unbiased) variance are
    those of batches of about ``batch_size`` that are normalised by their own statistics, averaged
    with equal weight; all other layers are in evaluation mode. Nothing else of the model changes.
    Same-sign filters on non-negative inputs have outputs whose mean is large against their
    spread; there the moving averages of training lag behind the weights.
    """
    if len(images) < 2:
        raise SpecError("images to re-estimate batch norm from", value=len(images), allowed=">= 2")
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    modes = {module: module.training for module in model.modules()}
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: cumulative average
        norm.train()
    try:
        with torch.no_grad():
            for batch in torch.chunk(images, -(-len(images) // batch_size)):
                model(batch)
    finally:
        for module, mode in modes.items():
            module.training = mode
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
