"""Least-squares binary quantisation (Pouransari, Tu, Tuzel 2020): LS-1, LS-2, LS-T, GF-k.

All are per filter, all scales are constants in the backward pass, and
dL/dw = 1[|w| <= 1] * dL/dq: the straight-through estimator stands for the whole of w -> q.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from signbin.quant.estimators import ClippedStraightThrough, Estimator
from signbin.quant.quantizer import (
    Quantizer,
    WeightParts,
    effectual_mean,
    one_term_only,
    per_filter,
    sign,
)
from signbin.quant.records import check_whole
from signbin.spec import ValueSet

__all__ = [
    "GreedyFoldings",
    "LeastSquaresBinary",
    "LeastSquaresTernary",
    "LeastSquaresTwoBits",
]


@dataclasses.dataclass(frozen=True)
class _LeastSquares(Quantizer):
    """What the four share."""

    scales_gradient: ClassVar[bool] = False

    @property
    def granularity(self) -> str:
        """Unit of the scales."""
        return "filter"

    def own_estimator(self) -> Estimator:
        """1 where |w| <= 1, else 0."""
        return ClippedStraightThrough(gradient_limit=None)


@dataclasses.dataclass(frozen=True)
class LeastSquaresBinary(_LeastSquares):
    """LS-1: v*sign(w), v = mean|W_k|: the scale and signs nearest to w; a fixed point."""

    kind: ClassVar[str] = "ls1"
    value_set = ValueSet.BINARY

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1, ties +1."""
        codes = sign(weight)
        scale = per_filter(effectual_mean(weight, codes), weight)
        return WeightParts(codes, weight.new_zeros(()), scale)


@dataclasses.dataclass(frozen=True)
class LeastSquaresTernary(_LeastSquares):
    """LS-T: v*{-1,0,+1}, the v and codes nearest to w.

    With |w| sorted from the largest and S_m the sum of the first m: m* maximises S_m^2 / m (the
    first such m), v = S_m* / m*. Weights of the size of the m*-th belong to it. Quantised weights
    are a fixed point.
    """

    kind: ClassVar[str] = "ls_ternary"
    value_set = ValueSet.TERNARY

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes sign(w) for the m* largest, else 0."""
        latent = weight.detach()
        ordered, sums, counts = _ordered_sums(latent)
        best = (sums.square() / counts).argmax(1, keepdim=True)
        smallest = per_filter(ordered.gather(1, best).squeeze(1), weight)
        codes = torch.where(latent.abs() >= smallest, latent.sign(), torch.zeros_like(latent))
        scale = per_filter(effectual_mean(latent, codes), weight)
        return WeightParts(codes, smallest * latent.sign(), scale)


@dataclasses.dataclass(frozen=True)
class _SeveralTerms(_LeastSquares):
    """Sums of two and more terms."""

    value_set = ValueSet.MULTI_BIT

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """SpecError: several terms."""
        raise one_term_only(self.kind)


@dataclasses.dataclass(frozen=True)
class LeastSquaresTwoBits(_SeveralTerms):
    """LS-2: v1*s1 + v2*s2, the four levels +-v1 +- v2 nearest to w.

    |w| falls into the m larger ones, of mean h, and the others, of mean l (l = h where there are
    none): m* maximises m*h^2 + (n-m)*l^2 (the first such m), v1 = (h + l)/2, v2 = (h - l)/2,
    s1 = sign(w), s2 = sign(|w| - v1) * s1. Ties +1 for s1, outward for s2.
    """

    kind: ClassVar[str] = "ls2"

    def terms(self, weight: Tensor, state: Mapping[str, Tensor]) -> tuple[WeightParts, ...]:
        """v1*s1 and v2*s2."""
        latent = weight.detach()
        _, sums, counts = _ordered_sums(latent)
        rest = sums[:, -1:] - sums
        remaining = counts[-1] - counts
        gain = sums.square() / counts + rest.square() / remaining.clamp(min=1)
        best = gain.argmax(1, keepdim=True)
        high = (sums.gather(1, best) / counts[best]).squeeze(1)
        none_left = remaining[best].squeeze(1) == 0
        low = (rest.gather(1, best) / remaining[best].clamp(min=1)).squeeze(1)
        low = torch.where(none_left, high, low)
        first = per_filter(((high + low) / 2).to(weight.dtype), weight)
        second = per_filter(((high - low) / 2).to(weight.dtype), weight)
        outer, zero = sign(latent), weight.new_zeros(())
        inner = torch.where(latent.abs() >= first, outer, -outer)
        return WeightParts(outer, zero, first), WeightParts(inner, zero, second)


@dataclasses.dataclass(frozen=True)
class GreedyFoldings(_SeveralTerms):
    """GF-k: sum over i of v_i*s_i, s_i = sign(r_i), v_i = mean|r_i|, r_(i+1) = r_i - v_i*s_i.

    r_1 = w: each folding is LS-1 of what the ones before left over. foldings: k >= 2. Ties +1.
    """

    foldings: int = 2

    kind: ClassVar[str] = "greedy_foldings"

    def __post_init__(self) -> None:
        check_whole(f"{self.kind}.foldings", self.foldings, least=2, most=8)

    def terms(self, weight: Tensor, state: Mapping[str, Tensor]) -> tuple[WeightParts, ...]:
        """One term per folding."""
        rest, parts = weight.detach(), []
        for _ in range(self.foldings):
            codes = sign(rest)
            scale = per_filter(effectual_mean(rest, codes), weight)
            parts.append(WeightParts(codes, weight.new_zeros(()), scale))
            rest = rest - scale * codes
        return tuple(parts)


def _ordered_sums(latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """|w| of every filter from the largest (K, n), its running sums (K, n), 1..n, in float64."""
    ordered = latent.abs().flatten(1).sort(1, descending=True).values
    counts = torch.arange(1, ordered.shape[1] + 1, device=latent.device, dtype=torch.float64)
    return ordered, ordered.double().cumsum(1), counts
