"""A finished run, back in memory."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from torch import nn

from signbin.errors import FormatError, SpecError
from signbin.files import read_text
from signbin.spec import Preprocessing
from signbin.train.budget import restore_densities
from signbin.train.config import TrainConfig
from signbin.train.data import Dataset, HeldOut, ImageFiles, Images, load_dataset, normalize
from signbin.train.folder import RunFolder, SeedFolder
from signbin.train.network import make_model
from signbin.train.run import read_json, torch_settings

__all__ = ["Run", "load_run", "read_metrics"]

_MOST_FILES: Final = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One trained network of a run, and what belongs to it.

    model: in evaluation mode, on the CPU. test_images: float32 (N, C, H, W), normalised, of data
    sets that stay in their files 64 of them; test_labels: int64 (N,). summary: OUT/summary.json,
    over all seeds. metrics: one mapping per epoch of this seed, none for a network that was not
    trained.
    """

    folder: Path
    seed: int
    model: nn.Module
    config: TrainConfig
    dataset: Dataset
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    summary: Mapping[str, Any]
    metrics: tuple[Mapping[str, Any], ...]

    @property
    def preprocessing(self) -> Preprocessing:
        """From an image file to the network's input."""
        return self.dataset.preprocessing

    @property
    def trained(self) -> bool:
        """Whether the weights come from training; accuracies of other networks mean nothing."""
        return self.config.epochs > 0

    def training_images(self, most: int) -> NDArray[np.float32]:
        """Up to ``most`` images of the training part, evenly spaced, normalised: (N, C, H, W)."""
        part = self.dataset.train
        count = min(most, len(part))
        places = np.arange(count) * len(part) // count
        return _normalized(part, places, self.preprocessing)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return self.dataset.class_names

    @property
    def provenance(self) -> dict[str, str]:
        """Where the weights come from, as texts, to keep in a compiled model."""
        held_out = f"{self.config.data.holdout.value}_accuracy"
        reached = {held_out: f"{self.metrics[-1][held_out]:.6f}"} if self.metrics else {}
        return {
            "recipe": self.config.recipe,
            "model": self.config.model.name,
            "weights": self.config.weights.value,
            "seed": str(self.seed),
            "epochs": str(self.config.epochs),
            **reached,
            "data": self.dataset.title,
            "data_sha256": self.dataset.sha256,
        }


def load_run(path: Path, seed: int | None = None) -> Run:
    """Read a finished run folder: rebuild the network, load its weights, and its test images.

    seed: which of the run's networks; None takes the first (never the best on the test part).
    FormatError for a folder or file that is missing, damaged or of an unfinished run, or where
    the data set is not the one of the run; SpecError for a seed the run does not have.
    """
    folder = RunFolder(Path(path))
    config = folder.read_config()
    chosen = config.seeds[0] if seed is None else seed
    if chosen not in config.seeds:
        raise SpecError("seed", value=seed, allowed=", ".join(map(str, config.seeds)))
    if not folder.summary.is_file():
        raise FormatError(
            "unfinished run", value=str(folder.path), remedy="finish it: train with resume"
        )
    summary = read_json(folder.summary)
    dataset = load_dataset(config.data, folder.cache)
    _check_data(summary, dataset, folder)
    files = folder.seed(chosen)
    images, labels = _test_images(dataset)
    return Run(
        folder=folder.path,
        seed=chosen,
        model=_load_model(config, dataset, files),
        config=config,
        dataset=dataset,
        test_images=images,
        test_labels=labels,
        summary=summary,
        metrics=read_metrics(files.metrics) if config.epochs else (),
    )


def _test_images(dataset: Dataset) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The held-out images, normalised; of those that stay in their files 64, evenly spaced."""
    part = dataset.test
    spaced = np.arange(len(part))
    if not isinstance(part, Images):
        spaced = np.linspace(0, len(part) - 1, min(len(part), _MOST_FILES)).astype(np.int64)
    return _normalized(part, spaced, dataset.preprocessing), part.labels[spaced]


def _normalized(
    part: Images | ImageFiles, places: NDArray[np.int64], preprocessing: Preprocessing
) -> NDArray[np.float32]:
    if isinstance(part, Images):
        return normalize(part.pixels[places], preprocessing)
    batches = HeldOut(part.select(places), preprocessing)
    return np.concatenate([batch.images.numpy() for batch in batches])


def _check_data(summary: Mapping[str, Any], dataset: Dataset, folder: RunFolder) -> None:
    data = summary.get("data")
    recorded = data.get("sha256") if isinstance(data, Mapping) else None
    if recorded != dataset.sha256:
        raise FormatError(
            f"the data set {dataset.name} is not the one {folder.path} was trained on",
            value=dataset.sha256,
            allowed=str(recorded),
            remedy="train again",
        )


def _load_model(config: TrainConfig, dataset: Dataset, files: SeedFolder) -> nn.Module:
    with torch_settings(config.threads):
        model = make_model(config, dataset)
    restore_densities(model, config.budget, files.summary)
    try:
        model.load_state_dict(from_safetensors(files.model.read_bytes()))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise FormatError(
            "weights that cannot be loaded",
            value=str(files.model),
            reason=str(error)[:300],
        ) from error
    return model.eval()


def read_metrics(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The lines of a metrics.jsonl, one per epoch; FormatError where there are none."""
    try:
        lines = read_text(path).splitlines()
        records = tuple(json.loads(line) for line in lines)
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"damaged metrics {path}", reason=str(error)) from error
    if not records or not all(isinstance(record, dict) for record in records):
        raise FormatError(f"damaged metrics {path}", allowed="a JSON object per line")
    return records
