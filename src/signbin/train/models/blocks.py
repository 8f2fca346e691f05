"""Blocks of the networks, from operations every later room knows.

A block maps (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride) through
convolutions that are quantised; 1x1 convolutions of shortcuts stay float.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.train.config import BlockStyle, Nonlinearity
from signbin.train.normalization import normalize

__all__ = [
    "BLOCKS",
    "ChannelBias",
    "PaddedShortcut",
    "PaperBlock",
    "PaperUnit",
    "PlainBlock",
    "Shortcut",
    "nonlinearity_module",
    "padded_shortcut",
    "pooled_shortcut",
    "projection_shortcut",
]

_CLAMP: Final = 2.0
_PRELU_SLOPE: Final = 0.25
_LEAKY_SLOPE: Final = 0.1

Shortcut: TypeAlias = Callable[[int, int, int], nn.Module]
"""From (in_channels, out_channels, stride) to a module that changes shape accordingly."""


def nonlinearity_module(kind: Nonlinearity, channels: int) -> nn.Module:
    """The module of a non-linearity after ``channels`` channels."""
    if kind is Nonlinearity.PRELU:
        return nn.PReLU(channels, init=_PRELU_SLOPE)
    if kind is Nonlinearity.LEAKY_RELU:
        return nn.LeakyReLU(_LEAKY_SLOPE)
    return nn.ReLU()


class ChannelBias(nn.Module):
    """y[n, c] = x[n, c] + bias[c]; bias is learnable and starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, C, H, W)."""
        return x + self.bias.view(1, -1, 1, 1)


class PaddedShortcut(nn.Module):
    """y = x[:, :, ::stride, ::stride] between zero channels: ResNet's option A (CVPR'16, 4.2).

    Has no weights. Half of the new channels come before x, half after it (the odd one after).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        added = out_channels - in_channels
        self.before, self.after = added // 2, added - added // 2

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, before + C + after, ceil(H / stride), ceil(W / stride))."""
        sampled = x[:, :, :: self.stride, :: self.stride]
        return F.pad(sampled, (0, 0, 0, 0, self.before, self.after))


def projection_shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """1x1 convolution with the stride, then batch norm: option B (CVPR'16)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def padded_shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """:class:`PaddedShortcut`; it can add channels and not remove any."""
    return PaddedShortcut(in_channels, out_channels, stride)


def pooled_shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Average pooling over stride x stride, 1x1 convolution, batch norm: the paper's code."""
    layers: list[nn.Module] = [nn.AvgPool2d(stride)] if stride != 1 else []
    layers.append(nn.Conv2d(in_channels, out_channels, 1, bias=False))
    layers.append(nn.BatchNorm2d(out_channels))
    return nn.Sequential(*layers)


class PlainBlock(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + downsample(x)): the basic block of ResNet (CVPR'16).

    downsample: the identity where the shape stays, else what ``shortcut`` makes. relu: or another
    non-linearity. The names of the layers with weights are torchvision's.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        shortcut: Shortcut = projection_shortcut,
        nonlinearity: Nonlinearity = Nonlinearity.RELU,
    ) -> None:
        super().__init__()
        self.conv1 = _convolution(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.inner_relu = nonlinearity_module(nonlinearity, out_channels)
        self.conv2 = _convolution(out_channels, out_channels, 1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = _identity_or(shortcut, in_channels, out_channels, stride)
        self.relu = nonlinearity_module(nonlinearity, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, K, H / stride, W / stride)."""
        inner = normalize(self.bn1, self.conv1(x), self.inner_relu)
        return normalize(self.bn2, self.conv2(inner), self.relu, lambda: self.downsample(x))


class PaperUnit(nn.Module):
    """bias -> clamp to [-2, 2] -> conv -> batch norm -> + shortcut -> bias -> PReLU -> bias.

    One half of the block of the signed-binary paper's released code (arXiv 2312.01581), whose
    convolution adds the first bias and clamps its own input. The clamp lets inputs of both
    signs through, so that filters of one sign do not only shift their output's mean. shortcut:
    the identity where the shape stays, else what ``shortcut`` makes; with None there is none
    (networks without shortcuts have no way to fit one). kernel: odd, padded to keep the size.
    nonlinearity: another one in the place of the PReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        shortcut: Shortcut | None = pooled_shortcut,
        kernel: int = 3,
        nonlinearity: Nonlinearity = Nonlinearity.PRELU,
    ) -> None:
        super().__init__()
        self.input_bias = ChannelBias(in_channels)
        self.conv = _convolution(in_channels, out_channels, stride, kernel)
        self.bn = nn.BatchNorm2d(out_channels)
        fits = stride == 1 and in_channels == out_channels
        self.has_shortcut = fits or shortcut is not None
        self.shortcut = _identity_or(shortcut, in_channels, out_channels, stride)
        self.sum_bias = ChannelBias(out_channels)
        self.prelu = nonlinearity_module(nonlinearity, out_channels)
        self.output_bias = ChannelBias(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, K, H / stride, W / stride)."""
        sums = self.conv(torch.clamp(self.input_bias(x), -_CLAMP, _CLAMP))
        residual = (lambda: self.shortcut(x)) if self.has_shortcut else None
        joined = normalize(self.bn, sums, residual=residual)
        shifted: Tensor = self.output_bias(self.prelu(self.sum_bias(joined)))
        return shifted


class PaperBlock(nn.Sequential):
    """Two :class:`PaperUnit`: as many convolutions as a plain block, a shortcut around each."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        shortcut: Shortcut = pooled_shortcut,
        nonlinearity: Nonlinearity = Nonlinearity.PRELU,
    ) -> None:
        super().__init__(
            PaperUnit(in_channels, out_channels, stride, shortcut, nonlinearity=nonlinearity),
            PaperUnit(out_channels, out_channels, 1, shortcut, nonlinearity=nonlinearity),
        )


BlockBuilder: TypeAlias = Callable[[int, int, int, Shortcut, Nonlinearity], nn.Module]

BLOCKS: Final[Mapping[BlockStyle, BlockBuilder]] = MappingProxyType(
    {BlockStyle.PLAIN: PlainBlock, BlockStyle.PAPER: PaperBlock}
)


def _convolution(in_channels: int, out_channels: int, stride: int, kernel: int = 3) -> nn.Conv2d:
    padding = kernel // 2
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)


def _identity_or(
    shortcut: Shortcut | None, in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    if shortcut is None or (stride == 1 and in_channels == out_channels):
        return nn.Identity()
    return shortcut(in_channels, out_channels, stride)
