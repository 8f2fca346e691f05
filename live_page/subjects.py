"""The networks that the page shows, with test images and what signbin's runtime says of them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live_page import ROOT
from signbin import Program
from signbin.c_source import Network, write_network
from signbin.calibrate import QuantizedActivations
from signbin.errors import SpecError
from signbin.runtime.pixels import normalised
from signbin.spec import LowBitWeight, Preprocessing
from signbin.train import load_dataset, load_recipe, train
from signbin.train.data.dataset import Dataset, Images
from signbin.verbs.compile import compile_source, quantize_program
from signbin.verbs.source import MOST_SAMPLES, load_source

__all__ = ["SHOWN", "SYMBOL", "Subject", "clothes", "digits"]

SHOWN: Final = 100
"""Test images on the page."""
SYMBOL: Final = "network"
"""What every exported network is called in C: the host of the page knows it by that name."""
_CLOTHES: Final = ROOT / "zoo" / "fashion-mnist-signed-binary.safetensors"
_BATCH: Final = 500


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A network of the page.

    name, title: for the page's code, and for its visitors. program: with 8-bit activations.
    network: the same in C. preparation: of pixels. images: uint8 (SHOWN, 1, H, W) of the test
    part; labels: their classes, indices into class_names. tested: how many test images were
    classified, and right: how many of them as they are labelled.
    """

    name: str
    title: str
    program: Program
    network: Network
    preparation: Preprocessing
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    tested: int
    right: int

    @property
    def low_bit(self) -> tuple[LowBitWeight, ...]:
        """The weights of one bit or less, layer by layer."""
        constants = self.program.graph.constants.values()
        return tuple(value for value in constants if isinstance(value, LowBitWeight))

    @property
    def low_bit_weights(self) -> int:
        """How many there are."""
        return sum(math.prod(weight.codes.shape) for weight in self.low_bit)

    @property
    def non_zero(self) -> int:
        """How many of them are not zero."""
        return sum(int(np.count_nonzero(weight.codes)) for weight in self.low_bit)


def digits(run: Path | None, scratch: Path) -> Subject:
    """Handwritten digits of scikit-learn. run: a run folder of recipe digits; None trains one."""
    if run is None:
        run = scratch / "digits"
        train(load_recipe("digits", {"seeds": [0]}), run, progress=False)
    return _subject("digits", "Handwritten digits", str(run), load_dataset("digits"))


def clothes() -> Subject:
    """Fashion-MNIST, as ``apt-get install dataset-fashion-mnist`` brings it; kept in the zoo."""
    return _subject("clothes", "Clothes", str(_CLOTHES), load_dataset("fashion_mnist"))


def _subject(name: str, title: str, source: str, dataset: Dataset) -> Subject:
    training, test = dataset.train, dataset.test
    if not isinstance(training, Images) or not isinstance(test, Images):
        raise SpecError(f"images of {name}", value="files", allowed="images in memory")
    loaded = load_source(source)
    program = compile_source(loaded, split=False)
    chosen = np.linspace(0, len(training) - 1, MOST_SAMPLES).astype(np.int64)
    samples = normalised(training.pixels[chosen], dataset.preprocessing)
    program = quantize_program(program, QuantizedActivations(samples))
    return Subject(
        name=name,
        title=title,
        program=program,
        network=write_network(program.graph, SYMBOL, dataset.class_names, watch=True),
        preparation=dataset.preprocessing,
        images=test.pixels[:SHOWN],
        labels=test.labels[:SHOWN],
        class_names=dataset.class_names,
        tested=len(test),
        right=_right(program, test),
    )


def _right(program: Program, images: Images) -> int:
    count = 0
    for start in range(0, len(images), _BATCH):
        part = slice(start, start + _BATCH)
        scores = program(images.pixels[part])
        count += int(np.sum(scores.argmax(1) == images.labels[part]))
    return count
