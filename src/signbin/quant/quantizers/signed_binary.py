"""Two values, and zeros that lie together: signed-binary and shared-zero binary weights."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import math
from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.estimators import ClippedStraightThrough, Estimator
from signbin.quant.quantizer import (
    Quantizer,
    State,
    WeightParts,
    filter_scale,
    per_filter,
    scale_state,
    sign,
)
from signbin.quant.records import check_choice, check_flag, check_number, check_whole
from signbin.spec import Granularity, ScaleKind, ValueSet

__all__ = [
    "SharedZeroBinary",
    "SignedBinary",
    "Support",
    "magnitude_threshold",
    "region_signs",
    "signed_binary_codes",
]

_SEED_MAX: Final = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class SignedBinary(Quantizer):
    """{0,+1} or {0,-1} per region (Kuhar, Jain, Tumanov 2023, "Signed Binarization").

    q(w) = b if b*w >= D else 0, b the sign of the region, D_k = threshold_factor * max|W_k| per
    filter, recomputed at every call, in training and evaluation. Ties quantise to non-zero. A
    filter whose latent weights are all zero quantises to all zeros (the released code gives all
    ones for b = +1), so that quantised weights are a fixed point.

    threshold_factor: 0 < factor <= 1. per: whose maximum D takes, each filter's (the paper) or the
    whole layer's. positive_share: P, the share of positive regions.
    region_channels: C_t. None (or C_t = C): a region is a filter, the first floor(P*K) filters
    are positive, the others negative. C_t < C: a region is C_t x R x S weights of one filter
    (the last may be shorter); the signs are a permutation seeded by ``seed``, floor(P * regions)
    of them positive, kept in the buffer ``weight_sign``; D does not depend on regions.
    scale: none = 1; mean = per-filter mean |w| of the weights with a non-zero code, a constant
    in the backward pass; learned = per-filter |weight_scale|, which starts at that mean.
    centred: the mean of each quantised filter is subtracted, w = s * (q - mean(q)): two values
    per filter whose sum is zero. Filters that are all codes or all zeros become all zero.

    Fixed point: quantising the quantised weights changes nothing; the scale must be kept. With
    ``centred`` that holds for scale none and learned where the density of the filter is at most
    1 / (1 + threshold_factor); with scale mean the codes stay and the scale shrinks.
    """

    threshold_factor: float = 0.05
    region_channels: int | None = None
    positive_share: float = 0.5
    seed: int = 0
    scale: ScaleKind = ScaleKind.NONE
    centred: bool = False
    per: Granularity = Granularity.FILTER

    kind: ClassVar[str] = "signed_binary"
    value_set = ValueSet.SIGNED_BINARY

    def __post_init__(self) -> None:
        check_number(f"{self.kind}.threshold_factor", self.threshold_factor, low=0.0, high=1.0)
        if self.region_channels is not None:
            check_whole(f"{self.kind}.region_channels", self.region_channels, least=1)
        share = self.positive_share
        check_number(f"{self.kind}.positive_share", share, low=0.0, high=1.0, includes_low=True)
        check_flag(f"{self.kind}.centred", self.centred)
        check_whole(f"{self.kind}.seed", self.seed, least=0, most=_SEED_MAX)
        check_choice(f"{self.kind}.scale", self.scale, tuple(ScaleKind))
        check_choice(f"{self.kind}.per", self.per, tuple(Granularity))

    @property
    def granularity(self) -> str:
        """Unit of the threshold and of the sign."""
        sign_unit = "filter" if self.region_channels is None else f"{self.region_channels} channels"
        if self.region_channels is None and self.per is Granularity.FILTER:
            return "filter"
        return f"{self.per.value}, sign per {sign_unit}"

    def own_estimator(self) -> Estimator:
        """That of the released code."""
        return ClippedStraightThrough()

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_sign`` (K, regions) int8, and ``weight_scale`` (K,) if learned."""
        channels = weight.shape[1]
        if self.region_channels is not None and self.region_channels > channels:
            raise SpecError(
                f"{self.kind}.region_channels",
                value=self.region_channels,
                allowed=f"at most the {channels} channels of a filter",
                remedy="give this layer its own configuration in overrides",
            )
        regions = 1 if self.region_channels is None else -(-channels // self.region_channels)
        signs = region_signs(weight.shape[0], regions, self.positive_share, self.seed)
        # The whole-filter layout follows from the options alone; a permutation must be kept.
        state = {"weight_sign": State(signs.to(weight.device), persistent=regions > 1)}
        if self.scale is ScaleKind.LEARNED:
            codes = self._codes(weight, signs.to(weight.device))[0]
            state["weight_scale"] = scale_state(weight, codes)
        return state

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes b*{0,1}, thresholds b*D, scale per filter."""
        codes, threshold = self._codes(weight, state["weight_sign"])
        scale = filter_scale(self.scale, weight, codes, state)
        return WeightParts(codes, threshold, scale, self.centred)

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """SpecError unless every sign is +1 or -1."""
        if not bool((state["weight_sign"].abs() == 1).all()):
            raise SpecError("weight_sign of a signed-binary layer", allowed="-1 and +1")

    def _codes(self, weight: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
        expanded = signs.to(weight.dtype)
        if signs.shape[1] > 1 and self.region_channels is not None:
            expanded = expanded.repeat_interleave(self.region_channels, dim=1)
            expanded = expanded[:, : weight.shape[1]]
        sign = expanded.reshape(expanded.shape + (1,) * (weight.dim() - 2))
        threshold = magnitude_threshold(weight, self.threshold_factor, self.per)
        return signed_binary_codes(weight, sign, threshold), sign * threshold


class Support(enum.Enum):
    """How shared-zero binary chooses the inputs that a group of filters reads."""

    LARGEST = "largest"
    RANDOM = "random"


@dataclasses.dataclass(frozen=True)
class SharedZeroBinary(Quantizer):
    """{-1,+1} on a support that a group of filters shares, 0 outside it.

    The principle of signed-binary with its regions cut the other way: regions of zeros and
    binary regions. An engine that walks ``group_filters`` filters together skips the zeros.
    Our own (no paper); design: Training for the engine.

    q(w) = sign(w) on the support, ties +1. Of the M inputs of a group of consecutive filters
    (the last may be smaller), max(1, round(density * M)) belong to the support, halves to even.
    support: largest = those with the largest sum of w^2 over the group, chosen anew at every
    call, in a tie those that torch.topk takes; random = drawn once from ``seed``, kept in the
    buffer ``weight_support``.
    scale: as for signed-binary; the mean is over the weights on the support.

    Fixed point: quantising the quantised weights changes nothing, unless fewer than the support's
    inputs have a non-zero weight.
    """

    density: float = 0.5
    group_filters: int = 8
    support: Support = Support.LARGEST
    seed: int = 0
    scale: ScaleKind = ScaleKind.MEAN

    kind: ClassVar[str] = "shared_zero_binary"
    value_set = ValueSet.TERNARY

    def __post_init__(self) -> None:
        check_number(f"{self.kind}.density", self.density, low=0.0, high=1.0)
        check_whole(f"{self.kind}.group_filters", self.group_filters, least=1)
        check_choice(f"{self.kind}.support", self.support, tuple(Support))
        check_whole(f"{self.kind}.seed", self.seed, least=0, most=_SEED_MAX)
        check_choice(f"{self.kind}.scale", self.scale, tuple(ScaleKind))

    @property
    def granularity(self) -> str:
        """Unit of the scale and of the support."""
        return f"filter, support per {self.group_filters} filters"

    def own_estimator(self) -> Estimator:
        """That of the released signed-binary code: weights off the support learn, too."""
        return ClippedStraightThrough()

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_support`` (groups, C, R, S) int8 if random, ``weight_scale`` if learned."""
        state = {}
        if self.support is Support.RANDOM:
            state["weight_support"] = State(self._random_support(weight))
        if self.scale is ScaleKind.LEARNED:
            tensors = {name: each.value for name, each in state.items()}
            state["weight_scale"] = scale_state(weight, self._codes(weight, tensors))
        return state

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes sign(w) * support, threshold 0, scale per filter."""
        codes = self._codes(weight, state)
        scale = filter_scale(self.scale, weight, codes, state)
        return WeightParts(codes, weight.new_zeros(()), scale)

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """SpecError unless a support consists of zeros and ones."""
        support = state.get("weight_support")
        if support is not None and not bool(((support == 0) | (support == 1)).all()):
            raise SpecError("weight_support of a shared-zero binary layer", allowed="0 and 1")

    def _codes(self, weight: Tensor, state: Mapping[str, Tensor]) -> Tensor:
        if self.support is Support.RANDOM:
            groups = state["weight_support"].to(weight.dtype)
        else:
            groups = self._largest_support(weight.detach())
        support = groups.repeat_interleave(self.group_filters, dim=0)[: weight.shape[0]]
        return sign(weight) * support

    def _chosen(self, inputs: int) -> int:
        return max(1, round(self.density * inputs))

    def _largest_support(self, weight: Tensor) -> Tensor:
        filters = weight.flatten(1).square()
        missing = -weight.shape[0] % self.group_filters
        padded = torch.nn.functional.pad(filters, (0, 0, 0, missing))
        energy = padded.reshape(-1, self.group_filters, filters.shape[1]).sum(1)
        places = energy.topk(self._chosen(filters.shape[1]), dim=1).indices
        support = torch.zeros_like(energy).scatter(1, places, 1.0)
        return support.reshape(-1, *weight.shape[1:])

    def _random_support(self, weight: Tensor) -> Tensor:
        inputs, groups = math.prod(weight.shape[1:]), -(-weight.shape[0] // self.group_filters)
        generator = torch.Generator(device="cpu").manual_seed(self.seed)
        support = torch.zeros(groups, inputs, dtype=torch.int8, device="cpu")
        for row in support:
            row[
                torch.randperm(inputs, generator=generator, device="cpu")[: self._chosen(inputs)]
            ] = 1
        return support.reshape(groups, *weight.shape[1:]).to(weight.device)


def magnitude_threshold(weight: Tensor, factor: float, per: Granularity) -> Tensor:
    """factor * max|w| over every filter or over the layer, (K, 1, ...), without gradient."""
    largest = weight.detach().abs().flatten(1).amax(1)
    if per is Granularity.LAYER:
        largest = largest.amax().expand_as(largest)
    return per_filter(factor * largest, weight)


def signed_binary_codes(weight: Tensor, sign: Tensor, threshold: Tensor) -> Tensor:
    """b where b*w >= D and D > 0, else 0; shapes broadcast, ties are non-zero."""
    effectual = (sign * weight.detach() >= threshold) & (threshold > 0)
    return torch.where(effectual, sign, torch.zeros_like(sign))


def region_signs(filters: int, regions: int, positive_share: float, seed: int) -> Tensor:
    """The sign of every region, int8 (filters, regions per filter), on the CPU.

    floor(positive_share * filters * regions) of them are +1 (the share as written in decimal).
    One region per filter: the first filters. More: a permutation seeded by ``seed``.
    """
    total = filters * regions
    positive = math.floor(decimal.Decimal(repr(positive_share)) * total)
    signs = torch.full((total,), -1, dtype=torch.int8, device="cpu")
    signs[:positive] = 1
    if regions > 1:
        generator = torch.Generator(device="cpu").manual_seed(seed)
        signs = signs[torch.randperm(total, generator=generator, device="cpu")]
    return signs.reshape(filters, regions)
