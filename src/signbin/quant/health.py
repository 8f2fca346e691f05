"""Training health of quantised layers: what goes wrong silently while the loss looks fine."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from signbin.errors import SpecError
from signbin.quant.backward import backward_backend
from signbin.quant.latent import LatentWeights, describe_latent
from signbin.quant.layers import QuantizedLayer
from signbin.quant.prepare import quantized_layers

__all__ = [
    "CodeSnapshot",
    "LayerHealth",
    "ModelHealth",
    "OutputRecorder",
    "Probe",
    "gradient_mismatch",
    "probe",
    "record_outputs",
    "snapshot",
    "training_health",
]

_SATURATION = 1.0


@dataclasses.dataclass(frozen=True)
class LayerHealth:
    """The numbers of one quantised layer.

    density: non-zero codes / codes. dead_filters: filters whose codes are all zero, of
    ``filters``. saturated: share of latent weights with |w| > 1, where the clipped
    straight-through estimator passes no gradient. flip_rate: share of codes that differ from
    those of the earlier snapshot, None without one. mean_to_spread: of the layer's outputs,
    sqrt(sum_k mean_k^2 / sum_k variance_k) over channels k, mean and variance over images and
    pixels; large = a common mode that dwarfs the signal; None where it was not recorded or
    nothing varied. positive: weights quantised to > 0 / weights quantised to non-zero; None where
    all are zero. gradient_mismatch: 1 - cosine between dL/dq, the true gradient at the quantised
    weights, and the dL/dw that the estimator passes on; 0 = all of its direction, 1 = none; None
    where it was not measured or a gradient is zero. latent: how the latent weights are spread.
    """

    name: str
    density: float
    dead_filters: int
    filters: int
    saturated: float
    flip_rate: float | None
    mean_to_spread: float | None
    positive: float | None
    gradient_mismatch: float | None
    latent: LatentWeights


@dataclasses.dataclass(frozen=True)
class ModelHealth:
    """The health of every quantised layer, in the order of ``named_modules``."""

    layers: tuple[LayerHealth, ...]

    def to_json(self) -> dict[str, Any]:
        """{"layers": [{"name": ..., "density": ..., ...}]}."""
        return {"layers": [dataclasses.asdict(layer) for layer in self.layers]}


@dataclasses.dataclass(frozen=True, eq=False)
class CodeSnapshot:
    """The codes of every quantised layer at one moment: int8 tensors by layer name."""

    codes: Mapping[str, Tensor]


class OutputRecorder:
    """Mean and variance of the outputs of the quantised layers while recording."""

    def __init__(self) -> None:
        self._moments: dict[str, _Moments] = {}

    def mean_to_spread(self) -> dict[str, float | None]:
        """The ratio of every layer that ran, see :class:`LayerHealth`."""
        return {name: moments.ratio() for name, moments in self._moments.items()}

    def observe(self, name: str, output: Tensor) -> None:
        """Take in one output (..., K), channels last; an empty one is left out."""
        if not output.numel():
            return
        moments = _Moments.of(output.reshape(-1, output.shape[-1]).T)
        earlier = self._moments.get(name)
        self._moments[name] = moments if earlier is None else earlier.joined(moments)


@contextlib.contextmanager
def record_outputs(model: nn.Module) -> Iterator[OutputRecorder]:
    """Record the outputs of all quantised layers of ``model`` inside the ``with`` block.

    >>> with record_outputs(nn.Sequential(nn.ReLU())) as recorder:
    ...     pass
    >>> recorder.mean_to_spread()
    {}
    """
    recorder = OutputRecorder()
    with contextlib.ExitStack() as hooks:
        for name, layer in quantized_layers(model).items():
            hooks.callback(layer.register_forward_hook(_observer(recorder, name)).remove)
        yield recorder


@dataclasses.dataclass(frozen=True)
class Probe:
    """What one batch tells: :class:`LayerHealth` numbers by layer name."""

    mean_to_spread: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    gradient_mismatch: Mapping[str, float | None] = dataclasses.field(default_factory=dict)


def probe(model: nn.Module, images: Tensor, loss: Callable[[Tensor], Tensor]) -> Probe:
    """Outputs and gradients of every quantised layer on one batch, in evaluation mode.

    loss: from the model's output to a scalar. Gradients that are being accumulated, and the
    model's mode, are left as they were.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.enable_grad(), record_outputs(model) as outputs, _quantized(model) as seen:
            value = loss(model(images))
        mismatch = _mismatches(model, seen, value)
    finally:
        model.train(was_training)
    return Probe(outputs.mean_to_spread(), mismatch)


def gradient_mismatch(quantized: Tensor, latent: Tensor) -> float | None:
    """1 - cosine between two gradients of one layer; None where one of them is zero."""
    q, w = quantized.detach().flatten().double(), latent.detach().flatten().double()
    lengths = float(q.norm() * w.norm())
    if not (lengths > 0 and math.isfinite(lengths)):
        return None
    return 1.0 - float(q @ w) / lengths


@contextlib.contextmanager
def _quantized(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """The quantised weights that forward passes inside the block use, by layer name."""
    seen: dict[str, Tensor] = {}
    layers = quantized_layers(model)
    for name, layer in layers.items():
        layer.weight_observer = functools.partial(seen.__setitem__, name)
    try:
        yield seen
    finally:
        for layer in layers.values():
            layer.weight_observer = None


def _mismatches(
    model: nn.Module, seen: Mapping[str, Tensor], loss: Tensor
) -> dict[str, float | None]:
    layers = quantized_layers(model)
    names = [name for name in seen if layers[name].weight.requires_grad]
    wanted = [*(seen[name] for name in names), *(layers[name].weight for name in names)]
    if not names:
        return {}
    with backward_backend(model):
        gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    pairs = zip(names, gradients[: len(names)], gradients[len(names) :], strict=True)
    return {
        name: None if q is None or w is None else gradient_mismatch(q, w) for name, q, w in pairs
    }


def snapshot(model: nn.Module) -> CodeSnapshot:
    """The present codes, to measure flips against later."""
    return CodeSnapshot({name: layer.codes() for name, layer in quantized_layers(model).items()})


def training_health(
    model: nn.Module,
    previous: CodeSnapshot | None = None,
    probed: Probe | None = None,
) -> ModelHealth:
    """The health of every quantised layer; a model without any has an empty report.

    previous: codes to count flips against. probed: what :func:`probe` measured. Raises SpecError
    where ``previous`` was taken of a model with other layers.
    """
    layers = quantized_layers(model)
    if previous is not None and set(previous.codes) != set(layers):
        raise SpecError(
            "snapshot", value=sorted(previous.codes), allowed=f"one of {sorted(layers)}"
        )
    known = probed or Probe()
    return ModelHealth(
        tuple(_layer_health(name, layer, previous, known) for name, layer in layers.items())
    )


def _layer_health(
    name: str, layer: QuantizedLayer, previous: CodeSnapshot | None, probed: Probe
) -> LayerHealth:
    codes = layer.codes()
    effectual = codes.flatten(1).count_nonzero(1)
    quantized = layer.exact_weight()
    used = int(quantized.count_nonzero())
    return LayerHealth(
        name=name,
        density=int(effectual.sum()) / codes.numel(),
        dead_filters=int((effectual == 0).sum()),
        filters=codes.shape[0],
        saturated=int((layer.weight.detach().abs() > _SATURATION).sum()) / codes.numel(),
        flip_rate=None if previous is None else _flip_rate(name, codes, previous.codes[name]),
        mean_to_spread=probed.mean_to_spread.get(name),
        positive=int((quantized > 0).sum()) / used if used else None,
        gradient_mismatch=probed.gradient_mismatch.get(name),
        latent=describe_latent(layer.weight),
    )


def _flip_rate(name: str, codes: Tensor, earlier: Tensor) -> float:
    if earlier.shape != codes.shape:
        raise SpecError(
            f"snapshot of layer {name!r}",
            value=tuple(earlier.shape),
            allowed=f"the shape of the layer's weight, {tuple(codes.shape)}",
        )
    return int((codes != earlier.to(codes.device)).sum()) / codes.numel()


@dataclasses.dataclass(frozen=True, eq=False)
class _Moments:
    """Count, mean (K,) and sum of squared deviations (K,), in float64."""

    count: int
    mean: Tensor
    deviations: Tensor

    @classmethod
    def of(cls, channels: Tensor) -> _Moments:
        values = channels.detach().double()
        mean = values.mean(1)
        return cls(values.shape[1], mean, (values - mean[:, None]).square().sum(1))

    def joined(self, other: _Moments) -> _Moments:
        """Moments of both sets together (Chan, Golub, LeVeque 1983)."""
        count = self.count + other.count
        delta = other.mean - self.mean
        between = delta.square() * (self.count * other.count / count)
        mean = self.mean + delta * (other.count / count)
        return _Moments(count, mean, self.deviations + other.deviations + between)

    def ratio(self) -> float | None:
        variance = float(self.deviations.sum()) / self.count
        squared_mean = float(self.mean.square().sum())
        if not (variance > 0 and math.isfinite(variance) and math.isfinite(squared_mean)):
            return None
        return math.sqrt(squared_mean / variance)


def _observer(recorder: OutputRecorder, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
    def observe(module: nn.Module, inputs: Any, output: Tensor) -> None:
        channels_last = output if isinstance(module, nn.Linear) else output.movedim(-3, -1)
        recorder.observe(name, channels_last)

    return observe
