"""Quantised layers: real nn.Conv2d and nn.Linear subclasses that quantise at every forward.

State-dict keys are those of the float layer. What a quantiser adds (``weight_sign`` for regions
smaller than a filter, ``weight_scale`` and ``weight_offset`` where they are learned, ``input_clip``
for a learned clip) takes its default where a checkpoint does not have it, so float checkpoints load
with strict=True.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbin.errors import SpecError
from signbin.quant.config import QuantConfig
from signbin.quant.quantizer import Backward, State, WeightParts, standardized
from signbin.spec import LowBitWeight

__all__ = ["LAYER_TYPES", "QConv2d", "QLinear", "QuantizedLayer", "obstacle"]

_Module = TypeVar("_Module", bound=nn.Module)

_PROGRESS = "estimator_progress"
# Registries of a module that the converted layer changes, and must not share with the original.
_REGISTRIES = ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules")


class QuantizedLayer(nn.Module):
    """What QConv2d and QLinear share. ``config`` says how weight and input are quantised.

    weight_observer: where set, is told every quantised weight that a forward pass uses.
    """

    float_type: ClassVar[type[nn.Module]]
    # Counted from the end: images may come without a batch.
    _channel_axis: ClassVar[int]
    config: QuantConfig
    weight: Tensor
    weight_observer: Callable[[Tensor], None] | None = None
    _state_names: tuple[str, ...]

    def quantized_weight(self) -> Tensor:
        """The dequantised weight, shape and dtype of the latent one.

        Differentiable: the gradient reaches the latent weight through the estimator, and a
        learned scale. NaN where the latent weight is not finite. In training mode, methods that
        approach their codes gradually are as far as their progress says.
        """
        backward, weight = self._backward(), self._seen_weight()
        quantized = self.config.weight.quantize(weight, self.quantizer_state(), backward)
        if self.training and self.config.start:
            quantized = torch.where(backward.progress < self.config.start, weight, quantized)
        if self.weight_observer is not None:
            self.weight_observer(quantized)
        return quantized

    def exact_weight(self) -> Tensor:
        """The quantised weight as evaluation mode has it, a constant."""
        with torch.no_grad():
            return self.config.weight.quantize(self._seen_weight(), self.quantizer_state())

    def centred_input(self, x: Tensor) -> Tensor:
        """The layer's input, minus its mean over channels where that is asked."""
        return x - x.mean(self._channel_axis, keepdim=True) if self.config.centre_inputs else x

    def quantized_input(self, x: Tensor) -> Tensor:
        """The centred input as the layer's activation quantiser leaves it."""
        x = self.centred_input(x)
        if self.config.activation is None:
            return x
        return self.config.activation.quantize(x, self.quantizer_state(), self._backward())

    def quantizer_state(self) -> dict[str, Tensor]:
        """The tensors the quantisers keep in this layer, by name."""
        return {name: getattr(self, name) for name in self._state_names}

    def after_step(self) -> None:
        """What the weight quantiser does after a step of the optimiser (clip, proximal step)."""
        with torch.no_grad():
            progress: Tensor = getattr(self, _PROGRESS)
            self.config.weight.after_step(self.weight, self.quantizer_state(), progress)

    def codes(self) -> Tensor:
        """The codes, of the shape of the weight: int8 for one term, -1, 0 and +1.

        int16 for several terms: sum over i of 3^i * code_i, a number per combination of codes, 0
        where all of them are.
        """
        with torch.no_grad():
            terms = self._terms()
            if len(terms) == 1:
                return terms[0].codes.char()
            weighted = [term.codes.short() * 3**place for place, term in enumerate(terms)]
            return torch.stack(weighted).sum(0, dtype=torch.int16)

    def ones(self) -> Tensor:
        """How many codes are ones (see :func:`share_of_ones`), with the estimator's gradient."""
        rule, backward = self.config.weight, self._backward()
        latent = rule.prepared(self._seen_weight(), backward)
        parts = rule.parts(latent, self.quantizer_state())
        codes = backward.attach(parts.codes, latent, parts.threshold)
        return rule.ones(codes, self.quantizer_state())

    @property
    def density(self) -> float:
        """Non-zero codes / codes."""
        codes = self.codes()
        return int(codes.count_nonzero()) / codes.numel()

    def low_bit(self) -> LowBitWeight:
        """The weight in logical form, on the CPU.

        ``low_bit().dequantized()`` equals :meth:`quantized_weight` in evaluation mode bit for bit
        in float32. Raises SpecError where a latent weight or a learned scale is not finite, and
        for weights that are sums of several terms.
        """
        self._check_finite()
        with torch.no_grad():
            latent = self.config.weight.prepared(self._seen_weight())
            parts = self.config.weight.parts(latent, self.quantizer_state())
            offset = parts.offset(parts.codes)
            scale = parts.scale
        codes = parts.codes.char().cpu().numpy()
        return LowBitWeight(codes, _vector(scale), None if offset is None else _vector(offset))

    def set_progress(self, progress: float) -> None:
        """Tell the estimator the share of training that is done, 0 <= progress <= 1."""
        if not 0.0 <= progress <= 1.0:
            raise SpecError("training progress", value=progress, allowed="0 <= progress <= 1")
        getattr(self, _PROGRESS).fill_(progress)

    def share_progress(self, dial: Tensor) -> None:
        """Read the progress from this scalar tensor from now on."""
        setattr(self, _PROGRESS, dial)

    def extra_repr(self) -> str:
        """The float layer's options, then quantiser, value set, granularity and density."""
        quantizer = self.config.weight
        measurable = self.weight.device.type != "meta"
        density = f"{self.density:.3f}" if measurable else "unknown (no data)"
        activation = self.config.activation
        return (
            f"{super().extra_repr()}, weight={quantizer.kind} {quantizer.value_set.values}, "
            f"granularity={quantizer.granularity}, density={density}"
            + (", centred input" if self.config.centre_inputs else "")
            + ("" if activation is None else f", input={activation.kind}")
        )

    def _seen_weight(self) -> Tensor:
        """The weight as the quantiser sees it."""
        return standardized(self.weight) if self.config.standardize else self.weight

    def _backward(self) -> Backward:
        return Backward(self.config.estimator, getattr(self, _PROGRESS), self.training)

    def _terms(self) -> tuple[WeightParts, ...]:
        latent = self.config.weight.prepared(self._seen_weight())
        return self.config.weight.terms(latent, self.quantizer_state())

    def _initial_state(self) -> dict[str, State]:
        with torch.no_grad():
            states = self.config.weight.initial_state(self._seen_weight().detach())
            if self.config.activation is not None:
                states |= self.config.activation.initial_state(self.weight)
        return states

    def _start(self, config: QuantConfig) -> None:
        """Register the quantiser's tensors; everything else is already in place."""
        _check_config(config)
        if config.centre_inputs and self.weight.shape[1] == 1:
            raise SpecError(
                "QuantConfig.centre_inputs",
                value="a layer of one input channel",
                allowed="more channels: one minus its mean is zero",
            )
        self.config = config
        states = self._initial_state()
        self._state_names = tuple(states)
        for name, state in states.items():
            if state.learned:
                trainable = self.weight.requires_grad
                self.register_parameter(name, nn.Parameter(state.value, requires_grad=trainable))
            else:
                self.register_buffer(name, state.value, persistent=state.persistent)
        progress = torch.zeros((), device=self.weight.device)
        self.register_buffer(_PROGRESS, progress, persistent=False)

    @classmethod
    def _adopt(cls, module: nn.Module, config: QuantConfig) -> Self:
        _check_config(config)
        reason = obstacle(module)
        if reason is not None or type(module) is not cls.float_type:
            raise SpecError(
                f"{cls.__name__}.from_float",
                value=f"{type(module).__name__} ({reason or 'another layer type'})",
                allowed=f"exactly nn.{cls.float_type.__name__}, not a subclass",
            )
        layer = _copied(module, cls)
        layer._start(config)
        return layer

    def _to_float(self) -> nn.Module:
        self._check_finite()
        if self.config.activation is not None:
            raise SpecError(
                f"{type(self).__name__}.to_float",
                value=f"quantised input ({self.config.activation.kind})",
                allowed="layers with a float input",
            )
        if self.config.centre_inputs:
            raise SpecError(
                f"{type(self).__name__}.to_float",
                value="centred input",
                allowed="layers that multiply their input as it comes",
                remedy="offset centred does what centre_inputs does, and runs",
            )
        module = _copied(self, self.float_type)
        for name in (*self._state_names, _PROGRESS):
            module._parameters.pop(name, None)
            module._buffers.pop(name, None)
            module._non_persistent_buffers_set.discard(name)
        for name in ("config", "_state_names", "weight_observer"):
            module.__dict__.pop(name, None)
        weight = self.exact_weight().clone()
        trainable = self.weight.requires_grad
        module._parameters["weight"] = nn.Parameter(weight, requires_grad=trainable)
        return module

    def _check_finite(self) -> None:
        tensors = (self.weight, *self.quantizer_state().values())
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
            raise SpecError(
                "latent weights or scales of a quantised layer",
                value=repr(self),
                allowed="finite numbers",
                remedy="training has diverged: load an earlier checkpoint",
            )

    def _load_from_state_dict(  # noqa: PLR0913, PLR0917  # the signature is torch's
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        absent = [name for name in self._state_names if prefix + name not in state_dict]
        missing_keys[:] = [key for key in missing_keys if key not in _prefixed(prefix, absent)]
        if prefix + "weight" not in state_dict:
            return
        self._reset(absent)
        if self.weight.is_meta:
            return
        try:
            self.config.weight.check_state(self.quantizer_state())
        except SpecError as error:
            error_msgs.append(f"{prefix.rstrip('.') or type(self).__name__}: {error}")

    def _reset(self, names: list[str]) -> None:
        """Give these tensors the value a new layer with the present weight would have."""
        with torch.no_grad():
            states = self._initial_state()
            for name in names:
                current, value = getattr(self, name), states[name].value
                if current.device == value.device:
                    current.copy_(value)
                elif states[name].learned:
                    setattr(self, name, nn.Parameter(value, current.requires_grad))
                else:
                    setattr(self, name, value)
        progress: Tensor = getattr(self, _PROGRESS)
        if progress.device != self.weight.device:
            setattr(self, _PROGRESS, torch.zeros((), device=self.weight.device))


class QConv2d(QuantizedLayer, nn.Conv2d):
    """nn.Conv2d whose weight (K, C/groups, R, S) is quantised at every forward.

    QConv2d(in_channels, out_channels, kernel_size, ..., config=QuantConfig()) takes the
    arguments of nn.Conv2d; the bias stays float.
    """

    float_type = nn.Conv2d
    _channel_axis = -3

    def __init__(self, *args: Any, config: QuantConfig | None = None, **kwargs: Any) -> None:
        nn.Conv2d.__init__(self, *args, **kwargs)
        self._start(QuantConfig() if config is None else config)

    def forward(self, input: Tensor) -> Tensor:
        """Convolution with the quantised weight, (N, C, H, W) -> (N, K, H', W')."""
        quantized = self.quantized_input(input)
        output: Tensor = self._conv_forward(quantized, self.quantized_weight(), self.bias)
        return output

    @classmethod
    def from_float(cls, module: nn.Conv2d, config: QuantConfig) -> QConv2d:
        """The quantised layer in place of ``module``.

        It holds the same Parameter objects (an optimiser made before stays valid), device,
        dtype, hooks with their handles, and training flag. Raises SpecError where ``module`` is
        not exactly an nn.Conv2d with a plain weight, or the options do not fit its shape.
        """
        return cls._adopt(module, config)

    def to_float(self) -> nn.Conv2d:
        """A new nn.Conv2d with the dequantised weight; bias, hooks and flags are kept.

        Raises SpecError where a latent weight or a learned scale is not finite.
        """
        module = self._to_float()
        assert isinstance(module, nn.Conv2d)
        return module


class QLinear(QuantizedLayer, nn.Linear):
    """nn.Linear whose weight (K, C), read as (K, C, 1, 1), is quantised at every forward.

    QLinear(in_features, out_features, ..., config=QuantConfig()) takes the arguments of
    nn.Linear; the bias stays float. A filter is the row of one output feature.
    """

    float_type = nn.Linear
    _channel_axis = -1

    def __init__(self, *args: Any, config: QuantConfig | None = None, **kwargs: Any) -> None:
        nn.Linear.__init__(self, *args, **kwargs)
        self._start(QuantConfig() if config is None else config)

    def forward(self, input: Tensor) -> Tensor:
        """Product with the quantised weight, (..., C) -> (..., K)."""
        return F.linear(self.quantized_input(input), self.quantized_weight(), self.bias)

    @classmethod
    def from_float(cls, module: nn.Linear, config: QuantConfig) -> QLinear:
        """The quantised layer in place of ``module``, as :meth:`QConv2d.from_float`."""
        return cls._adopt(module, config)

    def to_float(self) -> nn.Linear:
        """A new nn.Linear with the dequantised weight, as :meth:`QConv2d.to_float`."""
        module = self._to_float()
        assert isinstance(module, nn.Linear)
        return module


LAYER_TYPES: tuple[type[QConv2d], type[QLinear]] = (QConv2d, QLinear)


def obstacle(module: nn.Module) -> str | None:
    """Why this layer cannot be quantised in place, or None.

    Subclasses and changed layers compute something else than their type says; swapping them for
    a quantised layer would silently drop that.
    """
    if isinstance(module, QuantizedLayer):
        return "already quantised"
    if not any(type(module) is layer.float_type for layer in LAYER_TYPES):
        return "neither exactly nn.Conv2d nor exactly nn.Linear"
    if "forward" in module.__dict__:
        return "its forward was replaced"
    return _weight_obstacle(module._parameters.get("weight"))


def _weight_obstacle(weight: Tensor | None) -> str | None:
    if weight is None:
        return "its weight is not a plain parameter"
    if not weight.is_floating_point():
        return f"its weight is {weight.dtype}"
    return None if weight.numel() else "its weight is empty"


def _copied(module: nn.Module, layer_type: type[_Module]) -> _Module:
    """A module of another type with the attributes of this one.

    Parameters and hook registries are shared on purpose: optimisers and hook handles that the
    caller holds keep working on the new module.
    """
    layer = layer_type.__new__(layer_type)
    layer.__dict__.update(module.__dict__)
    for registry in _REGISTRIES:
        layer.__dict__[registry] = module.__dict__[registry].copy()
    # A forward compiled for the old module would go on computing the old weights.
    layer.__dict__.pop("_compiled_call_impl", None)
    return layer


def _vector(scale: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    vector: np.ndarray[Any, np.dtype[np.float32]] = scale.detach().reshape(-1).float().cpu().numpy()
    return vector.copy()


def _check_config(config: object) -> None:
    if not isinstance(config, QuantConfig):
        raise SpecError("configuration of a layer", value=config, allowed="a QuantConfig")


def _prefixed(prefix: str, names: list[str]) -> set[str]:
    return {prefix + name for name in names}
