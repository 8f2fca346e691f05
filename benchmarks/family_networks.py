"""The networks that people use, with low-bit bodies: torchvision's, and five of other kinds.

torchvision is installed into a folder of its own, without its compiled operators, which no network
here calls: those that it registers shapes for are declared first.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from signbin.quant import QLinear, QuantConfig, Quantizer, SignedBinary, quantize_

__all__ = ["PACKAGES", "Family", "families", "low_bit", "torchvision_models"]

PACKAGES: Final = ("torchvision==0.29.1",)
_OF_TORCHVISION: Final = {
    "AlexNet": ("alexnet", 224),
    "VGG-11": ("vgg11", 224),
    "ResNet-18": ("resnet18", 224),
    "SqueezeNet 1.1": ("squeezenet1_1", 224),
    "DenseNet-121": ("densenet121", 224),
    "GoogLeNet": ("googlenet", 224),
    "Inception-v3": ("inception_v3", 299),
    "ShuffleNet-v2": ("shufflenet_v2_x1_0", 224),
    "MobileNet-v2": ("mobilenet_v2", 224),
    "MobileNet-v3 small": ("mobilenet_v3_small", 224),
    "EfficientNet-B0": ("efficientnet_b0", 224),
    "RegNet-Y 400MF": ("regnet_y_400mf", 224),
    "ConvNeXt-tiny": ("convnext_tiny", 224),
}
_SUPPRESSION: Final = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_ONLY_IN_TRAINING: Final = ("googlenet", "inception_v3")  # have outputs that only training uses
_SIGNED_BINARY: Final = SignedBinary(density=0.35)


@dataclasses.dataclass(frozen=True)
class Family:
    """A network by name: what makes it, in evaluation mode, and the shape of one sample."""

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]


def families(site: Path) -> Iterator[Family]:
    """All networks; those of torchvision from the package in ``site``."""
    for name, (function, side) in _OF_TORCHVISION.items():
        made = functools.partial(_of_torchvision, site, function)
        yield Family(name, partial(low_bit, made, (3, side, side)), (3, side, side))
    others = {
        "U-Net, 37 x 53": (UNet, (3, 37, 53)),
        "YOLO-like": (Detector, (3, 320, 320)),
        "keyword net": (Keywords, (40, 101)),
        "transformer encoder": (Encoder, (64, 192)),
        "perceptron": (Perceptron, (784,)),
    }
    for name, (kind, shape) in others.items():
        yield Family(name, partial(low_bit, kind, shape), shape)


def torchvision_models(site: Path) -> Any:
    """torchvision.models, of the package in ``site``."""
    if str(site) not in sys.path:
        sys.path.append(str(site))
    if "torchvision" not in sys.modules:
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
    return importlib.import_module("torchvision.models")


def _of_torchvision(site: Path, function: str) -> nn.Module:
    given: dict[str, Any] = {"weights": None}
    if function in _ONLY_IN_TRAINING:
        given |= {"init_weights": True, "aux_logits": False}
    made: nn.Module = getattr(torchvision_models(site), function)(**given)
    return made


def low_bit(
    make: Callable[[], nn.Module],
    shape: tuple[int, ...],
    kind: Quantizer | None = _SIGNED_BINARY,
) -> nn.Module:
    """The network with weights of two values per filter in all layers but the first, the last, the
    depthwise ones and transposed convolutions, in evaluation mode; always the same. kind: of the
    weights; None leaves them all float.
    """
    torch.manual_seed(0)
    model = make()
    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.MultiheadAttention)
    layers = [each for each in model.modules() if isinstance(each, kinds)]
    with torch.no_grad():
        for layer in layers[1:-1]:
            name = "in_proj_weight" if isinstance(layer, nn.MultiheadAttention) else "weight"
            if kind is not None and getattr(layer, "groups", 1) == 1:
                weight = getattr(layer, name)
                weight.copy_(_quantized(weight, kind))
        model.train()
        for _ in range(3):  # batch norms as data leaves them
            model(torch.randn(4, *shape))
    return model.eval()


def _quantized(weight: Tensor, kind: Quantizer) -> Tensor:
    """Of the same shape, with the scale of their kind; filters are the first axis."""
    filters = len(weight)
    holder = nn.Sequential(nn.Linear(weight[0].numel(), filters, bias=False))
    holder.load_state_dict({"0.weight": weight.reshape(filters, -1)})
    quantize_(holder, QuantConfig(kind), keep_first_and_last=False)
    plain = cast("QLinear", holder[0]).to_float()
    assert isinstance(plain, nn.Linear)
    return plain.weight.view_as(weight)


class _Unit(nn.Sequential):
    def __init__(self, channels: int, filters: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels, filters, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """Segmentation: three scales, transposed convolutions up, concatenations across."""

    def __init__(self) -> None:
        super().__init__()
        widths = (32, 64, 128)
        self.down = nn.ModuleList(
            nn.Sequential(_Unit(channels, filters), _Unit(filters, filters))
            for channels, filters in zip((3, *widths[:-1]), widths, strict=True)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(width, width // 2, 2, 2) for width in widths[:0:-1]
        )
        self.merge = nn.ModuleList(_Unit(width, width // 2) for width in widths[:0:-1])
        self.head = nn.Conv2d(widths[0], 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, 4, H, W) of images (N, 3, H, W)."""
        kept = []
        for number, block in enumerate(self.down):
            x = block(x if not number else functional.max_pool2d(x, 2))
            kept.append(x)
        for up, merge, skip in zip(self.up, self.merge, kept[-2::-1], strict=True):
            x = functional.interpolate(up(x), size=skip.shape[2:], mode="nearest")
            x = merge(torch.cat([x, skip], 1))
        return self.head(x)  # type: ignore[no-any-return]  # nn.Module returns Any


class Detector(nn.Module):
    """Detection on one scale: residual stages with SiLU, pyramid pooling, boxes and classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Unit(3, 16, 3, 2)
        widths = (32, 64, 128, 256)
        self.stages = nn.ModuleList(
            nn.Sequential(_Unit(channels, filters, 3, 2), _Unit(filters, filters), nn.SiLU())
            for channels, filters in zip((16, *widths[:-1]), widths, strict=True)
        )
        self.pooled = _Unit(1024, 256, 1)
        self.merge = _Unit(256 + 128, 128)
        self.head = nn.Conv2d(128, 85, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Boxes and classes (N, 85, cells) of images (N, 3, H, W)."""
        x = self.stem(x)
        kept = []
        for stage in self.stages:
            x = stage(x)
            kept.append(x)
        pools = [x]
        for _ in range(3):
            pools.append(functional.max_pool2d(pools[-1], 5, 1, 2))
        x = self.pooled(torch.cat(pools, 1))
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.merge(torch.cat([x, kept[-2]], 1))
        return torch.sigmoid(self.head(x)).flatten(2)


class Keywords(nn.Module):
    """Keywords in sound: convolutions along time over 40 bands."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, filters in ((40, 64), (64, 64), (64, 128), (128, 128)):
            layers += [
                nn.Conv1d(channels, filters, 9, padding=4, bias=False),
                *(nn.BatchNorm1d(filters), nn.ReLU()),
            ]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(128, 12)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, 12) of bands (N, 40, T)."""
        return self.head(self.body(x).mean(2))  # type: ignore[no-any-return]  # nn.Module returns Any


class Perceptron(nn.Module):
    """Three hidden layers of 1024, as BinaryConnect has for digits (Courbariaux et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (784, 1024, 1024, 1024)
        hidden = [
            each
            for before, after in itertools.pairwise(widths)
            for each in (nn.Linear(before, after), nn.ReLU())
        ]
        self.body, self.head = nn.Sequential(*hidden), nn.Linear(1024, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, 10) of images (N, 784)."""
        return self.head(self.body(x))  # type: ignore[no-any-return]  # nn.Module returns Any


class Encoder(nn.Module):
    """Four transformer layers of width 192, three heads, before a classifier."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(192, 3, 768, 0.0, "gelu", batch_first=True)
        self.first = nn.Linear(192, 192)
        self.body = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = nn.Linear(192, 100)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, 100) of sequences (N, T, 192)."""
        return self.head(self.body(self.first(x)).mean(1))  # type: ignore[no-any-return]  # nn.Module returns Any
