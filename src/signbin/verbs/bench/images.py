"""The images of a benchmark: timed, compared on, and calibrated with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.artifact import Artifact
from signbin.errors import SpecError
from signbin.ir import Graph
from signbin.noise_images import noise_images
from signbin.verbs.source import ModelCard, read_calibration

__all__ = ["BenchImages", "gather_images", "random_images"]

_LARGEST_BATCH: Final = 4096
_CALIBRATED: Final = 32
_CHECKED: Final = 16
_MOST_CHECKED: Final = 64
_PIXEL_MAX: Final = np.float32(255)

FloatImages = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class BenchImages:
    """Arrays (N, ...) in the shape of the network's input.

    timed: what every call gets. checked: what outputs are compared on. calibration: what
    quantised peers take their ranges from. described: the last two, in words.
    """

    timed: FloatImages
    checked: FloatImages
    calibration: FloatImages
    described: dict[str, str]


def gather_images(opened: Artifact, batch: int, data: Path | None = None) -> BenchImages:
    """Random timed images; compared on and calibrated with those of ``data``.

    That is read as ``signbin compile --calibrate`` reads it: the same samples. All of them
    calibrate, and the first 64 are compared on. Without data: 32 + 16 images of
    :func:`signbin.noise_images.noise_images` (normal noise where the input is no image), prepared
    as the model says, else as (pixel / 255 - 0.5) / 0.25. These are the images that networks of
    ``signbin new`` take their batch-norm statistics from and are calibrated with, and the 16 held
    out from them. FormatError or ExecutionError for data that holds no such samples.
    """
    timed = random_images(opened.graph, batch)
    if data is None:
        calibration, checked = _generated(opened)
        kind = "generated noise"
        described = {
            "checked": f"{len(checked)} images of {kind}, not calibrated with",
            "calibration": f"{len(calibration)} images of {kind}",
        }
        return BenchImages(timed, checked, calibration, described)
    card = ModelCard(opened.preprocessing, opened.class_names)
    given = read_calibration(data, opened.graph.inputs[0], card).images
    checked = given[:_MOST_CHECKED]
    described = {
        "checked": f"{len(checked)} of the images calibrated with",
        "calibration": f"{len(given)} given images",
    }
    return BenchImages(timed, checked, given, described)


def random_images(graph: Graph, batch: int) -> FloatImages:
    """Normal noise (mean 0, deviation 1, seed 0) in the shape of the graph's input."""
    if not 1 <= batch <= _LARGEST_BATCH:
        raise SpecError("batch", value=batch, allowed=f"1..{_LARGEST_BATCH}")
    return _normal(graph, batch, seed=0)


def _normal(graph: Graph, count: int, seed: int) -> FloatImages:
    shape = (count, *graph.inputs[0].type.shape[1:])
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def _generated(opened: Artifact) -> tuple[FloatImages, FloatImages]:
    shape = opened.graph.inputs[0].type.shape[1:]
    if len(shape) != 3:
        return _normal(opened.graph, _CALIBRATED, seed=1), _normal(opened.graph, _CHECKED, seed=2)
    random = np.random.Generator(np.random.PCG64(0))
    pixels = noise_images(random, _CALIBRATED, shape), noise_images(random, _CHECKED, shape)
    return _prepared(pixels[0], opened), _prepared(pixels[1], opened)


def _prepared(pixels: NDArray[np.uint8], opened: Artifact) -> FloatImages:
    channels, preprocessing = pixels.shape[1], opened.preprocessing
    mean = preprocessing.mean if preprocessing else (0.5,) * channels
    std = preprocessing.std if preprocessing else (0.25,) * channels
    mean_, std_ = (np.asarray(each, np.float32)[:, None, None] for each in (mean, std))
    prepared: FloatImages = (pixels.astype(np.float32) / _PIXEL_MAX - mean_) / std_
    return prepared
