"""Residual networks: a float stem, stages of blocks, global average pooling, a classifier."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from signbin.errors import SpecError
from signbin.train.config import BlockStyle, Nonlinearity
from signbin.train.models.blocks import BLOCKS, Shortcut
from signbin.train.normalization import normalize

__all__ = ["ImageNetResidualNetwork", "ResidualNetwork", "ResidualSpec"]


@dataclasses.dataclass(frozen=True)
class ResidualSpec:
    """Everything that defines a residual network.

    widths: output channels of each stage. blocks: blocks in each stage. Every stage but the
    first halves height and width. in_channels, classes: what the task has. shortcut: around
    blocks that change the shape. nonlinearity: of every block; the stem's is always ReLU.
    """

    in_channels: int
    classes: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    style: BlockStyle
    shortcut: Shortcut
    nonlinearity: Nonlinearity

    def __post_init__(self) -> None:
        if not self.widths or len(self.widths) != len(self.blocks):
            raise SpecError(
                "stages of a residual network",
                value=(self.widths, self.blocks),
                allowed="as many widths as numbers of blocks, at least one",
            )
        for extent in (self.in_channels, self.classes, *self.widths, *self.blocks):
            if extent < 1:
                raise SpecError("extent of a residual network", value=extent, allowed=">= 1")

    def stages(self) -> list[nn.Sequential]:
        """The stages, each a sequence of blocks; the first block of a stage may downsample."""
        stages, channels = [], self.widths[0]
        for stage, (width, count) in enumerate(zip(self.widths, self.blocks, strict=True)):
            blocks = []
            for stride in [1 if stage == 0 else 2] + [1] * (count - 1):
                build = BLOCKS[self.style]
                blocks.append(build(channels, width, stride, self.shortcut, self.nonlinearity))
                channels = width
            stages.append(nn.Sequential(*blocks))
        return stages


class ResidualNetwork(nn.Module):
    """images (N, C, H, W) -> logits (N, classes), for small images.

    stem: 3x3 convolution, batch norm, ReLU. Stem and classifier stay float: together with the
    1x1 convolutions of shortcuts they hold few of the weights and most of the information.
    """

    def __init__(self, spec: ResidualSpec) -> None:
        super().__init__()
        channels = spec.widths[0]
        self.stem = nn.Sequential(
            nn.Conv2d(spec.in_channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.stages = nn.Sequential(*spec.stages())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(spec.widths[-1], spec.classes)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, C, H, W), float32 -> logits (N, classes)."""
        convolution, norm, relu = self.stem
        assert isinstance(norm, nn.BatchNorm2d)
        features = self.stages(normalize(norm, convolution(images), relu))
        logits: Tensor = self.classifier(torch.flatten(self.pool(features), 1))
        return logits


class ImageNetResidualNetwork(nn.Module):
    """images (N, C, H, W) -> logits (N, classes), for images of some 200 pixels a side.

    7x7 convolution with stride 2, batch norm, ReLU, 3x3 max pooling with stride 2, four stages,
    classifier. In the plain style the state dict is torchvision's, so that its float checkpoints
    load with strict=True.
    """

    def __init__(self, spec: ResidualSpec) -> None:
        super().__init__()
        channels = spec.widths[0]
        self.conv1 = nn.Conv2d(spec.in_channels, channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = spec.stages()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(spec.widths[-1], spec.classes)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, C, H, W), float32 -> logits (N, classes)."""
        x = self.maxpool(normalize(self.bn1, self.conv1(images), self.relu))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return logits
