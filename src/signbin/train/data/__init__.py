"""Data sets, splits, batches. DATASETS is the one list of what a recipe may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from signbin.errors import SpecError
from signbin.train.config import DataConfig
from signbin.train.data.cifar10 import cifar10
from signbin.train.data.dataset import Dataset, Images, normalize
from signbin.train.data.digits import digits
from signbin.train.data.generated import generated
from signbin.train.data.sampler import Batch, Sampler, SamplerOptions, to_batch
from signbin.train.data.samples import write_test_images
from signbin.train.data.split import held_out

__all__ = [
    "DATASETS",
    "Batch",
    "Dataset",
    "Images",
    "Sampler",
    "SamplerOptions",
    "held_out",
    "load_dataset",
    "normalize",
    "to_batch",
    "write_test_images",
]


def _digits(config: DataConfig, cache: Path | None) -> Dataset:
    return digits()


def _cifar10(config: DataConfig, cache: Path | None) -> Dataset:
    return cifar10(_folder(config), cache)


def _generated(config: DataConfig, cache: Path | None) -> Dataset:
    if config.shape is None or config.classes is None:
        raise SpecError("data.shape and data.classes", allowed="both, for generated images")
    return generated(config.shape, config.classes)


# Each reads what a configuration names, keeping decoded images in a folder (None: nowhere).
DATASETS: Final[Mapping[str, Callable[[DataConfig, Path | None], Dataset]]] = MappingProxyType(
    {"digits": _digits, "cifar10": _cifar10, "generated": _generated}
)
_TAKES: Final = {"cifar10": ("folder", "cache"), "generated": ("shape", "classes")}


def load_dataset(data: str | DataConfig, cache: Path | None = None) -> Dataset:
    """The data set of a configuration, or of a name alone.

    cache: where decoded images are kept for the next time if the configuration does not say;
    None for nowhere. SpecError where there is no such data set, or where it lacks a key or is
    given one it has no use for; FormatError for files that are missing or damaged.
    """
    config = DataConfig(data) if isinstance(data, str) else data
    if config.name not in DATASETS:
        raise SpecError("data set", value=config.name, allowed=", ".join(DATASETS))
    for key in ("folder", "cache", "shape", "classes"):
        if getattr(config, key) is not None and key not in _TAKES.get(config.name, ()):
            raise SpecError(f"data.{key}", value=getattr(config, key), allowed="none: it is fixed")
    return DATASETS[config.name](config, Path(config.cache) if config.cache else cache)


def _folder(config: DataConfig) -> Path:
    if config.folder is None:
        raise SpecError(
            f"data set {config.name} does not come with signbin",
            remedy="say where it is: --set data.folder=PATH",
        )
    return Path(config.folder)
