"""Turn the layers of a float model into quantised ones, in place, and say what was done."""

from __future__ import annotations

import dataclasses
import difflib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from signbin.errors import SpecError
from signbin.quant.config import QuantConfig
from signbin.quant.layers import LAYER_TYPES, QuantizedLayer, obstacle
from signbin.quant.quantizers import SignedBinary

__all__ = [
    "LayerDecision",
    "QuantizationSummary",
    "after_step",
    "progress_dial",
    "quantize_",
    "quantized_layers",
    "set_densities",
    "set_progress",
]

_LOGGER = logging.getLogger("signbin.quant")

FilterFn = Callable[[nn.Module, str], bool]


@dataclasses.dataclass(frozen=True)
class LayerDecision:
    """What was decided for one convolution or linear layer, and why.

    name: its fully qualified name. layer: its type. weights: number of weights, bias excluded.
    config: how it is quantised, None where it stays float.
    """

    name: str
    layer: str
    weights: int
    reason: str
    config: QuantConfig | None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``config`` is null where the layer stays float."""
        config = None if self.config is None else self.config.to_json()
        return {**dataclasses.asdict(self), "config": config}


@dataclasses.dataclass(frozen=True)
class QuantizationSummary:
    """The decisions of :func:`quantize_`, in the order of ``named_modules``."""

    layers: tuple[LayerDecision, ...]

    @property
    def quantized(self) -> tuple[LayerDecision, ...]:
        """The layers that are quantised now."""
        return tuple(layer for layer in self.layers if layer.config is not None)

    @property
    def kept(self) -> tuple[LayerDecision, ...]:
        """The layers that were left as they were."""
        return tuple(layer for layer in self.layers if layer.config is None)

    @property
    def quantized_share(self) -> float:
        """Weights in quantised layers / weights in all convolution and linear layers."""
        total = sum(layer.weights for layer in self.layers)
        return sum(layer.weights for layer in self.quantized) / total

    def to_json(self) -> dict[str, Any]:
        """{"layers": [...], "quantized_share": ...}."""
        return {
            "layers": [layer.to_json() for layer in self.layers],
            "quantized_share": self.quantized_share,
        }

    def __str__(self) -> str:
        lines = [
            f"quantised {len(self.quantized)} of {len(self.layers)} layers, "
            f"{self.quantized_share:.1%} of their weights"
        ]
        for layer in self.layers:
            kind = "float" if layer.config is None else layer.config.weight.kind
            lines.append(f"  {layer.name} ({layer.layer}): {kind}, {layer.reason}")
        return "\n".join(lines)


def quantize_(
    model: nn.Module,
    config: QuantConfig,
    filter_fn: FilterFn | None = None,
    overrides: Mapping[str, QuantConfig | None] | None = None,
    *,
    keep_first_and_last: bool = True,
) -> QuantizationSummary:
    """Replace nn.Conv2d and nn.Linear layers of ``model`` by quantised ones, in place.

    What decides, strongest first: ``overrides`` by fully qualified name (None keeps the layer
    float); the first and the last such layer, in the order of ``named_modules``, stay float,
    which is logged, unless ``keep_first_and_last`` is False; ``filter_fn(module, name)``, True
    to quantise. Subclasses and layers that are already quantised are left alone.

    Raises SpecError, and changes nothing, where no layer is left to quantise, an override names
    no convolution or linear layer or one that cannot be quantised, the model is itself such a
    layer, or the options do not fit a layer's shape.
    """
    _check_arguments(model, config, overrides)
    layers = _named_layers(model)
    _check_names(overrides or {}, layers)
    ends = _ends(layers) if keep_first_and_last else {}
    rules = _Rules(config, filter_fn, overrides or {}, ends)
    decisions, replacements = [], {}
    for name, module in layers.items():
        choice, reason = rules.choice(name, module)
        weights = getattr(module, "weight", None)
        count = 0 if weights is None else weights.numel()
        decisions.append(LayerDecision(name, type(module).__name__, count, reason, choice))
        if choice is not None:
            replacements[id(module)] = _converted(name, module, choice)
    if not replacements:
        raise SpecError(
            "no layer to quantise",
            value=[f"{layer.name}: {layer.reason}" for layer in decisions],
            allowed="at least one nn.Conv2d or nn.Linear that filter_fn accepts",
            remedy="widen filter_fn, or pass keep_first_and_last=False",
        )
    _replace(model, replacements)
    _report(decisions, ends)
    return QuantizationSummary(tuple(decisions))


def quantized_layers(model: nn.Module) -> dict[str, QuantizedLayer]:
    """The quantised layers of a model by fully qualified name, each once."""
    _check_model(model)
    return {
        name: module for name, module in model.named_modules() if isinstance(module, QuantizedLayer)
    }


def set_progress(model: nn.Module, epoch: float, epochs: float) -> None:
    """Tell every estimator that ``epoch`` of ``epochs`` are done: progress e/E.

    A model without quantised layers is left alone. Raises SpecError unless 0 <= epoch <= epochs
    and epochs > 0.
    """
    if not (epochs > 0 and 0 <= epoch <= epochs):
        raise SpecError("training progress", value=(epoch, epochs), allowed="0 <= epoch <= epochs")
    for layer in quantized_layers(model).values():
        layer.set_progress(epoch / epochs)


def progress_dial(model: nn.Module) -> Tensor:
    """One scalar tensor that all estimators of the model read their progress from, now 0.

    For loops that set it at every step: ``dial.fill_(step / steps)``, 0 <= progress <= 1, is one
    operation, and one that a recorded graph or a compiled model sees. Moving or copying the model
    afterwards gives its layers tensors of their own again.
    """
    layers = list(quantized_layers(model).values())
    device = layers[0].weight.device if layers else torch.device("cpu")
    dial = torch.zeros((), device=device)
    for layer in layers:
        layer.share_progress(dial)
    return dial


def set_densities(model: nn.Module, densities: Mapping[str, float]) -> None:
    """From now on the filters of these layers have exactly these shares of non-zero codes.

    densities: by fully qualified name, see ``density`` of :class:`SignedBinary`. SpecError, and
    nothing is changed, for a name that is no layer with such weights, and for other numbers.
    """
    layers = quantized_layers(model)
    changed = {}
    for name, density in densities.items():
        rule = layers[name].config.weight if name in layers else None
        if not isinstance(rule, SignedBinary):
            raise SpecError(
                "layer to give a density", value=name, allowed="quantised to signed-binary weights"
            )
        weight = dataclasses.replace(rule, density=density)
        changed[name] = dataclasses.replace(layers[name].config, weight=weight)
    for name, config in changed.items():
        layers[name].config = config


def after_step(model: nn.Module) -> None:
    """What the weight quantisers do after every step of the optimiser.

    To be called by training loops: BinaryConnect clips its latent weights, ProxQuant takes its
    proximal step, LQ-Nets follows the weights with its basis.
    """
    for layer in quantized_layers(model).values():
        layer.after_step()


def _named_layers(model: nn.Module) -> dict[str, nn.Module]:
    kinds = tuple(layer.float_type for layer in LAYER_TYPES)
    return {name: module for name, module in model.named_modules() if isinstance(module, kinds)}


def _ends(layers: Mapping[str, nn.Module]) -> dict[str, str]:
    names = list(layers)
    if not names:
        return {}
    return {names[-1]: "last layer stays float", names[0]: "first layer stays float"}


@dataclasses.dataclass(frozen=True)
class _Rules:
    """What the caller asked for, and the layers that stay float by default, with the reason."""

    config: QuantConfig
    filter_fn: FilterFn | None
    overrides: Mapping[str, QuantConfig | None]
    ends: Mapping[str, str]

    def choice(self, name: str, module: nn.Module) -> tuple[QuantConfig | None, str]:
        """The configuration of one layer, None to keep it, and the reason."""
        if name in self.overrides:
            return self.overrides[name], "override"
        if name in self.ends:
            return None, self.ends[name]
        reason = obstacle(module)
        if reason is not None:
            return None, reason
        if self.filter_fn is None:
            return self.config, "default"
        return self.config if self.filter_fn(module, name) else None, "filter_fn"


def _converted(name: str, module: nn.Module, config: QuantConfig) -> QuantizedLayer:
    try:
        for layer in LAYER_TYPES:
            if isinstance(module, layer.float_type):
                return layer._adopt(module, config)
    except SpecError as error:
        raise SpecError(f"layer {name!r}: {error}") from error
    raise AssertionError(f"{name} is neither a convolution nor linear")


def _replace(model: nn.Module, replacements: Mapping[int, QuantizedLayer]) -> None:
    """Swap the children everywhere they are used; a shared layer stays shared."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if id(child) in replacements:
                setattr(parent, name, replacements[id(child)])


def _report(decisions: list[LayerDecision], ends: Mapping[str, str]) -> None:
    for layer in decisions:
        if layer.config is None and layer.reason == ends.get(layer.name):
            _LOGGER.info("%s: %s (%d weights)", layer.name, layer.reason, layer.weights)


def _check_model(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise SpecError("model", value=type(model).__name__, allowed="an nn.Module")


def _check_arguments(
    model: object, config: object, overrides: Mapping[str, QuantConfig | None] | None
) -> None:
    _check_model(model)
    if isinstance(model, tuple(layer.float_type for layer in LAYER_TYPES)):
        raise SpecError(
            "model",
            value=type(model).__name__,
            allowed="a module that contains layers",
            remedy="wrap the layer in nn.Sequential, or use QConv2d.from_float",
        )
    named = {} if overrides is None else overrides
    if not isinstance(named, Mapping):
        raise SpecError("overrides", value=named, allowed="a mapping of layer name to QuantConfig")
    for name, value in {"config": config, **named}.items():
        if not isinstance(value, QuantConfig) and not (value is None and name in named):
            raise SpecError(f"configuration {name!r}", value=value, allowed="a QuantConfig")


def _check_names(overrides: Mapping[str, object], layers: Mapping[str, nn.Module]) -> None:
    for name in overrides:
        if name not in layers:
            close = difflib.get_close_matches(name, layers, n=3)
            raise SpecError(
                "name in overrides",
                value=name,
                allowed=", ".join(close or list(layers)[:8]) or "none: the model has no layers",
            )
