"""Data sets, splits, batches. DATASETS is the one list of what a recipe may name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import torch

from signbin.errors import SpecError, unknown
from signbin.spec import Preprocessing
from signbin.train.config import DataConfig
from signbin.train.data.batches import (
    Batch,
    Batches,
    Placement,
    SamplerOptions,
    normalized,
)
from signbin.train.data.cifar10 import cifar10
from signbin.train.data.cifar100 import cifar100
from signbin.train.data.dataset import Dataset, Images, Part, normalize
from signbin.train.data.digits import digits
from signbin.train.data.fashion_mnist import fashion_mnist
from signbin.train.data.file_sampler import FileSampler, decoded
from signbin.train.data.generated import generated
from signbin.train.data.image_files import ImageFiles
from signbin.train.data.photographs import photographs
from signbin.train.data.sampler import Sampler
from signbin.train.data.samples import write_test_images
from signbin.train.data.split import held_out
from signbin.train.data.svhn import svhn
from signbin.train.data.tiny_imagenet import tiny_imagenet

__all__ = [
    "DATASETS",
    "Batch",
    "Batches",
    "Dataset",
    "HeldOut",
    "ImageFiles",
    "Images",
    "Part",
    "Placement",
    "Sampler",
    "SamplerOptions",
    "held_out",
    "load_dataset",
    "make_sampler",
    "normalize",
    "some_images",
    "takes",
    "write_test_images",
]

_TEST_BATCH: Final = 256


def _photographs(config: DataConfig, cache: Path | None) -> Dataset:
    return photographs(_folder(config), config.name, config.image_size or 224)


def _generated(config: DataConfig, cache: Path | None) -> Dataset:
    if config.shape is None or config.classes is None:
        raise SpecError("data.shape and data.classes", allowed="both, for generated images")
    return generated(config.shape, config.classes)


# Each reads what a configuration names, keeping decoded images in a folder (None: nowhere).
DATASETS: Final[Mapping[str, Callable[[DataConfig, Path | None], Dataset]]] = MappingProxyType(
    {
        "digits": lambda config, cache: digits(),
        "cifar10": lambda config, cache: cifar10(_folder(config), cache),
        "cifar100": lambda config, cache: cifar100(_folder(config)),
        "fashion_mnist": lambda config, cache: fashion_mnist(
            Path(config.folder) if config.folder else None
        ),
        "svhn": lambda config, cache: svhn(_folder(config), extra=config.extra),
        "tiny_imagenet": lambda config, cache: tiny_imagenet(_folder(config), cache),
        "imagenet": _photographs,
        "image_folder": _photographs,
        "generated": _generated,
    }
)
_IN_MEMORY: Final = ("shift", "cutout", "low_resolution", "low_resolution_epochs")
_FROM_FILES: Final = ("folder", "image_size", "random_crop", "jitter", "workers")
_TAKES: Final = {
    "digits": _IN_MEMORY,
    "cifar10": (*_IN_MEMORY, "folder", "cache"),
    "cifar100": (*_IN_MEMORY, "folder"),
    "fashion_mnist": (*_IN_MEMORY, "folder"),
    "svhn": (*_IN_MEMORY, "folder", "extra"),
    "tiny_imagenet": (*_IN_MEMORY, "folder", "cache"),
    "imagenet": _FROM_FILES,
    "image_folder": _FROM_FILES,
    "generated": (*_IN_MEMORY, "shape", "classes"),
}
_NOT_FOR_ALL: Final = sorted({key for keys in _TAKES.values() for key in keys})


def takes(name: str, key: str) -> bool:
    """Whether a data set has a use for a key of its configuration, as ``folder``."""
    return key in _TAKES.get(name, ())


def load_dataset(data: str | DataConfig, cache: Path | None = None) -> Dataset:
    """The data set of a configuration, or of a name alone.

    cache: where decoded images are kept for the next time if the configuration does not say;
    None for nowhere. SpecError where there is no such data set, or where it lacks a key or is
    given one it has no use for; FormatError for files that are missing or damaged.
    """
    config = DataConfig(data) if isinstance(data, str) else data
    if config.name not in DATASETS:
        raise unknown("data set", config.name, DATASETS)
    usual = {field.name: field.default for field in dataclasses.fields(DataConfig)}
    for key in _NOT_FOR_ALL:
        value = getattr(config, key)
        if value != usual[key] and key not in _TAKES[config.name]:
            allowed = f"none: data set {config.name} has no use for it"
            raise SpecError(f"data.{key}", value=value, allowed=allowed)
    return DATASETS[config.name](config, Path(config.cache) if config.cache else cache)


def make_sampler(
    part: Part,
    preprocessing: Preprocessing,
    options: SamplerOptions,
    placement: Placement | None = None,
) -> Batches:
    """Training batches of a part, from memory or from its files."""
    if isinstance(part, ImageFiles):
        return FileSampler(part, preprocessing, options, placement)
    return Sampler(part, preprocessing, options, placement)


@dataclasses.dataclass(frozen=True, eq=False)
class HeldOut:
    """The images that measure accuracy, in their order, without augmentation.

    Iterating gives batches of up to 256; of ``processes`` that measure together, each takes every
    ``processes``-th batch, beginning with the one of its ``rank``. workers: threads that decode.
    """

    part: Part
    preprocessing: Preprocessing
    placement: Placement = dataclasses.field(default_factory=Placement)
    workers: int = 1
    rank: int = 0
    processes: int = 1

    def __len__(self) -> int:
        return len(self.part)

    def __iter__(self) -> Iterator[Batch]:
        for first in range(self.rank * _TEST_BATCH, len(self.part), _TEST_BATCH * self.processes):
            last = min(first + _TEST_BATCH, len(self.part))
            yield from self._batches(self.part.select(np.arange(first, last)))

    def _batches(self, part: Part) -> Iterator[Batch]:
        if isinstance(part, ImageFiles):
            yield from decoded(part, self.preprocessing, _TEST_BATCH, self.workers, self.placement)
            return
        device = self.placement.device
        pixels = torch.from_numpy(part.pixels.copy()).to(device)
        labels = torch.from_numpy(part.labels.copy()).to(device)
        yield Batch(self.placement.of(normalized(pixels, self.preprocessing)), labels)


def some_images(part: Part, count: int, preprocessing: Preprocessing, workers: int = 1) -> Batch:
    """``count`` images (all, where there are fewer): the same ones, of all classes, in mixed order.

    On the CPU, without augmentation. Batches of images sorted by class would have statistics of
    one class each.
    """
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(part))[:count]
    chosen = part.select(order)
    batches = list(HeldOut(chosen, preprocessing, workers=workers))
    images = torch.cat([batch.images for batch in batches])
    return Batch(images, torch.cat([batch.labels for batch in batches]))


def _folder(config: DataConfig) -> Path:
    if config.folder is None:
        raise SpecError(
            f"data set {config.name} does not come with signbin",
            remedy="say where it is: --set data.folder=PATH",
        )
    return Path(config.folder)
