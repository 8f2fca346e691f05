"""Networks to measure speed with, made without training: the weights follow a law exactly."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from signbin.documents import to_document
from signbin.errors import SpecError
from signbin.files import make_folder, write_bytes, write_text
from signbin.quant import Binary, Offset, QuantConfig, SignedBinary, Ternary, quantized_layers
from signbin.quant.layers import QuantizedLayer
from signbin.spec import ScaleKind, ValueSet
from signbin.train.batch_norm import reestimate_batch_norm
from signbin.train.config import (
    BlockStyle,
    DataConfig,
    ModelConfig,
    QuantizerConfigs,
    TrainConfig,
)
from signbin.train.data import Dataset, Images, load_dataset, normalize
from signbin.train.environment import describe_environment
from signbin.train.folder import RunFolder
from signbin.train.models import architecture
from signbin.train.network import make_model
from signbin.train.run import torch_settings
from signbin.train.summary import describe_data, describe_layers, describe_parameters

__all__ = ["BenchmarkNetwork", "new_network", "zero_pattern_share"]

_SPREAD_IMAGES: Final = 8
_GROUP: Final = 8
_SPREADS: Final = (0.05, 20.0)
# A mean scale makes the latent weight scale * code quantise to itself, exactly.
_QUANTIZERS: Final = QuantizerConfigs(
    signed_binary=QuantConfig(SignedBinary(scale=ScaleKind.MEAN, offset=Offset.NONE)),
    binary=QuantConfig(Binary(scale=ScaleKind.MEAN)),
    ternary=QuantConfig(Ternary(scale=ScaleKind.MEAN)),
)


@dataclasses.dataclass(frozen=True)
class BenchmarkNetwork:
    """What to make.

    name: one of models.MODELS. density: probability of a non-zero code; binary and float weights
    have no zeros and ignore it. classes, image_size (height and width, pixels): None takes those
    the network was designed for. width: as in :class:`ModelConfig`.
    """

    name: str
    weights: ValueSet = ValueSet.SIGNED_BINARY
    density: float = 0.35
    classes: int | None = None
    seed: int = 0
    image_size: int | None = None
    block_style: BlockStyle = BlockStyle.PLAIN
    width: int | None = None

    def __post_init__(self) -> None:
        if self.weights is ValueSet.MULTI_BIT:
            allowed = "float, binary, ternary, signed_binary"
            raise SpecError("weights", value=self.weights.value, allowed=allowed)
        if not 0 < self.density <= 1:
            raise SpecError("density", value=self.density, allowed="0 < density <= 1")
        for name, least in (("classes", 2), ("image_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SpecError(name, value=value, allowed=f">= {least}")

    @property
    def ignores_density(self) -> bool:
        """Whether the value set has no zeros."""
        return self.weights in (ValueSet.BINARY, ValueSet.FLOAT)

    def config(self) -> TrainConfig:
        """The configuration of the run folder: no epochs, generated images."""
        task = architecture(self.name).designed_for
        size = self.image_size
        shape = task.shape if size is None else (task.channels, size, size)
        return TrainConfig(
            recipe="benchmark",
            data=DataConfig("generated", shape=shape, classes=self.classes or task.classes),
            model=ModelConfig(self.name, self.block_style, self.width),
            epochs=0,
            weights=self.weights,
            quantizers=_QUANTIZERS,
            seeds=(self.seed,),
            batch_norm_images=0,
        )


def new_network(
    wanted: BenchmarkNetwork, output: Path, *, force: bool = False
) -> Mapping[str, Any]:
    """Make a network, write it as a run folder and return its summary.json.

    Codes are independent: each is non-zero with probability ``density``; its sign is that of its
    filter (signed-binary: the first half of the filters positive) or of a fair coin (binary,
    ternary). The scale of every quantised layer is sqrt(2 / (inputs per filter * density)), as
    He et al. 2015 choose it. Convolutions that stay float are normally distributed with that
    deviation (density 1): bell-shaped, as torchvision makes them and training leaves them. Linear
    layers have PyTorch's initial values. Batch norm then gets the statistics of generated images.
    All of it follows from ``seed``.

    ``signbin compile`` and ``compare`` read the folder as they read a trained run.

    SpecError as for :func:`signbin.train.train`; and where a convolution's or linear layer's
    outputs on generated images have a standard deviation outside 0.05..20, so that a comparison
    of results would say little.
    """
    config, folder = wanted.config(), RunFolder(Path(output))
    folder.check(force=force)
    dataset = load_dataset(config.data)
    with torch_settings(config.threads):
        torch.manual_seed(wanted.seed)
        model = make_model(config, dataset)
        _draw_weights(model, wanted)
        assert isinstance(dataset.train, Images)  # generated images are in memory
        images = torch.from_numpy(normalize(dataset.train.pixels, dataset.preprocessing))
        reestimate_batch_norm(model, images, len(images))
        spreads = _spreads(model.eval(), images[:_SPREAD_IMAGES])
    _check_spreads(spreads)
    summary = _summary(wanted, config, model, dataset, spreads)
    folder.start(config, force=force)
    files = folder.seed(wanted.seed)
    make_folder(files.path)
    write_bytes(files.model, to_safetensors(model.state_dict()))
    write_text(folder.summary, json.dumps(summary, indent=2) + "\n")
    return summary


def zero_pattern_share(codes: NDArray[np.int8]) -> float:
    """p0: of the patterns of 8 consecutive filters at one input, the share that is all zero.

    codes: (K, ...). The last group may be smaller. An engine that walks 8 filters together skips
    these inputs.
    """
    filters = codes.reshape(codes.shape[0], -1)
    groups = [filters[start : start + _GROUP] for start in range(0, len(filters), _GROUP)]
    return float(np.mean([~group.any(axis=0) for group in groups]))


def _draw_weights(model: nn.Module, wanted: BenchmarkNetwork) -> None:
    _draw_codes(model, wanted)
    quantized = quantized_layers(model)
    random = np.random.Generator(np.random.PCG64(wanted.seed))
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d) and name not in quantized:
            shape = tuple(layer.weight.shape)
            scale = math.sqrt(2 / math.prod(shape[1:]))
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(random.standard_normal(shape) * scale))


def _draw_codes(model: nn.Module, wanted: BenchmarkNetwork) -> None:
    for number, layer in enumerate(quantized_layers(model).values()):
        random = np.random.Generator(np.random.PCG64([wanted.seed, number]))
        codes = _codes(random, tuple(layer.weight.shape), wanted)
        density = 1.0 if wanted.ignores_density else wanted.density
        scale = math.sqrt(2 / (math.prod(layer.weight.shape[1:]) * density))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(codes) * scale)
        if not np.array_equal(layer.codes().numpy(), codes):
            raise AssertionError("a quantiser with a mean scale changed its own codes")


def _codes(
    random: np.random.Generator, shape: tuple[int, ...], wanted: BenchmarkNetwork
) -> NDArray[np.int8]:
    """Independent codes of the value set; half the filters of a signed-binary layer negative."""
    effectual = random.random(shape) < wanted.density
    if wanted.weights is ValueSet.SIGNED_BINARY:
        sign = np.where(np.arange(shape[0]) < shape[0] // 2, 1, -1)
        return (effectual * sign.reshape(-1, *[1] * (len(shape) - 1))).astype(np.int8)
    sign = random.integers(0, 1, shape, endpoint=True) * 2 - 1
    if wanted.weights is ValueSet.BINARY:
        return sign.astype(np.int8)
    return (effectual * sign).astype(np.int8)


def _spreads(model: nn.Module, images: Tensor) -> dict[str, float]:
    """Standard deviation of what every convolution and linear layer puts out, by name.

    For a layer that batch norm follows, after batch norm: what the rest of the network sees.
    """
    found: dict[str, float] = {}
    latest = ""

    def record(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def observe(module: nn.Module, inputs: Any, output: Tensor) -> None:
            nonlocal latest
            if not isinstance(module, nn.BatchNorm2d):
                latest = name
            found[latest] = float(output.std())

        return observe

    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
    hooks = [
        module.register_forward_hook(record(name))
        for name, module in model.named_modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return found


def _check_spreads(spreads: Mapping[str, float]) -> None:
    low, high = _SPREADS
    outside = {name: spread for name, spread in spreads.items() if not low <= spread <= high}
    if outside:
        raise SpecError(
            "standard deviation of layer outputs",
            value={name: float(f"{spread:.3g}") for name, spread in outside.items()},
            allowed=f"{low}..{high}",
            remedy="choose another density, image size or seed",
        )


def _summary(
    wanted: BenchmarkNetwork,
    config: TrainConfig,
    model: nn.Module,
    dataset: Dataset,
    spreads: Mapping[str, float],
) -> dict[str, Any]:
    quantizer = config.quantizers.of(config.weights)
    quantized: Mapping[str, QuantizedLayer] = quantized_layers(model)
    shares = {name: zero_pattern_share(layer.codes().numpy()) for name, layer in quantized.items()}
    sizes = {name: layer.weight.numel() for name, layer in quantized.items()}
    mean_share = sum(shares[name] * sizes[name] for name in sizes) / max(sum(sizes.values()), 1)
    parameters = describe_parameters(model)
    return {
        "recipe": config.recipe,
        "trained": False,
        "weights": config.weights.value,
        "value_set": config.weights.values,
        "quantizer": None if quantizer is None else quantizer.to_json(),
        "model": to_document(config.model),
        "epochs": 0,
        "seeds": [wanted.seed],
        "asked_density": None if wanted.ignores_density else wanted.density,
        "density": parameters["effectual"] / parameters["quantized"] if quantized else None,
        "p0": mean_share if quantized else None,
        "layers": [{**layer, "p0": shares[layer["name"]]} for layer in describe_layers(model)],
        "output_spread": dict(spreads),
        "parameters": parameters,
        "data": describe_data(dataset, config.data.holdout),
        "environment": describe_environment(config.threads),
    }
