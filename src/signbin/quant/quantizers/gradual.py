"""Methods whose forward pass approaches the codes during training: ProxQuant, DSQ, progressive.

Outside training mode their weights are exact codes. Their gradient is part of the method.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.estimators import Estimator, ProgressiveTanh, SoftQuantization, StraightThrough
from signbin.quant.quantizer import (
    Backward,
    Quantizer,
    State,
    WeightParts,
    effectual_mean,
    one_term_only,
    per_filter,
    sign,
)
from signbin.quant.quantizers.ternary import two_sided_terms
from signbin.quant.records import check_choice, check_number
from signbin.spec import ValueSet

__all__ = ["Dsq", "Progressive", "ProxQuant", "proximal_step"]


@dataclasses.dataclass(frozen=True)
class ProxQuant(Quantizer):
    """Trains float weights and draws them to the codes by a proximal step after every step.

    ProxQuant (Bai, Wang, Liberty 2019): forward w, dL/dw the true gradient; then
    w <- q(w) + soft(w - q(w), rate * p), soft(x, r) = sign(x) * max(|x| - r, 0), p = e/E: the
    proximal map of the distance |w - q(w)| (section 3.2), its strength growing linearly. From
    p >= freeze on, w <- q(w): the hard freeze, after which the rest of the network settles. The
    best rate grows as the number of steps falls; the default is for a few hundred.
    values: binary, q = sign(w), ties +1; ternary, q = {-m-, 0, m+} of the layer with
    D = 0.7 mean|W| and m+- the mean |w| of its two sides beyond D (one alternation of the paper's
    section 3.3; ties zero), which the engine runs as float.
    Outside training mode the weight is q(w). Binary weights are a fixed point.
    """

    values: ValueSet = ValueSet.BINARY
    rate: float = 5e-3
    freeze: float = 0.5

    kind: ClassVar[str] = "prox_quant"
    brings_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice(f"{self.kind}.values", self.values, (ValueSet.BINARY, ValueSet.TERNARY))
        check_number(f"{self.kind}.rate", self.rate, low=0.0, high=1e6)
        check_number(f"{self.kind}.freeze", self.freeze, low=0.0, high=1.0)

    @property
    def value_set(self) -> ValueSet:
        """As asked."""
        return self.values

    @property
    def granularity(self) -> str:
        """Unit of the levels."""
        return "layer"

    def own_estimator(self) -> Estimator:
        """The identity: the weight is what the loss sees."""
        return StraightThrough()

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1 with scale 1; SpecError for ternary values."""
        if self.values is ValueSet.TERNARY:
            raise one_term_only(f"ternary {self.kind}")
        scale = per_filter(weight.new_ones(weight.shape[0]), weight)
        return WeightParts(sign(weight), weight.new_zeros(()), scale)

    def terms(self, weight: Tensor, state: Mapping[str, Tensor]) -> tuple[WeightParts, ...]:
        """One term, or the two sides."""
        if self.values is ValueSet.BINARY:
            return (self.parts(weight, state),)
        latent = weight.detach()
        threshold = 0.7 * latent.abs().mean()
        sides = latent > threshold, latent < -threshold
        means = [(latent.abs() * side).sum() / side.sum().clamp(min=1) for side in sides]
        return two_sided_terms(weight, threshold, (means[0], means[1]))

    def quantize(
        self, weight: Tensor, state: Mapping[str, Tensor], backward: Backward | None = None
    ) -> Tensor:
        """The latent weight in training mode, its codes outside it."""
        if backward is not None and backward.training:
            return weight
        return super().quantize(weight, state, backward)

    def after_step(self, weight: Tensor, state: Mapping[str, Tensor], progress: Tensor) -> None:
        """The proximal step, or the freeze."""
        target = super().quantize(weight, state)
        drawn = proximal_step(weight, target, self.rate * progress)
        weight.copy_(torch.where(progress >= self.freeze, target, drawn))


def proximal_step(weight: Tensor, target: Tensor, strength: Tensor) -> Tensor:
    """target + sign(d) * max(|d| - strength, 0), d = weight - target: soft thresholding."""
    distance = weight - target
    return target + distance.sign() * (distance.abs() - strength).clamp(min=0)


@dataclasses.dataclass(frozen=True)
class Dsq(Quantizer):
    """c*sign(w); gradient of the soft step c*s*tanh(k*x), x = clamp(w, -c, c).

    Differentiable soft quantisation with one bit (Gong et al. 2019, section 3): the interval
    [-c, c] of every layer and its softness alpha are learned (|weight_limit|, which starts at
    mean|W|, and weight_softness, kept in [0.01, 0.5]); s = 1 / (1 - alpha),
    k = log(2 / alpha - 1) / (2*c), so that the soft step meets c*sign(w) at the ends. All of dw,
    dc and dalpha are derivatives of the soft step; weights outside the interval teach c alone.
    Ties +1. Fixed point: with the same c.
    """

    softness: float = 0.2

    kind: ClassVar[str] = "dsq"
    value_set = ValueSet.BINARY
    brings_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.softness, float) or not 0.01 <= self.softness <= 0.5:
            raise SpecError(
                f"{self.kind}.softness", value=self.softness, allowed="0.01 <= value <= 0.5"
            )

    @property
    def granularity(self) -> str:
        """Unit of the interval."""
        return "layer"

    def own_estimator(self) -> Estimator:
        """Soft quantisation; limit and softness are then learned."""
        return SoftQuantization(softness=self.softness)

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_limit`` and ``weight_softness``, scalars."""
        mean = weight.abs().mean()
        limit = torch.where(mean > 0, mean, torch.ones_like(mean))
        softness = torch.full_like(limit, self.softness)
        return {
            "weight_limit": State(limit, learned=True),
            "weight_softness": State(softness, learned=True),
        }

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1, the interval's limit as scale."""
        scale = state["weight_limit"].abs().expand(weight.shape[0])
        return WeightParts(sign(weight), weight.new_zeros(()), per_filter(scale, weight))

    def quantize(
        self, weight: Tensor, state: Mapping[str, Tensor], backward: Backward | None = None
    ) -> Tensor:
        """c*sign(w) with the gradient of the soft step."""
        value = super().quantize(weight, state)
        if backward is None:
            return value
        limit, softness = state["weight_limit"].abs(), state["weight_softness"].clamp(0.01, 0.5)
        k = torch.log(2 / softness - 1) / (2 * limit)
        x = torch.clamp(weight, -limit, limit)
        soft = limit / (1 - softness) * torch.tanh(k * x)
        broken = (weight - weight).detach()  # NaN where w is not finite, else exactly 0
        return value.detach() + (soft - soft.detach()) + broken


@dataclasses.dataclass(frozen=True)
class Progressive(Quantizer):
    """a*tanh(l*w/a) in training, l growing; a*sign(w) outside it; a = mean|W_k|, a constant.

    Progressive binarisation (Bulat, Tzimiropoulos, Kossaifi, Pantic 2019): the sign is approached
    by tanh(l*x), l(e) = l_max^(e/E), and the gradient is that of the tanh. The weights' second
    stage of the paper is ``start`` of :class:`QuantConfig`, its activations are
    :class:`SignActivation` with the estimator ``tanh``, its PReLU the block style ``paper``.
    Ties +1. Quantised weights are a fixed point.
    """

    l_max: float = 64.0

    kind: ClassVar[str] = "progressive"
    value_set = ValueSet.BINARY
    brings_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(f"{self.kind}.l_max", self.l_max, low=1.0, high=1e6)

    @property
    def granularity(self) -> str:
        """Unit of the scale."""
        return "filter"

    def own_estimator(self) -> Estimator:
        """The growing tanh."""
        return ProgressiveTanh(l_min=1.0, l_max=self.l_max)

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1, mean|W_k|."""
        codes = sign(weight)
        scale = per_filter(effectual_mean(weight, codes), weight)
        return WeightParts(codes, weight.new_zeros(()), scale)

    def quantize(
        self, weight: Tensor, state: Mapping[str, Tensor], backward: Backward | None = None
    ) -> Tensor:
        """The soft weight in training mode; outside it the codes, with the soft gradient."""
        value = super().quantize(weight, state)
        if backward is None:
            return value
        scale = self.parts(weight, state).scale
        sharpness = math.e ** (math.log(self.l_max) * backward.progress)
        safe = torch.where(scale > 0, scale, torch.ones_like(scale))
        soft = scale * torch.tanh((sharpness * weight / safe).to(weight.dtype))
        if backward.training:
            return soft
        return value.detach() + (soft - soft.detach()) + (weight - weight).detach()
