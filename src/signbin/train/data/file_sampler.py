"""Batches of photographs, decoded and varied by threads while the network trains."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.spec import Preprocessing
from signbin.train.data.batches import Batch, Placement, SamplerOptions, Shuffle, normalized
from signbin.train.data.image_files import ImageFiles
from signbin.train.data.transforms import jittered, pixels_of, random_resized_crop

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FileSampler", "decoded", "read_ahead"]

_BATCHES_AHEAD: Final = 2
_PER_IMAGE: Final = 2
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class FileSampler:
    """Shuffled training batches of image files, see :class:`Batches`.

    Each image is cropped, mirrored and changed in colour as the options say, drawn from (seed,
    epoch, its place in the order): the number of threads changes nothing. Decoding releases
    Python's lock, so threads run at the same time.
    """

    def __init__(
        self,
        files: ImageFiles,
        preprocessing: Preprocessing,
        options: SamplerOptions,
        placement: Placement | None = None,
    ) -> None:
        self._shuffle = Shuffle(len(files), options)
        self._files = files
        self._preprocessing = preprocessing
        self._options = options
        self._placement = placement or Placement()
        self.epoch = 0
        self.position = 0

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one epoch."""
        return self._shuffle.steps

    def remaining_batches(self) -> Iterator[Batch]:
        """The batches left in this epoch; afterwards the sampler stands before the next one."""
        order = self._shuffle.order(self.epoch)
        places = [
            place
            for position in range(self.position, self.batches_per_epoch)
            for place in range(len(order))[self._shuffle.places(position)]
        ]
        epoch, size = self.epoch, self._options.batch_size

        def load(place: int) -> NDArray[np.uint8]:
            return self._load(epoch, place, int(order[place]))

        images = read_ahead(load, places, self._options.workers, _BATCHES_AHEAD * size)
        for first in range(0, len(places), size):
            pixels = np.stack([next(images) for _ in range(size)])
            labels = self._files.labels[order[places[first : first + size]]]
            self.position += 1
            yield _placed(pixels, labels, self._preprocessing, self._placement)
        self.epoch, self.position = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Where the sampler stands."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where :meth:`state_dict` was taken."""
        self.epoch, self.position = int(state["epoch"]), int(state["position"])

    def _load(self, epoch: int, place: int, index: int) -> NDArray[np.uint8]:
        random = np.random.default_rng([self._options.seed, epoch, _PER_IMAGE, place])
        image: Image
        if self._options.random_crop:
            image = random_resized_crop(self._files.read(index), self._preprocessing, random)
        else:
            image = self._files.read_centre(index, self._preprocessing)
        mirrored = self._options.flip and random.integers(0, 1, endpoint=True) == 1
        if self._options.jitter:
            image = jittered(image, self._options.jitter, random)
        pixels = pixels_of(image)
        return pixels[:, :, ::-1] if mirrored else pixels


def decoded(
    files: ImageFiles, preprocessing: Preprocessing, size: int, workers: int, placement: Placement
) -> Iterator[Batch]:
    """All files in their order, as for testing, in batches of ``size``; the last may be smaller."""

    def load(index: int) -> NDArray[np.uint8]:
        return pixels_of(files.read_centre(index, preprocessing))

    images = read_ahead(load, range(len(files)), workers, _BATCHES_AHEAD * size)
    for first in range(0, len(files), size):
        labels = files.labels[first : first + size]
        pixels = np.stack([next(images) for _ in range(len(labels))])
        yield _placed(pixels, labels, preprocessing, placement)


def read_ahead(
    load: Callable[[_Item], _Result], items: Iterable[_Item], workers: int, ahead: int
) -> Iterator[_Result]:
    """load(item) for every item, in their order, up to ``ahead`` of them before they are asked.

    The first error of ``load`` is raised where its result would come; the rest is then given up.
    """
    waiting: collections.deque[Future[_Result]] = collections.deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for item in items:
            waiting.append(_submitted(pool, load, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submitted(
    pool: ThreadPoolExecutor, load: Callable[[_Item], _Result], item: _Item
) -> Future[_Result]:
    """ExecutionError where the system starts no more threads."""
    try:
        return pool.submit(load, item)
    except RuntimeError as error:
        raise ExecutionError(
            "threads that decode images",
            reason=str(error),
            remedy="use fewer (--set data.workers=1), or permit this process more threads",
        ) from error


def _placed(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    preprocessing: Preprocessing,
    placement: Placement,
) -> Batch:
    on_device = torch.from_numpy(pixels).to(placement.device)
    images = placement.of(normalized(on_device, preprocessing))
    return Batch(images, torch.from_numpy(labels.copy()).to(placement.device))
