"""Wide residual networks whose blocks normalise and rectify before they multiply."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.errors import SpecError
from signbin.train.normalization import normalize

__all__ = ["WideBlock", "WideResidualNetwork", "WideSpec"]


@dataclasses.dataclass(frozen=True)
class WideSpec:
    """Everything that defines a wide residual network.

    widths: channels of each stage, none narrower than the one before it; every stage but the first
    halves height and width. blocks: blocks in each stage. in_channels, classes: what the task has.
    one_sided: where it halves, windows reach one pixel beyond the image below and right alone, as
    TensorFlow's padding "same" has it on even heights and widths, not around it.
    """

    in_channels: int
    classes: int
    widths: tuple[int, ...]
    blocks: int
    one_sided: bool = False

    def __post_init__(self) -> None:
        if not self.widths or list(self.widths) != sorted(self.widths):
            raise SpecError(
                "stages of a wide residual network",
                value=self.widths,
                allowed="none narrower than the one before it",
            )
        for extent in (self.in_channels, self.classes, *self.widths, self.blocks):
            if extent < 1:
                raise SpecError("extent of a wide residual network", value=extent, allowed=">= 1")


class WideBlock(nn.Module):
    """conv2(relu(bn2(conv1(relu(bn1(x)))))) + shortcut(x), 3x3 convolutions without bias.

    (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)), K >= C. shortcut: x where the shape
    stays; else the average of 3x3 pixels inside the image, with the stride, and K - C channels of
    zeros after it. Batch norm has neither scale nor shift: one is lost in the next layer's, the
    other moves zeros off the border of the image. one_sided: see :class:`WideSpec`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, *, one_sided: bool = False
    ) -> None:
        super().__init__()
        self.one_sided = one_sided and stride != 1
        padding = 0 if self.one_sided else 1
        self.bn1 = nn.BatchNorm2d(in_channels, affine=False)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, affine=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.stride, self.added = stride, out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, K, H', W')."""
        inner = self.conv1(self._bordered(normalize(self.bn1, x, torch.relu)))
        y: Tensor = self.conv2(normalize(self.bn2, inner, torch.relu))
        return y + self._shortcut(x)

    def _bordered(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 1, 0, 1)) if self.one_sided else x

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.one_sided:
            x = F.avg_pool2d(x, 3, self.stride, ceil_mode=True, count_include_pad=False)
        elif self.stride != 1:
            x = F.avg_pool2d(x, 3, self.stride, 1, count_include_pad=False)
        return F.pad(x, (0, 0, 0, 0, 0, self.added)) if self.added else x


class WideResidualNetwork(nn.Module):
    """images (N, C, H, W) -> logits (N, classes): batch norm of the pixels, stem, blocks, head.

    Zagoruyko, Komodakis 2016, as McDonnell 2018 ("Training wide residual networks for deployment
    using a single bit for each weight") has it: a batch norm before the stem, the only one with
    scale and shift; no rectifier after the stem; at the end batch norm, ReLU, a 1x1 convolution to
    the classes, batch norm, and the mean over all pixels.
    """

    def __init__(self, spec: WideSpec) -> None:
        super().__init__()
        channels = spec.widths[0]
        self.pixels = nn.BatchNorm2d(spec.in_channels)
        self.stem = nn.Conv2d(spec.in_channels, channels, 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        for stage, width in enumerate(spec.widths):
            for place in range(spec.blocks):
                stride = 2 if stage and not place else 1
                blocks.append(WideBlock(channels, width, stride, one_sided=spec.one_sided))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.classifier = nn.Conv2d(channels, spec.classes, 1, bias=False)
        self.scores = nn.BatchNorm2d(spec.classes, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, C, H, W), float32 -> logits (N, classes)."""
        sums = self.blocks(self.stem(self.pixels(images)))
        features = normalize(self.norm, sums, torch.relu)
        logits: Tensor = self.scores(self.classifier(features)).mean((2, 3))
        return logits
