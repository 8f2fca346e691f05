"""``torch.ops.signbin.linear(x, packed, filters)``: signbin.linear as an operator of PyTorch.

``packed`` is the number of a layer of this process (:func:`number_of`): PyTorch passes numbers and
tensors between operators, no other objects. So a program that torch.export has saved runs where its
layers have been packed, and nowhere else.
"""

from __future__ import annotations

import itertools
import weakref
from typing import Final

import torch
from torch import Tensor

from signbin.errors import ExecutionError
from signbin.packed import PackedLinear

__all__ = ["number_of"]

_LAYERS: Final[weakref.WeakValueDictionary[int, PackedLinear]] = weakref.WeakValueDictionary()
_NUMBERS: Final = itertools.count(1)


def number_of(layer: PackedLinear) -> int:
    """A number for the operator, valid as long as the layer lives; every call gives another."""
    number = next(_NUMBERS)
    _LAYERS[number] = layer
    return number


@torch.library.custom_op("signbin::linear", mutates_args=(), device_types="cpu")
def _linear(x: Tensor, packed: int, filters: int) -> Tensor:
    """y = x W^T + bias, float32 (..., filters), of contiguous or other x (..., C) on the CPU."""
    layer = _LAYERS.get(packed)
    if layer is None or layer.shape[0] != filters:
        raise ExecutionError(
            "number of a packed layer",
            value=(packed, filters),
            allowed="that of a layer of this process, and its filters",
            remedy="make the signbin.nn.Linear again in this process",
        )
    return torch.from_numpy(layer(x.detach().numpy()))


@_linear.register_fake
def _(x: Tensor, packed: int, filters: int) -> Tensor:
    del packed
    return x.new_empty((*x.shape[:-1], filters), dtype=torch.float32)
