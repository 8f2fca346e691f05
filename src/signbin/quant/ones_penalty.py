"""A penalty that draws the share of ones among binary or signed-binary codes to a target."""

from __future__ import annotations

import math
from typing import Final

from torch import Tensor, nn

from signbin.errors import SpecError
from signbin.quant.prepare import quantized_layers
from signbin.quant.records import check_number

__all__ = ["ones_penalty", "share_of_ones"]

_CLOSE_ENOUGH: Final = 1e-4


def share_of_ones(model: nn.Module) -> Tensor:
    """Ones / weights over all quantised layers, a scalar; dq/dw is the estimators'.

    A one is what the engine walks over: a code +1 of binary weights, (c + 1) / 2, a code b of
    signed-binary ones, b*c. SpecError where there is no quantised layer, and for other value sets.
    """
    layers = quantized_layers(model)
    if not layers:
        raise SpecError("share of ones", value="no quantised layer", allowed="at least one")
    total = sum(layer.weight.numel() for layer in layers.values())
    ones = [layer.ones() for layer in layers.values()]
    return sum(ones[1:], start=ones[0]) / total


def ones_penalty(model: nn.Module, loss: Tensor, share: float, weight: float) -> Tensor:
    """What to add to ``loss``: a fixed part of it while there are more than ``share`` of ones.

    lambda * h, h = max(share of ones - share, 0), lambda = weight / (1 - weight) * loss / h a
    constant in the backward pass, so that the penalty is ``weight`` of the sum; 0 where
    h <= 0.0001. 0 < share < 1, 0 < weight < 1, else SpecError.

    Schiavone, Galati, Zuluaga 2023, "Binary domain generalization for sparsifying binary neural
    networks" (SBNN), section 3.3, whose expected connections are the ones of all layers together.
    """
    for name, value in (("share", share), ("weight", weight)):
        check_number(f"ones_penalty {name}", value, low=0.0, high=math.nextafter(1.0, 0.0))
    excess = (share_of_ones(model) - share).clamp(min=0)
    close = excess.detach() <= _CLOSE_ENOUGH
    part = weight / (1 - weight) * loss.detach() / excess.detach().clamp(min=_CLOSE_ENOUGH)
    return part.masked_fill(close, 0.0) * excess
