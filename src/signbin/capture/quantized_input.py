"""Quantised layers as float layers, whose inputs go through one operator that capture knows.

The operator computes what the layer's own quantiser computes, so that references are the trained
network's; its other arguments say which codes those numbers are.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
from typing import Any

import torch
from torch import Tensor, nn

from signbin.errors import CaptureError, SpecError
from signbin.quant import (
    Backward,
    CodedInput,
    QConv2d,
    QLinear,
    StraightThrough,
    activation_quantizer_from_json,
)

__all__ = ["float_layer"]


def float_layer(fqn: str, layer: QConv2d | QLinear) -> nn.Module:
    """The layer with its dequantised weight; what it does to its input comes before it.

    CaptureError, with the name of the module, where the layer cannot be written so.
    """
    rule, bare = layer.config.activation, copy.copy(layer)
    coded, state = None, _state(layer)
    try:
        if rule is not None:
            coded = rule.coded(state)
            bare.config = dataclasses.replace(layer.config, activation=None)
        plain = bare.to_float()
    except SpecError as error:
        raise CaptureError(f"layer {fqn}", reason=str(error)) from error
    if rule is not None and coded is not None:
        document = json.dumps({"rule": rule.to_json(), "state": state})
        plain.register_forward_pre_hook(functools.partial(_quantize_input, document, coded))
    return plain


def _state(layer: QConv2d | QLinear) -> dict[str, float]:
    """The numbers that the quantiser of the layer's input keeps."""
    rule, state = layer.config.activation, layer.quantizer_state()
    names = () if rule is None else rule.initial_state(layer.weight)
    return {name: float(state[name].detach()) for name in names}


def _quantize_input(
    document: str, coded: CodedInput, _module: nn.Module, arguments: tuple[Any, ...]
) -> tuple[Any, ...]:
    spec = coded.spec
    operator: Any = torch.ops.signbin.quantized_input.default
    codes = (spec.scale, spec.zero_point, spec.bits, coded.least, coded.binary)
    return (operator(arguments[0], document, *codes), *arguments[1:])


@torch.library.custom_op("signbin::quantized_input", mutates_args=())
def _quantized_input(  # noqa: PLR0913, PLR0917  # what an operator takes are its arguments
    x: Tensor,
    document: str,
    scale: float,
    zero_point: int,
    bits: int,
    least: float | None,
    binary: bool,
) -> Tensor:
    """What the quantiser of the document makes of x; the rest says the same as codes."""
    del scale, zero_point, bits, least, binary
    written = json.loads(document)
    state = {name: x.new_tensor(number) for name, number in written["state"].items()}
    rule = activation_quantizer_from_json(written["rule"])
    still = Backward(StraightThrough(), x.new_ones(()), training=False)
    return rule.quantize(x, state, still).clone()


@_quantized_input.register_fake
def _shape_of_quantized_input(x: Tensor, *_codes: object) -> Tensor:
    return torch.empty_like(x)
