"""Weights that a library keeps in a class of tensors of its own, as plain numbers.

torchao's ``quantize_`` leaves modules as they are and puts such tensors in place of their weights;
its classes change from version to version, but each dequantises itself.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from signbin.errors import CaptureError

__all__ = ["dequantize_parameters"]

_PLAIN: Final = (Tensor, nn.Parameter, nn.Buffer)
# What a tensor of torchao says where it quantises the layer's input, too, each time it is used.
_OF_ACTIVATIONS: Final = ("act_quant_kwargs", "act_quant_scale", "activation_quantization")


def dequantize_parameters(model: nn.Module) -> None:
    """Replaces tensors of other classes, in place, by the float32 numbers that they stand for.

    CaptureError, with the name of the parameter, where they have none, or where they also change
    what goes into the layer.
    """
    made: dict[int, nn.Parameter] = {}  # a weight that two layers share stays one
    for prefix, module in model.named_modules():
        for kept in (module._parameters, module._buffers):
            for name, tensor in kept.items():
                if tensor is None or type(tensor) in _PLAIN or not hasattr(tensor, "dequantize"):
                    continue
                fqn = f"{prefix}.{name}" if prefix else name
                if id(tensor) not in made:
                    made[id(tensor)] = _dequantized(fqn, tensor)
                kept[name] = made[id(tensor)]


def _dequantized(fqn: str, tensor: Any) -> nn.Parameter:
    kind = type(tensor).__name__
    changed = [name for name in _OF_ACTIVATIONS if getattr(tensor, name, None) is not None]
    if changed:
        raise CaptureError(
            f"parameter {fqn}",
            value=f"{kind}, which quantises the input of its layer, too ({changed[0]})",
            allowed="weights alone",
            remedy="quantise weights only (its configurations WeightOnly), and pass "
            "activations=signbin.QuantizedActivations(samples) to have codes between layers",
        )
    try:
        numbers = tensor.dequantize().detach().to(torch.float32)
    except Exception as error:  # whatever a class of somebody else's raises
        raise CaptureError(
            f"parameter {fqn}",
            value=kind,
            reason=f"{type(error).__name__}: {error}",
            allowed="plain tensors, or ones that dequantise themselves",
        ) from error
    return nn.Parameter(numbers.clone(), requires_grad=False)
