"""Photographs in a folder per class, of any size, read while training: ImageNet's layout.

``ROOT/train/<class>/*`` and ``ROOT/val/<class>/*`` (or ``test``). Classes are the folders in
alphabetical order, the same ones in both parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from signbin.errors import FormatError
from signbin.spec import Preprocessing
from signbin.train.data.dataset import Dataset
from signbin.train.data.image_folder import ImageFolder

__all__ = ["photographs"]

_HELD_OUT: Final = ("val", "test")
# Of ImageNet's training part, the usual three digits; for other photographs as good as any.
_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)


def photographs(root: Path, name: str, image_size: int = 224) -> Dataset:
    """The data set at ``root``, seen at ``image_size``; testing crops 7/8 of the shorter side.

    name: in DATASETS, also its title. FormatError where the layout is another one, a class has no
    images, or the two parts do not have the same classes.
    """
    held_out = next((part for part in _HELD_OUT if (root / part).is_dir()), _HELD_OUT[0])
    found = ImageFolder.find(root, ("train", held_out))
    classes = tuple(found.files["train"])
    if tuple(found.files[held_out]) != classes:
        other = sorted(set(found.files[held_out]) ^ set(classes))
        raise FormatError(
            f"classes in {root / held_out}",
            value=", ".join(other[:8]),
            allowed=f"the {len(classes)} classes of train",
        )
    return Dataset(
        name=name,
        title={"imagenet": "ImageNet"}.get(name, root.name),
        class_names=classes,
        preprocessing=Preprocessing(
            *(3, image_size, image_size), mean=_MEAN, std=_STD, resize=image_size * 8 // 7
        ),
        train=found.image_files("train"),
        test=found.image_files(held_out),
    )
