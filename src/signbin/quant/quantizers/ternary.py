"""{-1,0,+1}: ternary weight networks and trained ternary quantisation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from signbin.quant.estimators import Estimator, StraightThrough
from signbin.quant.quantizer import (
    Backward,
    Quantizer,
    State,
    WeightParts,
    effectual_mean,
    filter_scale,
    one_term_only,
    per_filter,
)
from signbin.quant.records import check_choice, check_number
from signbin.spec import Granularity, ScaleKind, ValueSet

__all__ = ["Ternary", "TrainedTernary", "two_sided_terms"]


@dataclasses.dataclass(frozen=True)
class Ternary(Quantizer):
    """{-1,0,+1}: q(w) = sign(w) if |w| > D else 0, D = threshold_factor * mean|W|.

    Ternary weight networks (Li et al. 2016). Ties quantise to zero, as in the paper; so do
    weights that are all zero. threshold_factor: 0 < factor < 1.
    granularity of mean|W| and of the scale: the layer (the paper) or each filter.
    scale: he = sqrt(2 / M), M weights per filter; none = 1; mean = mean |w| of the weights with a
    non-zero code (the paper), a constant in the backward pass. Quantised weights are a fixed point.
    """

    threshold_factor: float = 0.7
    per: Granularity = Granularity.LAYER
    scale: ScaleKind = ScaleKind.HE

    kind: ClassVar[str] = "ternary"
    value_set = ValueSet.TERNARY

    def __post_init__(self) -> None:
        below_one = math.nextafter(1.0, 0.0)
        check_number(
            f"{self.kind}.threshold_factor", self.threshold_factor, low=0.0, high=below_one
        )
        check_choice(f"{self.kind}.per", self.per, tuple(Granularity))
        check_choice(
            f"{self.kind}.scale", self.scale, (ScaleKind.NONE, ScaleKind.HE, ScaleKind.MEAN)
        )

    @property
    def granularity(self) -> str:
        """Unit of the threshold and of the scale."""
        return self.per.value

    def own_estimator(self) -> Estimator:
        """The identity, as in the paper."""
        return StraightThrough()

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1, 0, +1, threshold D * sign(w), scale per layer or filter."""
        latent = weight.detach()
        magnitude = latent.abs()
        if self.per is Granularity.LAYER:
            threshold = self.threshold_factor * magnitude.mean()
        else:
            threshold = per_filter(self.threshold_factor * magnitude.flatten(1).mean(1), weight)
        codes = torch.where(magnitude > threshold, latent.sign(), torch.zeros_like(latent))
        if self.scale is ScaleKind.MEAN:
            scale = per_filter(effectual_mean(latent, codes, self.per), weight)
        else:
            scale = filter_scale(self.scale, weight, codes, state)
        return WeightParts(codes, threshold * latent.sign(), scale)


@dataclasses.dataclass(frozen=True)
class TrainedTernary(Quantizer):
    """+Wp where w > D, -Wn where w < -D, else 0; D = threshold_factor * max|W| of the layer.

    TTQ (Zhu, Han, Mao, Dally 2017, equations 5 to 8). Wp, Wn > 0 are learned per layer
    (|weight_positive|, |weight_negative|, starting at the mean |w| of their sides):
    dL/dWp = sum of dL/dq over w > D; dL/dWn = -sum of dL/dq over w < -D;
    dL/dw = Wp, 1 or Wn times dL/dq, in that order of regions from the right.
    Ties quantise to zero. Three values per filter that are not symmetric: the engine has no form
    for them yet and runs them as float. Fixed point: with the same Wp, Wn, where the smaller of
    them is above threshold_factor times the larger one.
    """

    threshold_factor: float = 0.05

    kind: ClassVar[str] = "ttq"
    value_set = ValueSet.TERNARY

    def __post_init__(self) -> None:
        below_one = math.nextafter(1.0, 0.0)
        check_number(
            f"{self.kind}.threshold_factor", self.threshold_factor, low=0.0, high=below_one
        )

    @property
    def granularity(self) -> str:
        """Unit of the threshold and of the scales."""
        return "layer"

    def own_estimator(self) -> Estimator:
        """The identity inside every region."""
        return StraightThrough()

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_positive`` and ``weight_negative``, scalars."""
        threshold = self._threshold(weight)
        sides = {"weight_positive": weight > threshold, "weight_negative": weight < -threshold}
        states = {}
        for name, side in sides.items():
            mean = (weight.abs() * side).sum() / side.sum().clamp(min=1)
            states[name] = State(torch.where(mean > 0, mean, torch.ones_like(mean)), learned=True)
        return states

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """SpecError: two scales."""
        raise one_term_only(self.kind)

    def terms(self, weight: Tensor, state: Mapping[str, Tensor]) -> tuple[WeightParts, ...]:
        """Wp * {0,+1} and Wn * {0,-1}."""
        levels = state["weight_positive"].abs(), state["weight_negative"].abs()
        return two_sided_terms(weight, self._threshold(weight), levels)

    def quantize(
        self, weight: Tensor, state: Mapping[str, Tensor], backward: Backward | None = None
    ) -> Tensor:
        """The quantised weight; the gradient of w is scaled by its region."""
        positive, negative = self.terms(weight, state)
        value = positive.assembled(positive.codes) + negative.assembled(negative.codes)
        if backward is None:
            return value
        zero = (positive.codes == 0) & (negative.codes == 0)
        region = torch.where(zero, torch.ones_like(weight), value.detach().abs())
        constant = torch.zeros_like(weight)
        return value + region * backward.attach(constant, weight, positive.threshold)

    def _threshold(self, weight: Tensor) -> Tensor:
        return self.threshold_factor * weight.detach().abs().amax()


def two_sided_terms(
    weight: Tensor, threshold: Tensor, levels: tuple[Tensor, Tensor]
) -> tuple[WeightParts, WeightParts]:
    """level[0] * 1[w > D] and level[1] * -1[w < -D], scalar levels; D broadcasts, ties are zero."""
    latent = weight.detach()
    zeros, edge = torch.zeros_like(latent), threshold * latent.sign()

    def term(side: Tensor, code: float, level: Tensor) -> WeightParts:
        codes = torch.where(side, torch.full_like(latent, code), zeros)
        return WeightParts(codes, edge, per_filter(level.expand(weight.shape[0]), weight))

    return term(latent > threshold, 1.0, levels[0]), term(latent < -threshold, -1.0, levels[1])
