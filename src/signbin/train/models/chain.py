"""Networks that are one chain of layers: VGG and AlexNet, with batch norm."""

from __future__ import annotations

import dataclasses
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn

from signbin.errors import SpecError
from signbin.train.config import BlockStyle, Nonlinearity
from signbin.train.models.blocks import PaperUnit, nonlinearity_module
from signbin.train.models.task import ImageTask

__all__ = ["ALEXNET", "VGG11", "VGG16", "VGG_SMALL", "ChainNetwork", "ChainSpec"]

_DROPOUT: Final = 0.5


@dataclasses.dataclass(frozen=True)
class Convolution:
    """One convolution of a chain, followed by batch norm and activation."""

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


@dataclasses.dataclass(frozen=True)
class Pooling:
    """Maximum over kernel x kernel."""

    kernel: int = 2
    stride: int = 2


Step: TypeAlias = Convolution | Pooling


@dataclasses.dataclass(frozen=True)
class ChainSpec:
    """Everything that defines a chain.

    steps: the feature layers. hidden: width of each of the two hidden layers of the classifier;
    0 for a classifier of one layer. bias: whether convolutions have one. Widths are those of a
    network whose first convolution has ``steps[0].channels``; another width scales them all.
    """

    steps: tuple[Step, ...]
    hidden: int
    bias: bool

    @property
    def width(self) -> int:
        """Channels of the first convolution."""
        first = self.steps[0]
        assert isinstance(first, Convolution)
        return first.channels

    def scaled(self, width: int | None) -> ChainSpec:
        """The same network with another first width, all others in proportion, at least 1."""
        if width is None or width == self.width:
            return self

        def scale(channels: int) -> int:
            return max(1, channels * width // self.width)

        steps = tuple(
            dataclasses.replace(step, channels=scale(step.channels))
            if isinstance(step, Convolution)
            else step
            for step in self.steps
        )
        return ChainSpec(steps, scale(self.hidden) if self.hidden else 0, self.bias)

    def extent(self, pixels: int) -> int:
        """Height or width of the features for an image of ``pixels``."""
        extent = pixels
        for step in self.steps:
            padding = step.padding if isinstance(step, Convolution) else 0
            extent = (extent + 2 * padding - step.kernel) // step.stride + 1
            if extent < 1:
                raise SpecError("image size", value=pixels, allowed="a larger one for this network")
        return extent


class ChainNetwork(nn.Module):
    """images (N, C, H, W) -> logits (N, classes).

    plain: every convolution is followed by batch norm and ReLU. paper: from the second
    convolution on by the rest of a :class:`PaperUnit`, with the identity around those that keep
    the shape and no shortcut around others. nonlinearity: another one for every convolution but
    the first of the paper's style. The classifier stays float, with ReLU.
    """

    def __init__(
        self, spec: ChainSpec, task: ImageTask, style: BlockStyle, nonlinearity: Nonlinearity
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = task.channels
        for number, step in enumerate(spec.steps):
            if isinstance(step, Pooling):
                layers.append(nn.MaxPool2d(step.kernel, step.stride))
                continue
            if style is BlockStyle.PAPER and number:
                shape = (channels, step.channels, step.stride)
                layers.append(PaperUnit(*shape, None, step.kernel, nonlinearity))
            else:
                own = Nonlinearity.RELU if style is BlockStyle.PAPER else nonlinearity
                layers += _plain(channels, step, spec.bias, own)
            channels = step.channels
        self.features = nn.Sequential(*layers)
        features = channels * spec.extent(task.height) * spec.extent(task.width)
        self.classifier = _classifier(features, spec.hidden, task.classes)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, C, H, W), float32 -> logits (N, classes)."""
        logits: Tensor = self.classifier(torch.flatten(self.features(images), 1))
        return logits


def _plain(
    channels: int, step: Convolution, bias: bool, nonlinearity: Nonlinearity
) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, step.channels, step.kernel, step.stride, step.padding, bias=bias),
        nn.BatchNorm2d(step.channels),
        nonlinearity_module(nonlinearity, step.channels),
    ]


def _classifier(features: int, hidden: int, classes: int) -> nn.Sequential:
    if not hidden:
        return nn.Sequential(nn.Linear(features, classes))
    return nn.Sequential(
        *(nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(_DROPOUT)),
        *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(_DROPOUT)),
        nn.Linear(hidden, classes),
    )


def _vgg(*widths: int | None) -> tuple[Step, ...]:
    """3x3 convolutions of these widths; None stands for pooling."""
    return tuple(Pooling() if width is None else Convolution(width) for width in widths)


VGG11: Final = ChainSpec(
    _vgg(64, None, 128, None, 256, 256, None, 512, 512, None, 512, 512, None), 4096, bias=True
)
"""VGG configuration A (Simonyan, Zisserman 2015) with batch norm; names as torchvision's."""

VGG16: Final = ChainSpec(
    _vgg(
        *(64, 64, None, 128, 128, None, 256, 256, 256, None),
        *(512, 512, 512, None, 512, 512, 512, None),
    ),
    hidden=4096,
    bias=True,
)
"""VGG configuration D with batch norm; names as torchvision's."""

VGG_SMALL: Final = ChainSpec(
    _vgg(128, 128, None, 256, 256, None, 512, 512, None), hidden=0, bias=False
)
"""The CIFAR network of LQ-Nets (Zhang et al. 2018) and its successors."""

ALEXNET: Final = ChainSpec(
    (
        *(Convolution(64, 11, 4, 2), Pooling(3)),
        *(Convolution(192, 5, 1, 2), Pooling(3)),
        *(Convolution(384), Convolution(256), Convolution(256), Pooling(3)),
    ),
    hidden=4096,
    bias=False,
)
"""AlexNet in one column (Krizhevsky 2014), with batch norm in place of the convolutions' biases,
as the binary networks' papers have it: torchvision's checkpoint, which has none, does not load."""
