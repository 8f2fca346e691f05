"""An experiment folder of the public PLUM code (github.com/sachitkuhar/PLUM) as a network.

    FOLDER/config.yaml                    model.architecture, model.arch_config and the rest
    FOLDER/checkpoints/checkpoint_N.pt    model_state_dict after epoch N, and what training needs

The last epoch is read. Nothing in either file is run.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from signbin.errors import FormatError, SpecError
from signbin.files import read_text
from signbin.spec import Preprocessing
from signbin.strict_yaml import read_yaml
from signbin.train.checkpoint import DAMAGE
from signbin.train.models.plum import PlumNetwork

__all__ = ["PlumExperiment", "load_plum"]

_CHECKPOINT: Final = re.compile(r"checkpoint_(\d{1,6})\.pt")
_PARALLEL: Final = "module."
_IMAGENET: Final = Preprocessing(3, 224, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 256)
_SMALL: Final = 32


@dataclasses.dataclass(frozen=True, eq=False)
class PlumExperiment:
    """What :func:`load_plum` returns.

    model: in evaluation mode. example: zeros (1, 3, H, W). preprocessing: that of their ImageNet
    driver, where the first layer is one for ImageNet; None where only who trained it knows.
    """

    model: nn.Module
    example: Tensor
    preprocessing: Preprocessing | None
    provenance: Mapping[str, str]


def load_plum(folder: Path, shape: tuple[int, ...] | None = None) -> PlumExperiment:
    """The network of an experiment after its last epoch.

    shape: (3, H, W) of an image; None: 224 x 224 where the first convolution has stride 2, as for
    ImageNet, else 32 x 32. FormatError, naming the file, for one that is damaged or that holds
    another network than its configuration says; SpecError for a configuration we do not know.
    """
    config = _config(folder / "config.yaml")
    model = PlumNetwork(config).eval()
    path = _last_checkpoint(folder / "checkpoints")
    _load(model, path)
    imagenet = model.conv1.stride == (2, 2)
    side = _IMAGENET.height if imagenet else _SMALL
    extents = (3, side, side) if shape is None else shape
    if len(extents) != 3 or extents[0] != 3 or min(extents) < 1:
        raise SpecError("shape of an image", value=extents, allowed="(3, H, W)")
    known = _IMAGENET if imagenet and extents == (3, side, side) else None
    provenance = {"source": str(path), "producer": "PLUM"}
    return PlumExperiment(model, torch.zeros(1, *extents), known, provenance)


def _config(path: Path) -> Mapping[str, Any]:
    """``model.arch_config`` of an experiment."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise FormatError(f"configuration {path}", reason=str(error)) from error
    document = read_yaml(text, f"configuration {path}")
    model = document.get("model") if isinstance(document, Mapping) else None
    model = model if isinstance(model, Mapping) else {}
    config = model.get("arch_config")
    if not isinstance(config, Mapping) or model.get("architecture") != "resnet":
        raise FormatError(
            f"configuration {path}",
            allowed="model.architecture: resnet and model.arch_config, as PLUM writes them",
        )
    return config


def _last_checkpoint(folder: Path) -> Path:
    epochs = {
        int(named[1]): path
        for path in folder.iterdir()
        if (named := _CHECKPOINT.fullmatch(path.name)) is not None
    }
    if not epochs:
        raise FormatError("checkpoints", value=str(folder), allowed="checkpoint_N.pt")
    return epochs[max(epochs)]


def _load(model: nn.Module, path: Path) -> None:
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
        given = document["model_state_dict"]
        weights = {name.removeprefix(_PARALLEL): tensor for name, tensor in given.items()}
    except DAMAGE as error:
        raise FormatError(
            f"checkpoint {path}",
            reason=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}",
            allowed="what PLUM saves: model_state_dict, and tensors and numbers alone",
        ) from error
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise FormatError(
            f"checkpoint {path} does not fit its config.yaml", reason=str(error)[:300]
        ) from error
