"""Networks. MODELS is the one list of what a recipe may name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from torch import nn

from signbin.errors import SpecError, unknown
from signbin.train.config import BlockStyle, ModelConfig, Nonlinearity
from signbin.train.data import Dataset
from signbin.train.models.blocks import (
    BLOCKS,
    ChannelBias,
    PaddedShortcut,
    PaperBlock,
    PaperUnit,
    PlainBlock,
    Shortcut,
    padded_shortcut,
    pooled_shortcut,
    projection_shortcut,
)
from signbin.train.models.chain import ALEXNET, VGG11, VGG16, VGG_SMALL, ChainNetwork, ChainSpec
from signbin.train.models.residual import ImageNetResidualNetwork, ResidualNetwork, ResidualSpec
from signbin.train.models.task import ImageTask
from signbin.train.models.wide import WideBlock, WideResidualNetwork, WideSpec

__all__ = [
    "BLOCKS",
    "MODELS",
    "Architecture",
    "ChainNetwork",
    "ChannelBias",
    "ImageNetResidualNetwork",
    "ImageTask",
    "PaddedShortcut",
    "PaperBlock",
    "PaperUnit",
    "PlainBlock",
    "ResidualNetwork",
    "ResidualSpec",
    "WideBlock",
    "WideResidualNetwork",
    "WideSpec",
    "architecture",
    "build_model",
    "build_network",
    "is_larger_convolution",
    "padded_shortcut",
    "pooled_shortcut",
    "projection_shortcut",
]

NetworkBuilder: TypeAlias = Callable[[ModelConfig, ImageTask], nn.Module]


@dataclasses.dataclass(frozen=True)
class Architecture:
    """One network: how to build it, and the task it was designed for.

    Other tasks will do where its pooling leaves a pixel of the image. blocks: whether
    ``model.blocks`` means something, or the name says it all. styles: which block styles it has.
    nonlinearity: whether it lets one be chosen.
    """

    build: NetworkBuilder
    designed_for: ImageTask
    blocks: bool = False
    styles: tuple[BlockStyle, ...] = tuple(BlockStyle)
    nonlinearity: bool = True


def _digits_resnet(config: ModelConfig, task: ImageTask) -> nn.Module:
    """Two stages, of width and 2 * width channels, ``blocks`` blocks each: for 8x8 images."""
    width, blocks = config.width or 16, config.blocks or 1
    shortcut = _shortcut(config, projection_shortcut)
    spec = (task.channels, task.classes, (width, 2 * width), (blocks, blocks))
    return ResidualNetwork(ResidualSpec(*spec, config.block_style, shortcut, _nonlinearity(config)))


def _cifar_resnet(blocks: int) -> NetworkBuilder:
    """ResNet of 6 * blocks + 2 layers for 32x32 images (CVPR'16, 4.2), option-A shortcuts."""

    def build(config: ModelConfig, task: ImageTask) -> nn.Module:
        width = config.width or 16
        widths = (width, 2 * width, 4 * width)
        shortcut = _shortcut(config, padded_shortcut)
        spec = (task.channels, task.classes, widths, (blocks,) * 3)
        return ResidualNetwork(
            ResidualSpec(*spec, config.block_style, shortcut, _nonlinearity(config))
        )

    return build


def _imagenet_resnet(*blocks: int) -> NetworkBuilder:
    """ResNet with basic blocks for 224x224 images (CVPR'16, table 1), 1x1 convolution shortcuts."""

    def build(config: ModelConfig, task: ImageTask) -> nn.Module:
        width = config.width or 64
        widths = tuple(width << stage for stage in range(len(blocks)))
        shortcut = _shortcut(config, projection_shortcut)
        spec = (task.channels, task.classes, widths, blocks)
        return ImageNetResidualNetwork(
            ResidualSpec(*spec, config.block_style, shortcut, _nonlinearity(config))
        )

    return build


def _wide_resnet(blocks: int) -> NetworkBuilder:
    """WRN of 6 * blocks + 2 layers for 32x32 images; width 64 is the literature's factor 4."""

    def build(config: ModelConfig, task: ImageTask) -> nn.Module:
        width = config.width or 64
        widths = (width, 2 * width, 4 * width)
        return WideResidualNetwork(WideSpec(task.channels, task.classes, widths, blocks))

    return build


def _chain(spec: ChainSpec) -> NetworkBuilder:
    def build(config: ModelConfig, task: ImageTask) -> nn.Module:
        scaled = spec.scaled(config.width)
        return ChainNetwork(scaled, task, config.block_style, _nonlinearity(config))

    return build


def _shortcut(config: ModelConfig, plain: Shortcut) -> Shortcut:
    """The shortcut that changes shape: the paper's blocks bring their own."""
    return pooled_shortcut if config.block_style is BlockStyle.PAPER else plain


def _nonlinearity(config: ModelConfig) -> Nonlinearity:
    if config.nonlinearity is not None:
        return config.nonlinearity
    return Nonlinearity.PRELU if config.block_style is BlockStyle.PAPER else Nonlinearity.RELU


_CIFAR: Final = ImageTask(3, 32, 32, classes=10)
_IMAGENET: Final = ImageTask(3, 224, 224, classes=1000)

MODELS: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        "digits_resnet": Architecture(_digits_resnet, ImageTask(1, 8, 8, classes=10), blocks=True),
        "resnet20": Architecture(_cifar_resnet(3), _CIFAR),
        "resnet32": Architecture(_cifar_resnet(5), _CIFAR),
        "resnet44": Architecture(_cifar_resnet(7), _CIFAR),
        "resnet56": Architecture(_cifar_resnet(9), _CIFAR),
        "resnet110": Architecture(_cifar_resnet(18), _CIFAR),
        "wide_resnet20": Architecture(
            _wide_resnet(3), _CIFAR, styles=(BlockStyle.PLAIN,), nonlinearity=False
        ),
        "vgg_small": Architecture(_chain(VGG_SMALL), _CIFAR),
        "resnet18": Architecture(_imagenet_resnet(2, 2, 2, 2), _IMAGENET),
        "resnet34": Architecture(_imagenet_resnet(3, 4, 6, 3), _IMAGENET),
        "vgg11": Architecture(_chain(VGG11), _IMAGENET),
        "vgg16": Architecture(_chain(VGG16), _IMAGENET),
        "alexnet": Architecture(_chain(ALEXNET), _IMAGENET),
    }
)


def architecture(name: str) -> Architecture:
    """The row of MODELS with this name; SpecError where there is none."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


def build_network(config: ModelConfig, task: ImageTask) -> nn.Module:
    """The named network for a task, with fresh float weights from torch's global generator.

    SpecError where MODELS has no such name, for ``blocks``, a style or a non-linearity that the
    network does not let be chosen, and for images that its pooling makes vanish.
    """
    row = architecture(config.name)
    if config.blocks is not None and not row.blocks:
        raise SpecError(
            "model.blocks", value=config.blocks, allowed=f"none: {config.name} says how many"
        )
    if config.block_style not in row.styles:
        raise SpecError(
            "model.block_style",
            value=config.block_style.value,
            allowed=f"{', '.join(style.value for style in row.styles)} for {config.name}",
        )
    if config.nonlinearity is not None and not row.nonlinearity:
        raise SpecError(
            "model.nonlinearity",
            value=config.nonlinearity.value,
            allowed=f"none: {config.name} has rectifiers",
        )
    return row.build(config, task)


def build_model(config: ModelConfig, dataset: Dataset) -> nn.Module:
    """The named network for the images and classes of a data set, see :func:`build_network`."""
    return build_network(config, ImageTask(*dataset.shape, classes=len(dataset.class_names)))


def is_larger_convolution(module: nn.Module, name: str) -> bool:
    """Whether a layer is one the recipes quantise: a convolution larger than 1x1.

    A filter for :func:`signbin.quant.quantize_`, which itself keeps the first and the last layer.
    So stem, classifier and the 1x1 convolutions of shortcuts stay float, as in the released
    training code of the signed-binary paper.
    """
    return isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1
