"""The networks whose predicted times are held against measured ones, with fresh weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor, nn

from signbin.train.config import ModelConfig
from signbin.train.models import ImageTask, build_network

__all__ = ["NETWORKS", "alexnet", "example_of", "mobilenet_v2", "resnet50"]

_IMAGENET: Final = ImageTask(3, 224, 224, classes=1000)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with batch norm, and a shortcut (He et al. 2016, figure 5)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_unit(channels, width, 1),
            nn.ReLU(),
            *_unit(width, width, 3, stride),
            nn.ReLU(),
            *_unit(width, 4 * width, 1),
        )
        same = stride == 1 and channels == 4 * width
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(*_unit(channels, 4 * width, 1, stride))
        )
        self.relu = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.relu(self.body(images) + self.shortcut(images))
        return result


class InvertedResidual(nn.Module):
    """1x1 up, depthwise 3x3, 1x1 down without activation (Sandler et al. 2018, figure 4b)."""

    def __init__(self, channels: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        up = [*_unit(channels, hidden, 1), nn.ReLU6()] if expansion > 1 else []
        self.body = nn.Sequential(
            *up,
            *_unit(hidden, hidden, 3, stride, groups=hidden),
            nn.ReLU6(),
            *_unit(hidden, width, 1),
        )
        self.adds = stride == 1 and channels == width

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.body(images)
        return result + images if self.adds else result


def alexnet() -> nn.Module:
    """AlexNet as one tower, of Krizhevsky 2014 (One weird trick), with its three linear layers."""
    layers: list[nn.Module] = []
    rows = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1))
    for number, row in enumerate((*rows, (256, 256, 3, 1, 1))):
        layers += [nn.Conv2d(*row), nn.ReLU()]
        if number in (0, 1, 4):
            layers.append(nn.MaxPool2d(3, 2))
    layers += [nn.Flatten(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, _IMAGENET.classes)
    )


def resnet50() -> nn.Module:
    """ResNet-50 of He et al. 2016, stride in the 3x3 as everybody has it since."""
    layers: list[nn.Module] = [*_unit(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(blocks):
            layers.append(Bottleneck(channels, width, 2 if stage and not block else 1))
            channels = 4 * width
    return _with_head(layers, channels)


def mobilenet_v2() -> nn.Module:
    """MobileNet-v2, width 1, of Sandler et al. 2018, table 2."""
    layers: list[nn.Module] = [*_unit(3, 32, 3, 2), nn.ReLU6()]
    channels = 32
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2))
    for expansion, width, blocks, stride in (*rows, (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(blocks):
            layers.append(InvertedResidual(channels, width, 1 if block else stride, expansion))
            channels = width
    return _with_head([*layers, *_unit(channels, 1280, 1), nn.ReLU6()], 1280)


def _with_head(layers: list[nn.Module], channels: int) -> nn.Module:
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, _IMAGENET.classes)
    )


def _unit(
    channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    padding = kernel // 2
    layer = nn.Conv2d(channels, width, kernel, stride, padding, groups=groups, bias=False)
    return layer, nn.BatchNorm2d(width)


def _of_recipes(name: str) -> Callable[[], nn.Module]:
    return lambda: build_network(ModelConfig(name), _IMAGENET)


NETWORKS: Final[Mapping[str, Callable[[], nn.Module]]] = MappingProxyType(
    {
        "resnet18": _of_recipes("resnet18"),
        "resnet50": resnet50,
        "mobilenet-v2": mobilenet_v2,
        "alexnet": alexnet,
        "vgg11": _of_recipes("vgg11"),
    }
)
"""As papers define them, for one image of 224 x 224."""


def example_of(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The network, seed 0, and an image to capture it by."""
    torch.manual_seed(0)
    return NETWORKS[name]().eval(), (torch.zeros(2, 3, 224, 224),)
