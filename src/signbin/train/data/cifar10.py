"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32x32 pixels in ten classes.

Read from an image folder, ``ROOT/{train,test}/<class>/*``, or from the official archives, the
python or the binary version, unpacked or as downloaded (``.tar.gz``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from signbin.errors import FormatError
from signbin.spec import Preprocessing
from signbin.train.data.cache import cached
from signbin.train.data.cifar_archive import CIFAR10, CIFAR_SHAPE, find_archive
from signbin.train.data.dataset import Dataset, Images
from signbin.train.data.image_folder import ImageFolder

__all__ = ["CLASSES", "cifar10"]

CLASSES: Final = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
"""In the order of the official labels, which is the alphabetical one."""

_PARTS: Final = ("train", "test")
# Mean and standard deviation of pixel / 255 over the training part, the usual four digits.
_MEAN: Final = (0.4914, 0.4822, 0.4465)
_STD: Final = (0.2470, 0.2435, 0.2616)


def cifar10(root: Path, cache: Path | None = None) -> Dataset:
    """The data set at ``root``: an image folder, or a folder or .tar.gz of the official files.

    ``root`` may also be the folder that contains any of these. An image folder of JPEG or lossy
    WebP files is titled so, as "CIFAR-10 (JPEG copy)": its pixels are not the original ones, and a
    network trained on those is less accurate on it. Image folders may hold fewer images than the
    original.
    cache: folder for the decoded images of an image folder, None for none.

    FormatError where nothing of the kind is found, or a file is damaged.
    """
    if not root.exists():
        raise FormatError("no CIFAR-10", value=str(root), allowed="a path that exists")
    for folder in (root, root / "cifar10"):
        if (folder / _PARTS[0]).is_dir():
            return _from_images(folder, cache)
    archive = find_archive(root, CIFAR10)
    if archive is None:
        raise FormatError(
            "no CIFAR-10",
            value=str(root),
            allowed="train/<class>/ and test/<class>/ with images, or data_batch_1 (or "
            "data_batch_1.bin) and the other official files, or their .tar.gz",
        )
    return _dataset("CIFAR-10", {part: archive.read(part) for part in _PARTS})


def _from_images(folder: Path, cache: Path | None) -> Dataset:
    found = ImageFolder.find(folder, _PARTS)
    for part in _PARTS:
        if tuple(found.files[part]) != CLASSES:
            raise FormatError(
                f"classes in {folder / part}",
                value=", ".join(found.files[part]),
                allowed=", ".join(CLASSES),
            )

    def decode() -> dict[str, Images]:
        return {part: found.decode(part, CIFAR_SHAPE) for part in _PARTS}

    title = "CIFAR-10" if found.lossy is None else f"CIFAR-10 ({found.lossy} copy)"
    return _dataset(title, cached(cache, "cifar10", found.key, decode))


def _dataset(title: str, parts: Mapping[str, Images]) -> Dataset:
    return Dataset(
        name="cifar10",
        title=title,
        class_names=CLASSES,
        preprocessing=Preprocessing(*CIFAR_SHAPE, mean=_MEAN, std=_STD),
        train=parts["train"],
        test=parts["test"],
    )
