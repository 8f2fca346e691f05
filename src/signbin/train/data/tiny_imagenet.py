"""Tiny ImageNet (Stanford CS231n): 200 classes, 64x64 pixels, 500 training images of each.

Layout: ``wnids.txt`` (a class per line), ``words.txt`` (names), ``train/<wnid>/images/*``,
``val/images/*`` with ``val/val_annotations.txt`` (file, wnid, box). The labelled ``val`` part is
the held-out part here; ``test`` has no labels and is not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from signbin.errors import FormatError
from signbin.files import read_text
from signbin.spec import Preprocessing
from signbin.train.data.cache import cached
from signbin.train.data.dataset import Dataset, Images
from signbin.train.data.image_files import open_image

__all__ = ["tiny_imagenet"]

_SIZE: Final = 64
_INSIDE: Final = "tiny-imagenet-200"
_SUFFIXES: Final = (".jpeg", ".jpg", ".png")
# Mean and standard deviation of pixel / 255 over the training part, the usual four digits.
_MEAN: Final = (0.4802, 0.4481, 0.3975)
_STD: Final = (0.2770, 0.2691, 0.2821)


def tiny_imagenet(root: Path, cache: Path | None = None) -> Dataset:
    """The data set in the folder ``root``, or in ``root/tiny-imagenet-200``.

    cache: folder for the decoded images, None for none. FormatError for a part of the layout that
    is missing, a class without images, an image that is damaged or of another size, or a label
    that is no class.
    """
    folder = root / _INSIDE if (root / _INSIDE).is_dir() else root
    classes = tuple(_lines(folder / "wnids.txt"))
    files = {"train": list(_train_files(folder, classes)), "val": list(_val_files(folder, classes))}
    listing = [
        (str(path), path.stat().st_size, label) for part in files.values() for path, label in part
    ]
    key = hashlib.sha256(repr(listing).encode()).hexdigest()

    def decode() -> dict[str, Images]:
        return {part: _decode(found) for part, found in files.items()}

    parts = cached(cache, "tiny-imagenet", key, decode)
    return Dataset(
        name="tiny_imagenet",
        title="Tiny ImageNet",
        class_names=_names(folder, classes),
        preprocessing=Preprocessing(3, _SIZE, _SIZE, mean=_MEAN, std=_STD),
        train=parts["train"],
        test=parts["val"],
    )


def _lines(path: Path) -> list[str]:
    try:
        lines = read_text(path).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError("no Tiny ImageNet", value=str(path), reason=str(error)) from error
    found = [line.rstrip("\r") for line in lines if line.strip()]
    if not found:
        raise FormatError("an empty list of Tiny ImageNet", value=str(path))
    return found


def _train_files(folder: Path, classes: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    for label, name in enumerate(classes):
        images = folder / "train" / name / "images"
        found = sorted(
            path
            for path in (images.iterdir() if images.is_dir() else ())
            if path.suffix.lower() in _SUFFIXES
        )
        if not found:
            raise FormatError(
                "class without images",
                value=str(images),
                allowed=f"at least one {', '.join(_SUFFIXES)} file",
            )
        yield from ((path, label) for path in found)


def _val_files(folder: Path, classes: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    labels = {name: label for label, name in enumerate(classes)}
    annotations = folder / "val" / "val_annotations.txt"
    for number, line in enumerate(_lines(annotations), start=1):
        name, _, rest = line.partition("\t")
        wnid = rest.partition("\t")[0]
        path = folder / "val" / "images" / name
        if wnid not in labels or not path.is_file():
            raise FormatError(
                f"{annotations}, line {number}",
                value=line,
                allowed="a file of val/images and a class of wnids.txt, a tabulator between them",
            )
        yield path, labels[wnid]


def _decode(files: list[tuple[Path, int]]) -> Images:
    pixels = np.empty((len(files), 3, _SIZE, _SIZE), np.uint8)
    for place, (path, _) in enumerate(files):
        image = open_image(path)
        if image.size != (_SIZE, _SIZE):
            raise FormatError(f"image {path}", value=image.size, allowed=f"{_SIZE}x{_SIZE} pixels")
        pixels[place] = np.asarray(image).transpose(2, 0, 1)
    return Images(pixels, np.asarray([label for _, label in files], np.int64))


def _names(folder: Path, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The first word of every class in words.txt, made unique; the wnid where there is none."""
    words = {}
    if (folder / "words.txt").is_file():
        for line in _lines(folder / "words.txt"):
            wnid, _, text = line.partition("\t")
            words[wnid] = text.split(",")[0].strip()
    names = [words.get(name) or name for name in classes]
    return tuple(
        name if names.count(name) == 1 else f"{name} ({wnid})"
        for name, wnid in zip(names, classes, strict=True)
    )
