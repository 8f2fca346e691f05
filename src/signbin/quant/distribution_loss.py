"""A loss on the inputs of quantised layers that keeps sign(x) informative."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from signbin.errors import SpecError
from signbin.quant.layers import QuantizedLayer
from signbin.quant.prepare import quantized_layers

__all__ = ["DistributionLoss", "channel_distribution_loss", "record_distribution_loss"]


def channel_distribution_loss(x: Tensor) -> Tensor:
    """Mean over channels of saturation, degeneration and gradient mismatch of one input.

    With mean m and population std s of every channel, over images and pixels:
    degeneration max(m^2 - s^2, 0): nearly all values have one sign;
    saturation max(s - 4, 0)^2: nearly all are outside the window of the straight-through gradient;
    gradient mismatch max(min(2 - m - s, 2 + m - s), 0)^2: nearly all are inside it, where the
    identity is a poor stand-in for the sign.
    Ding, Chin, Liu, Marculescu 2019, "Regularizing activation distribution", constants of the
    released code. x: (N, C, H, W) or (N, C); a scalar comes back.
    """
    channels = x.movedim(1, 0).flatten(1)
    mean = channels.mean(1)
    std = (channels.var(1, correction=0) + 1e-10).sqrt()  # the root of 0 has no derivative
    degeneration = (mean.square() - std.square()).clamp(min=0)
    saturation = (std - 4).clamp(min=0).square()
    mismatch = torch.minimum(2 - mean - std, 2 + mean - std).clamp(min=0).square()
    return (degeneration + saturation + mismatch).mean()


class DistributionLoss:
    """The loss of the inputs that went through the quantised layers since the last reading."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []

    def observe(self, x: Tensor) -> None:
        """Take in the input of one layer."""
        self._losses.append(channel_distribution_loss(x))

    def take(self) -> Tensor:
        """The mean over the layers that ran; forgets it. SpecError where none ran."""
        if not self._losses:
            raise SpecError(
                "distribution loss", value="no input of a quantised layer", allowed="at least one"
            )
        mean = torch.stack(self._losses).mean()
        self._losses.clear()
        return mean


@contextlib.contextmanager
def record_distribution_loss(model: nn.Module) -> Iterator[DistributionLoss]:
    """Watch the inputs of all quantised layers of ``model`` inside the ``with`` block."""
    loss = DistributionLoss()
    with contextlib.ExitStack() as hooks:
        for layer in quantized_layers(model).values():
            hooks.callback(layer.register_forward_pre_hook(_observer(loss)).remove)
        yield loss


def _observer(loss: DistributionLoss) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def observe(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if module.training:
            assert isinstance(module, QuantizedLayer)
            loss.observe(module.centred_input(inputs[0]))

    return observe
