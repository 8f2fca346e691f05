"""A moving average of the weights over the steps of training."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """a <- d*a + (1 - d)*w after every step, d = min(decay, (1 + n) / (10 + n)) at step n.

    The smaller decay at the beginning forgets the random start (Polyak, Juditsky 1992; the ramp is
    TensorFlow's). Buffers are copied. ``model`` is a network of its own.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after step ``step``, 0 the first."""
        decay = min(self._decay, (1 + step) / (10 + step))
        averages: list[Tensor] = list(self.model.parameters())
        weights: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for average, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(buffer)
