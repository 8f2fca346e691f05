"""Weights that come from elsewhere: checkpoints to start from, and teachers to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.errors import FormatError, SpecError
from signbin.train.budget import restore_densities
from signbin.train.checkpoint import DAMAGE
from signbin.train.config import TeacherConfig, TeacherMode, TrainConfig
from signbin.train.data import Dataset
from signbin.train.folder import RunFolder
from signbin.train.models import build_model
from signbin.train.network import make_model

__all__ = ["Teacher", "load_teacher", "load_weights", "read_weights"]

_WRAPPERS: Final = ("state_dict", "model", "model_state_dict")
_PARALLEL: Final = "module."


class Teacher:
    """A frozen network and how its answers count in the loss."""

    def __init__(self, model: nn.Module, config: TeacherConfig) -> None:
        self.model = model.requires_grad_(False).train(config.mode is TeacherMode.TRAIN)
        self._config = config

    def loss(self, images: Tensor, logits: Tensor, target_loss: Tensor) -> Tensor:
        """share * T^2 * KL(p || q) + (1 - share) * target_loss.

        p = softmax(teacher's logits / T), q = softmax(logits / T). Mean over images, nats
        (Hinton, Vinyals, Dean 2015).
        """
        T, share = self._config.temperature, self._config.share
        with torch.no_grad():
            wanted = F.log_softmax(self.model(images).float() / T, dim=1)
        given = F.log_softmax(logits / T, dim=1)
        divergence = F.kl_div(given, wanted, reduction="batchmean", log_target=True) * T**2
        return share * divergence + (1 - share) * target_loss


def load_teacher(config: TeacherConfig, dataset: Dataset) -> Teacher:
    """The teacher a configuration names, for the images and classes of a data set.

    FormatError for files that are missing or damaged or that do not fit the network; SpecError for
    a run on other classes.
    """
    if config.run is None:
        assert config.checkpoint is not None
        assert config.model is not None
        model = build_model(config.model, dataset)
        load_weights(model, read_weights(Path(config.checkpoint)), config.checkpoint)
        return Teacher(model, config)
    run = RunFolder(Path(config.run))
    trained = run.read_config()
    if trained.data.name != dataset.name:
        raise SpecError("data set of the teacher", value=trained.data.name, allowed=dataset.name)
    model = make_model(trained, dataset)
    restore_densities(model, trained.budget, run.seed(trained.seeds[0]).summary)
    load_weights(model, read_weights(run.path), config.run)
    return Teacher(model, config)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict of a run folder (its first seed), or in a .safetensors, .pt or .pth file.

    Never runs code from the file. Dictionaries that training scripts wrap around it (state_dict,
    model) and the prefix ``module.`` of parallel training are taken off. FormatError for anything
    else.
    """
    if path.is_dir():
        run = RunFolder(path)
        path = run.seed(run.read_config().seeds[0]).model
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        document = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, *DAMAGE) as error:
        raise FormatError(
            "weights that cannot be read",
            value=str(path),
            reason=str(error)[:300],
            allowed="a run folder, or a .safetensors, .pt or .pth file with a state dict",
        ) from error
    return _unwrapped(document, path)


def _unwrapped(document: Any, path: Path) -> dict[str, Tensor]:
    for name in _WRAPPERS:
        if isinstance(document, Mapping) and isinstance(document.get(name), Mapping):
            document = document[name]
    if not isinstance(document, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in document.items()
    ):
        raise FormatError("no state dict", value=str(path), allowed="tensors by name")
    return {key.removeprefix(_PARALLEL): value for key, value in document.items()}


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Load a state dict, every key of it; FormatError, naming keys, where it does not fit."""
    try:
        model.load_state_dict(dict(weights), strict=True)
    except RuntimeError as error:
        raise FormatError(
            f"weights of {source} do not fit the network",
            reason=str(error)[:500],
            remedy="check model.name, model.block_style and model.width",
        ) from error


def starting_weights(config: TrainConfig) -> dict[str, Tensor] | None:
    """What ``start_from`` of a configuration holds; None where it is not given."""
    return None if config.start_from is None else read_weights(Path(config.start_from))
