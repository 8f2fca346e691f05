"""Which images a run sees, and how a training image is varied."""

from __future__ import annotations

import dataclasses
import enum

from signbin.errors import SpecError
from signbin.train.config.checks import check_at_least

__all__ = ["DataConfig", "Holdout"]


class Holdout(enum.Enum):
    """Which images measure accuracy.

    test: the data set's test part, after training on all of its training part. validation: a
    stratified fifth of the training part, after training on the rest: for choosing between
    recipes without looking at the test part.
    """

    TEST = "test"
    VALIDATION = "validation"


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which images, and how a training image is varied.

    name: one of data.DATASETS. batch_size: images per step and process. flip: mirror training
    images left to right, each with probability 1/2. folder: where the images are, for data sets
    that do not come with signbin.

    Of data sets held in memory (all but ``image_folder`` and ``imagenet``): shift: largest random
    shift of a training image, pixels per axis, with black entering (shift 4 is "pad 4, random
    crop"). cutout: side of a square of every training image that is made black, pixels; its middle
    lies anywhere in the image, so that a part of it may lie outside (DeVries, Taylor 2017).
    low_resolution: height and width that training images are shrunk to during the first
    ``low_resolution_epochs`` epochs (bilinear, antialiased), for networks that take any size.
    cache: folder for decoded images; None takes ``cache`` in the run folder.

    Of data sets read while training: image_size: height and width the network sees, pixels.
    random_crop: a training image is a random part of the photograph, between 8 % and all of its
    area, sides in a ratio between 3:4 and 4:3, else as for testing: shorter side resized to
    8/7 * image_size, centre cropped. jitter: brightness, contrast and saturation each change by a
    factor of up to 1 +- jitter. workers: threads that decode.

    extra: SVHN's additional training images, too. shape (channels, height, width) and classes: of
    generated images only.
    """

    name: str
    batch_size: int = 64
    shift: int = 0
    flip: bool = False
    cutout: int = 0
    low_resolution: int | None = None
    low_resolution_epochs: int = 0
    holdout: Holdout = Holdout.TEST
    folder: str | None = None
    cache: str | None = None
    shape: tuple[int, ...] | None = None
    classes: int | None = None
    image_size: int | None = None
    random_crop: bool = False
    jitter: float = 0.0
    workers: int = 2
    extra: bool = False

    def __post_init__(self) -> None:
        check_at_least("data.batch_size", self.batch_size, 2)
        for name in ("shift", "cutout", "low_resolution_epochs"):
            check_at_least(f"data.{name}", getattr(self, name), 0)
        if (self.low_resolution is None) != (self.low_resolution_epochs == 0):
            raise SpecError(
                "data.low_resolution and data.low_resolution_epochs",
                value=(self.low_resolution, self.low_resolution_epochs),
                allowed="both, or neither",
            )
        check_at_least("data.workers", self.workers, 1)
        if self.shape is not None and (len(self.shape) != 3 or min(self.shape) < 1):
            raise SpecError("data.shape", value=self.shape, allowed="[channels, height, width]")
        for name, least in (("classes", 2), ("image_size", 8), ("low_resolution", 4)):
            value = getattr(self, name)
            if value is not None:
                check_at_least(f"data.{name}", value, least)
        if not 0 <= self.jitter <= 1:
            raise SpecError("data.jitter", value=self.jitter, allowed="0 <= x <= 1")
