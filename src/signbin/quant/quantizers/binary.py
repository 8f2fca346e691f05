"""{-1,+1} with one scale per filter, and the gradients the papers give it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from signbin.quant.estimators import ClippedStraightThrough, Estimator, StraightThrough
from signbin.quant.quantizer import (
    Backward,
    Quantizer,
    State,
    WeightParts,
    filter_scale,
    scale_state,
    sign,
)
from signbin.quant.records import check_choice
from signbin.spec import ScaleKind, ValueSet

__all__ = ["BiReal", "Binary", "BinaryConnect", "BinaryWeightNetwork", "XnorNetPlusPlus"]


@dataclasses.dataclass(frozen=True)
class Binary(Quantizer):
    """{-1,+1}: q(w) = +1 if w >= 0 else -1, with a choice of scale: the control of experiments.

    No method of its own: the gradient is the estimator's, so that a comparison with signed-binary
    differs in the value set alone. The tie w = 0 quantises to +1, also in a filter that is all
    zero. scale: he = sqrt(2 / M), M weights per filter (McDonnell 2018); none = 1; mean = mean|W_k|
    per filter, a constant in the backward pass; learned = per-filter |weight_scale|, which starts
    at that mean. Quantised weights are a fixed point.
    """

    scale: ScaleKind = ScaleKind.HE

    kind: ClassVar[str] = "binary"
    value_set = ValueSet.BINARY

    def __post_init__(self) -> None:
        check_choice(f"{self.kind}.scale", self.scale, tuple(ScaleKind))

    @property
    def granularity(self) -> str:
        """Unit of the scale."""
        return "filter"

    def own_estimator(self) -> Estimator:
        """The identity, as of signed-binary: the fair control."""
        return StraightThrough()

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_scale`` (K,) if learned."""
        if self.scale is not ScaleKind.LEARNED:
            return {}
        return {"weight_scale": scale_state(weight, torch.ones_like(weight))}

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1, threshold 0, scale per filter."""
        codes = sign(weight)
        scale = filter_scale(self.scale, weight, codes, state)
        return WeightParts(codes, weight.new_zeros(()), scale)


@dataclasses.dataclass(frozen=True)
class _SignTimesScale(Quantizer):
    """What the binary methods share: sign(w), ties +1, times a scale per filter."""

    value_set = ValueSet.BINARY
    scale: ClassVar[ScaleKind] = ScaleKind.MEAN

    @property
    def granularity(self) -> str:
        """Unit of the scale."""
        return "filter"

    def own_estimator(self) -> Estimator:
        """1 where |w| <= 1, else 0."""
        return ClippedStraightThrough(gradient_limit=None)

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1, threshold 0, scale per filter."""
        codes = sign(weight)
        scale = filter_scale(self.scale, weight, codes, state)
        return WeightParts(codes, weight.new_zeros(()), scale)


@dataclasses.dataclass(frozen=True)
class BinaryConnect(_SignTimesScale):
    """sign(w); dL/dw = dL/dq; latent weights clipped to [-1, 1] after every step.

    Courbariaux, Bengio, David 2015, deterministic binarisation (section 2.3) and weight clipping
    (section 2.4). Quantised weights are a fixed point.
    """

    kind: ClassVar[str] = "binary_connect"
    scale: ClassVar[ScaleKind] = ScaleKind.NONE

    def own_estimator(self) -> Estimator:
        """The identity: the clipping keeps weights where sign(w) can still turn."""
        return StraightThrough()

    def after_step(self, weight: Tensor, state: Mapping[str, Tensor], progress: Tensor) -> None:
        """w <- min(max(w, -1), 1)."""
        weight.clamp_(-1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class BinaryWeightNetwork(_SignTimesScale):
    """a*sign(w), a = mean|W_k|; dL/dw = (1/n + a*1[|w| <= 1]) * dL/dq, n weights per filter.

    BWN, the weights of XNOR-Net (Rastegari, Ordonez, Redmon, Farhadi 2016, section 3.1 and
    equation 10). The term 1/n stands for the derivative of the scale. Quantised weights are a
    fixed point.
    """

    kind: ClassVar[str] = "bwn"

    def quantize(
        self, weight: Tensor, state: Mapping[str, Tensor], backward: Backward | None = None
    ) -> Tensor:
        """The quantised weight; the gradient of the scale as the paper simplifies it."""
        quantized = super().quantize(weight, state, backward)
        if backward is None:
            return quantized
        return quantized + (weight - weight.detach()) / math.prod(weight.shape[1:])


@dataclasses.dataclass(frozen=True)
class XnorNetPlusPlus(_SignTimesScale):
    """s*sign(w), s = |weight_scale| learned per filter; dL/dw = s*1[|w| <= 1] * dL/dq.

    XNOR-Net++ (Bulat, Tzimiropoulos 2019), its first case: a scale per output channel, learned by
    back-propagation, dL/ds = sum of dL/dq * sign(w). It starts at mean|W_k|. A scale per output
    pixel (its other cases) is not offered: it depends on the image size. Fixed point: with the
    same scale.
    """

    kind: ClassVar[str] = "xnor_net_plus_plus"
    scale: ClassVar[ScaleKind] = ScaleKind.LEARNED

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_scale`` (K,)."""
        return {"weight_scale": scale_state(weight, torch.ones_like(weight))}


@dataclasses.dataclass(frozen=True)
class BiReal(_SignTimesScale):
    """a*sign(w), a = mean|W_k| a constant; dL/dw = a*1[|w| <= 1] * dL/dq.

    The magnitude-aware gradient of Bi-Real Net (Liu et al. 2018, section 3.4): the gradient
    grows with the weights' magnitude, so that small latent weights do not jump over the threshold
    at every step. What else the method has: a shortcut around every convolution (block style
    ``paper``) and activations sign(x) with the estimator ``polynomial``. Quantised weights are a
    fixed point.
    """

    kind: ClassVar[str] = "bi_real"
