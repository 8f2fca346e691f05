"""The residual networks of the public PLUM code (github.com/sachitkuhar/PLUM, quant/models).

Their layers, written again for evaluation, under their names: a checkpoint loads by its own keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from signbin.errors import SpecError

__all__ = ["PlumNetwork", "threshold_by_halves"]

_THRESHOLD: Final = 0.05
_SIZES: Final = ("kernel_size", "stride", "padding")
_LARGEST: Final = 2**20
_MOST_BLOCKS: Final = 100
_NONLINEARITIES: Final = ("relu", "prelu", "identity")
_SCHEMES: Final = ("fp", "sb")
_BLOCKS: Final = ("regular", "xnor")

Kinds: TypeAlias = tuple[str, str]
Scheme: TypeAlias = tuple[float | None, bool]


def threshold_by_halves(weight: Tensor) -> Tensor:
    """What PLUM trains with: the sign of a filter is given by where it stands, not learned.

    weight: (K, C, R, S). With t_k = 0.05 max |w_k|, filters k < K // 2 hold 1 where w >= t_k and 0
    elsewhere, the others -1 where w <= -t_k and 0 elsewhere.

    >>> threshold_by_halves(torch.tensor([[0.5, -0.5, 0.01], [0.5, -0.5, 0.01]])[:, :, None, None])[
    ...     :, :, 0, 0
    ... ]
    tensor([[ 1.,  0.,  0.],
            [ 0., -1.,  0.]])
    """
    threshold = _THRESHOLD * weight.abs().amax(dim=(1, 2, 3), keepdim=True)
    half = len(weight) // 2
    positive = (weight[:half] >= threshold[:half]).to(weight.dtype)
    negative = (weight[half:] <= -threshold[half:]).to(weight.dtype)
    return torch.cat([positive, 0 - negative])


class _QuantConv2d(nn.Conv2d):
    """conv2d(clamp(x, -a, a), quantised weight); keeps PLUM's buffer of scales, which are 1."""

    def __init__(
        self, channels: int, filters: int, stride: int, bias: bool, scheme: Scheme
    ) -> None:
        super().__init__(channels, filters, 3, stride=stride, padding=1, bias=bias)
        self.bound, self.quantized = scheme
        if self.quantized:
            self.w_approximate = nn.Module()
            self.w_approximate.register_buffer("v1", torch.zeros(filters))

    def forward(self, x: Tensor) -> Tensor:
        weight = threshold_by_halves(self.weight) if self.quantized else self.weight
        if self.bound is not None:
            x = x.clamp(-self.bound, self.bound)
        return self._conv_forward(x, weight, self.bias)  # type: ignore[no-any-return]  # torch leaves it untyped


class _LearnableBias(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class _RegularBlock(nn.Module):
    def __init__(
        self, channels: int, filters: int, stride: int, kinds: Kinds, scheme: Scheme
    ) -> None:
        super().__init__()
        self.conv1 = _QuantConv2d(channels, filters, stride, False, scheme)
        self.bn1 = nn.BatchNorm2d(filters)
        self.nonlin1 = _nonlinearity(kinds[0], filters)
        self.conv2 = _QuantConv2d(filters, filters, 1, False, scheme)
        self.bn2 = nn.BatchNorm2d(filters)
        self.nonlin2 = _nonlinearity(kinds[1], filters)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != filters:
            narrow = nn.Conv2d(channels, filters, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(narrow, nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        out = self.nonlin1(self.bn1(self.conv1(x)))
        return self.nonlin2(self.bn2(self.conv2(out)) + self.shortcut(x))  # type: ignore[no-any-return]  # nn.Module returns Any


class _XnorBlock(nn.Module):
    def __init__(
        self, channels: int, filters: int, stride: int, kinds: Kinds, scheme: Scheme
    ) -> None:
        super().__init__()
        self.conv1 = _QuantConv2d(channels, filters, stride, True, scheme)
        self.bn1 = nn.BatchNorm2d(filters)
        self.nonlin1 = _nonlinearity(kinds[0], filters)
        self.conv2 = _QuantConv2d(filters, filters, 1, True, scheme)
        self.bn2 = nn.BatchNorm2d(filters)
        self.nonlin2 = _nonlinearity(kinds[1], filters)
        self.move10, self.move11 = _LearnableBias(channels), _LearnableBias(filters)
        self.move12, self.move20 = _LearnableBias(filters), _LearnableBias(filters)
        self.move21, self.move22 = _LearnableBias(filters), _LearnableBias(filters)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != filters:
            pooled = nn.AvgPool2d(2, stride=stride)
            narrow = nn.Conv2d(channels, filters, 1, bias=False)
            self.shortcut = nn.Sequential(pooled, narrow, nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(self.move10(x))) + self.shortcut(x)
        kept = self.move12(self.nonlin1(self.move11(out)))
        out = self.bn2(self.conv2(self.move20(kept))) + kept
        return self.move22(self.nonlin2(self.move21(out)))  # type: ignore[no-any-return]  # nn.Module returns Any


class PlumNetwork(nn.Module):
    """Their QResNet, from ``model.arch_config`` of an experiment; SpecError names what differs.

    x: (N, 3, H, W). Returns (N, classes).
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        first = _mapping(config, "layer0")
        width = _number(first, "n_in_channels")
        kernel, stride, padding = (_number(first, name) for name in _SIZES)
        biased = first.get("bias") is True
        self.conv1 = nn.Conv2d(3, width, kernel, stride, padding, bias=biased)
        self.maxpool = _pool(_mapping(first, "maxpool"))
        self.bn1 = nn.BatchNorm2d(width)
        stem = nn.Sequential(self.conv1, self.bn1, nn.ReLU(), self.maxpool)
        body, channels = _body(config, width)
        self.blocks = nn.ModuleList([stem, *body])
        last = nn.Linear(channels, _number(config, "output_classes"))
        self.linear_classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, classes) of images (N, 3, H, W)."""
        for block in self.blocks:
            x = block(x)
        return self.linear_classifier(x)  # type: ignore[no-any-return]  # nn.Module returns Any


def _body(config: Mapping[str, Any], width: int) -> tuple[list[nn.Module], int]:
    """The blocks of all groups, each twice as wide as the one before, and the channels after."""
    make = {"regular": _RegularBlock, "xnor": _XnorBlock}[_one_of(config, "block", _BLOCKS)]
    kinds = _pair(config, "nonlins")
    counts = config.get("num_blocks")
    if not isinstance(counts, list) or len(counts) not in (3, 4) or not all(map(_counts, counts)):
        raise SpecError(
            "PLUM num_blocks", value=counts, allowed=f"3 or 4 numbers from 1 to {_MOST_BLOCKS}"
        )
    blocks: list[nn.Module] = []
    channels = width
    for group, count in enumerate(counts):
        if group == 3 and config.get("layer4") is None:
            break
        scheme = _scheme(_mapping(config, f"layer{group + 1}"))
        filters = width << group
        for number in range(count):
            stride = 2 if group and not number else 1
            blocks.append(make(channels, filters, stride, kinds, scheme))
            channels = filters
    return blocks, channels


def _counts(number: object) -> bool:
    return type(number) is int and 1 <= number <= _MOST_BLOCKS


def _scheme(layer: Mapping[str, Any]) -> Scheme:
    """The bound of the inputs of a layer, and whether its weights are signed-binary."""
    _one_of(layer, "x_quant", ("fp",))
    quantized = _one_of(layer, "w_quant", _SCHEMES) == "sb"
    clamp = layer.get("clamp") or {"kind": "identity"}
    if not isinstance(clamp, Mapping):
        raise SpecError("PLUM clamp", value=clamp, allowed="kind and alpha")
    if _one_of(clamp, "kind", ("identity", "symmetric")) == "identity":
        return None, quantized
    alpha = clamp.get("alpha", 2)
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < math.inf:
        raise SpecError("PLUM clamp alpha", value=alpha, allowed="a positive number")
    return float(alpha), quantized


def _nonlinearity(kind: str, channels: int) -> nn.Module:
    if kind == "prelu":
        return nn.PReLU(channels)
    return nn.ReLU() if kind == "relu" else nn.Identity()


def _pool(config: Mapping[str, Any]) -> nn.Module:
    if _one_of(config, "type", ("identity", "maxpool2d")) == "identity":
        return nn.Identity()
    kernel, stride, padding = (_number(config, name) for name in _SIZES)
    return nn.MaxPool2d(kernel, stride, padding)


def _pair(config: Mapping[str, Any], name: str) -> Kinds:
    kinds = config.get(name)
    if not isinstance(kinds, list) or len(kinds) != 2 or not set(kinds) <= set(_NONLINEARITIES):
        raise SpecError(f"PLUM {name}", value=kinds, allowed="two of " + ", ".join(_NONLINEARITIES))
    return kinds[0], kinds[1]


def _mapping(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    if not isinstance(found, Mapping):
        raise SpecError(f"PLUM {name}", value=found, allowed="a mapping")
    return found


def _number(config: Mapping[str, Any], name: str) -> int:
    found = config.get(name)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= _LARGEST:
        raise SpecError(f"PLUM {name}", value=found, allowed=f"a number from 0 to {_LARGEST}")
    return found


def _one_of(config: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    found = config.get(name)
    if found not in allowed:
        raise SpecError(f"PLUM {name}", value=found, allowed=", ".join(allowed))
    return str(found)
