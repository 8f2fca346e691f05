"""CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32x32 pixels in 100 classes.

Read from the official archives, the python or the binary version, unpacked or as downloaded
(``.tar.gz``); the labels are the fine ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from signbin.errors import FormatError
from signbin.spec import Preprocessing
from signbin.train.data.cifar_archive import CIFAR100, CIFAR_SHAPE, find_archive
from signbin.train.data.dataset import Dataset

__all__ = ["CLASSES", "cifar100"]

CLASSES: Final = (
    *("apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle"),
    *("bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle"),
    *("caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch"),
    *("crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox"),
    *("girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard"),
    *("lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse"),
    *("mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck"),
    *("pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray"),
    *("road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail"),
    *("snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank"),
    *("telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle"),
    *("wardrobe", "whale", "willow_tree", "wolf", "woman", "worm"),
)
"""In the order of the official fine labels, which is the alphabetical one."""

# Mean and standard deviation of pixel / 255 over the training part, the usual four digits.
_MEAN: Final = (0.5071, 0.4865, 0.4409)
_STD: Final = (0.2673, 0.2564, 0.2762)


def cifar100(root: Path) -> Dataset:
    """The data set at ``root``: the official files, their folder or .tar.gz, or what holds them.

    FormatError where nothing of the kind is found, or a file is damaged.
    """
    archive = find_archive(root, CIFAR100) if root.exists() else None
    if archive is None:
        raise FormatError(
            "no CIFAR-100",
            value=str(root),
            allowed="train and test (or train.bin and test.bin) of the official archive, or its "
            ".tar.gz",
        )
    return Dataset(
        name="cifar100",
        title="CIFAR-100",
        class_names=CLASSES,
        preprocessing=Preprocessing(*CIFAR_SHAPE, mean=_MEAN, std=_STD),
        train=archive.read("train"),
        test=archive.read("test"),
    )
