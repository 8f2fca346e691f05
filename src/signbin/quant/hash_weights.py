"""Start the layers of a network from what they see: binary weights by hashing."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.errors import SpecError
from signbin.quant.layers import QuantizedLayer
from signbin.quant.prepare import quantized_layers
from signbin.quant.quantizers import Bwnh

__all__ = ["hash_weights_"]

_MOST_ROWS: Final = 4096


def hash_weights_(model: nn.Module, images: Tensor) -> tuple[str, ...]:
    """Fit every layer whose quantiser is BWNH to its inputs, in place; their names.

    One layer after the other, in the order of ``named_modules``, so that a layer sees what the
    hashed layers before it put out. images: a batch for the model, run in evaluation mode; of a
    layer's inputs (every window of a convolution) at most 4096, evenly spaced, are used. Latent
    weights keep their magnitude and take the sign of their code; ``weight_scale`` takes the
    scale. A model without such layers is left alone. SpecError for an empty batch.
    """
    if not len(images):
        raise SpecError("images to hash weights with", value=0, allowed="at least one")
    layers = {
        name: layer
        for name, layer in quantized_layers(model).items()
        if isinstance(layer.config.weight, Bwnh)
    }
    was_training = model.training
    model.eval()
    try:
        for layer in layers.values():
            _fit(layer, _input_of(layer, model, images))
    finally:
        model.train(was_training)
    return tuple(layers)


def _input_of(layer: QuantizedLayer, model: nn.Module, images: Tensor) -> Tensor:
    seen: list[Tensor] = []

    def observe(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        seen.append(layer.quantized_input(inputs[0]).detach())

    handle = layer.register_forward_pre_hook(observe)
    try:
        with torch.no_grad():
            model(images)
    finally:
        handle.remove()
    if not seen:
        raise SpecError("layer to hash", value=repr(layer), allowed="layers that the model runs")
    return seen[0]


def _fit(layer: QuantizedLayer, x: Tensor) -> None:
    quantizer = layer.config.weight
    assert isinstance(quantizer, Bwnh)
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    filters = layer.weight.detach().flatten(1)
    fitted = [
        quantizer.fit(part, rows)
        for part, rows in zip(filters.chunk(groups), _rows(layer, x, groups), strict=True)
    ]
    with torch.no_grad():
        signs = torch.cat([each.signs for each in fitted]).reshape(layer.weight.shape)
        layer.weight.copy_(layer.weight.abs() * signs)
        layer.quantizer_state()["weight_scale"].copy_(torch.cat([each.scale for each in fitted]))


def _rows(layer: QuantizedLayer, x: Tensor, groups: int) -> list[Tensor]:
    """What the filters of each group are multiplied with, (rows, weights per filter)."""
    if not isinstance(layer, nn.Conv2d):
        return [_spaced(x.reshape(-1, x.shape[-1]))]
    padding: Any = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(x, padding, mode=mode)
    windows = F.unfold(padded, layer.kernel_size, dilation=layer.dilation, stride=layer.stride)
    rows = _spaced(windows.transpose(1, 2).reshape(-1, windows.shape[1]))
    return list(rows.chunk(groups, dim=1))


def _spaced(rows: Tensor) -> Tensor:
    return rows[:: -(-len(rows) // _MOST_ROWS)]
