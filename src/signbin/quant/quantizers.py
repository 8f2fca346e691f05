"""Weight quantisers: latent weights -> codes, one threshold rule and one scale rule each.

A quantiser is a frozen dataclass of its options. Its ``parts`` is a short pure function of the
latent weight, (K, C, R, S) for a convolution and (K, C), read as (K, C, 1, 1), for a linear
layer, and of the few tensors it keeps in the layer. The list of all of them is
:data:`QUANTIZERS`; a new one is a class here, an entry there and a test.
"""

from __future__ import annotations

import dataclasses
import decimal
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.quantizer import (
    Quantizer,
    State,
    WeightParts,
    effectual_mean,
    filter_scale,
    per_filter,
    scale_state,
)
from signbin.quant.records import (
    check_choice,
    check_flag,
    check_number,
    check_whole,
    read_listed,
)
from signbin.spec import Granularity, ScaleKind, ValueSet

__all__ = [
    "QUANTIZERS",
    "Binary",
    "SignedBinary",
    "Ternary",
    "filter_threshold",
    "quantizer_from_json",
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

    threshold_factor: 0 < factor <= 1. positive_share: P, the share of positive regions.
    region_channels: C_t. None (or C_t = C): a region is a filter, the first floor(P*K) filters
    are positive, the others negative. C_t < C: a region is C_t x R x S weights of one filter
    (the last may be shorter); the signs are a permutation seeded by ``seed``, floor(P * regions)
    of them positive, kept in the buffer ``weight_sign``; D stays per filter.
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

    kind: ClassVar[str] = "signed_binary"
    value_set: ClassVar[ValueSet] = ValueSet.SIGNED_BINARY

    def __post_init__(self) -> None:
        check_number(f"{self.kind}.threshold_factor", self.threshold_factor, low=0.0, high=1.0)
        if self.region_channels is not None:
            check_whole(f"{self.kind}.region_channels", self.region_channels, least=1)
        share = self.positive_share
        check_number(f"{self.kind}.positive_share", share, low=0.0, high=1.0, includes_low=True)
        check_flag(f"{self.kind}.centred", self.centred)
        check_whole(f"{self.kind}.seed", self.seed, least=0, most=_SEED_MAX)
        check_choice(f"{self.kind}.scale", self.scale, tuple(ScaleKind))

    @property
    def granularity(self) -> str:
        """Unit of the threshold and of the sign."""
        if self.region_channels is None:
            return "filter"
        return f"filter, sign per {self.region_channels} channels"

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
        threshold = filter_threshold(weight, self.threshold_factor)
        return signed_binary_codes(weight, sign, threshold), sign * threshold


@dataclasses.dataclass(frozen=True)
class Binary(Quantizer):
    """{-1,+1}: q(w) = +1 if w >= 0 else -1 (BinaryConnect; with scale mean BWN).

    Courbariaux et al. 2015, Rastegari et al. 2016. The tie w = 0 quantises to +1, also in a
    filter that is all zero.
    scale: none = 1; mean = mean|W_k| per filter, a constant in the backward pass (BWN has a
    further term there); learned = per-filter |weight_scale| (XNOR-Net++), which starts at that
    mean. Quantised weights are a fixed point.
    """

    scale: ScaleKind = ScaleKind.MEAN

    kind: ClassVar[str] = "binary"
    value_set: ClassVar[ValueSet] = ValueSet.BINARY

    def __post_init__(self) -> None:
        check_choice(f"{self.kind}.scale", self.scale, tuple(ScaleKind))

    @property
    def granularity(self) -> str:
        """Unit of the scale."""
        return "filter"

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_scale`` (K,) if learned."""
        if self.scale is not ScaleKind.LEARNED:
            return {}
        return {"weight_scale": scale_state(weight, torch.ones_like(weight))}

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1, threshold 0, scale per filter."""
        codes = torch.where(weight >= 0, 1.0, -1.0).to(weight.dtype)
        scale = filter_scale(self.scale, weight, codes, state)
        return WeightParts(codes, weight.new_zeros(()), scale)


@dataclasses.dataclass(frozen=True)
class Ternary(Quantizer):
    """{-1,0,+1}: q(w) = sign(w) if |w| > D else 0, D = threshold_factor * mean|W|.

    Ternary weight networks (Li et al. 2016). Ties quantise to zero, as in the paper; so do
    weights that are all zero. threshold_factor: 0 < factor < 1.
    granularity of mean|W| and of the scale: the layer (the paper) or each filter.
    scale: mean = mean |w| of the weights with a non-zero code, a constant in the backward pass;
    none = 1. Quantised weights are a fixed point.
    """

    threshold_factor: float = 0.7
    per: Granularity = Granularity.LAYER
    scale: ScaleKind = ScaleKind.MEAN

    kind: ClassVar[str] = "ternary"
    value_set: ClassVar[ValueSet] = ValueSet.TERNARY

    def __post_init__(self) -> None:
        below_one = math.nextafter(1.0, 0.0)
        check_number(
            f"{self.kind}.threshold_factor", self.threshold_factor, low=0.0, high=below_one
        )
        check_choice(f"{self.kind}.per", self.per, tuple(Granularity))
        check_choice(f"{self.kind}.scale", self.scale, (ScaleKind.NONE, ScaleKind.MEAN))

    @property
    def granularity(self) -> str:
        """Unit of the threshold and of the scale."""
        return self.per.value

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1, 0, +1, threshold D * sign(w), scale per layer or filter."""
        latent = weight.detach()
        magnitude = latent.abs()
        if self.per is Granularity.LAYER:
            threshold = self.threshold_factor * magnitude.mean()
        else:
            threshold = per_filter(self.threshold_factor * magnitude.flatten(1).mean(1), weight)
        codes = torch.where(magnitude > threshold, latent.sign(), torch.zeros_like(latent))
        if self.scale is ScaleKind.NONE:
            scale = weight.new_ones(weight.shape[0])
        else:
            scale = effectual_mean(latent, codes, self.per)
        return WeightParts(codes, threshold * latent.sign(), per_filter(scale, weight))


def filter_threshold(weight: Tensor, factor: float) -> Tensor:
    """D_k = factor * max|W_k|, of shape (K, 1, ...), a constant in the backward pass."""
    return per_filter(factor * weight.detach().abs().flatten(1).amax(1), weight)


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


QUANTIZERS: Final[Mapping[str, type[Quantizer]]] = MappingProxyType(
    {quantizer.kind: quantizer for quantizer in (SignedBinary, Binary, Ternary)}
)


def quantizer_from_json(document: Mapping[str, Any]) -> Quantizer:
    """Read what ``to_json`` of any listed quantiser wrote; anything else is a SpecError."""
    return read_listed("quantizer", document, QUANTIZERS)
