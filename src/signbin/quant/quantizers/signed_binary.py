"""Two values per filter: signed-binary weights, with or without an offset."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.estimators import Estimator, StraightThrough
from signbin.quant.quantizer import (
    Backward,
    Quantizer,
    State,
    WeightParts,
    filter_scale,
    per_filter,
    scale_state,
)
from signbin.quant.records import SEED_MAX, check_choice, check_flag, check_number, check_whole
from signbin.spec import Granularity, ScaleKind, ValueSet

__all__ = [
    "CHUNK_CODES",
    "Offset",
    "SignedBinary",
    "largest_codes",
    "magnitude_threshold",
    "ranked_codes",
    "region_signs",
    "signed_binary_codes",
]

CHUNK_CODES: Final = 257
"""The most 8-bit inputs whose sum is sure to fit 16 bits: 257 * 255 = 65535."""


class Offset(enum.Enum):
    """What is added to the codes of every filter, before the scale.

    none: nothing. centred: -mean(codes), so that the filter sums to zero. learned: a parameter
    per filter, which starts at -mean(codes).
    """

    NONE = "none"
    CENTRED = "centred"
    LEARNED = "learned"


@dataclasses.dataclass(frozen=True)
class SignedBinary(Quantizer):
    """Two values per filter: w[k] = s[k] * (q[k] + o[k]), q in {0,+1} or {0,-1} per region.

    Kuhar, Jain, Tumanov 2023, "Signed Binarization", whose own weights are :meth:`released`;
    offsets, exact densities and caps are ours, see the page "Filters of one sign". Codes are
    recomputed at every call, in training and evaluation; b is the sign of a region.

    Natural density (``density`` None): q(w) = b if b*w >= D and b*w > 0, else 0, with
    D_k = threshold_factor * max|W_k|, 0 <= threshold_factor <= 1; ties quantise to non-zero. A
    filter whose latent weights are all zero quantises to all zeros (the released code gives all
    ones for b = +1). per: whose maximum D takes, each filter's (the paper) or the whole layer's.
    density: 0 < density <= 1: of the M weights of every filter exactly
    n = max(1, round(density * M)), halves to even, have a non-zero code, those with the largest
    b*w (in a tie those that torch.topk takes); threshold_factor and per then have no meaning but
    for ``anneal``: in training mode, while progress p < anneal, filter k has
    round(N_k + (n - N_k) * p / anneal) codes, N_k what the threshold alone would leave.
    chunks: at most 257 * chunks codes of a filter are non-zero, the largest b*w. 257 inputs of 8
    bits are the most whose sum is sure to fit 16 bits, so this is the number of passes the engine
    takes over a filter; None for no cap.

    positive_share: P, the share of positive regions. region_channels: C_t. None (or C_t = C): a
    region is a filter, the first floor(P*K) filters are positive, the others negative. C_t < C: a
    region is C_t x R x S weights of one filter (the last may be shorter); the signs are a
    permutation seeded by ``seed``, floor(P * regions) of them positive, kept in the buffer
    ``weight_sign``; D does not depend on regions.
    offset: o. none = 0; centred = -mean(q); learned = ``weight_offset`` per filter, which starts
    there. With o = -b / 2, natural density and threshold_factor 0 the values are half those of
    :class:`Binary` with the same scale (but for w = 0 where b = +1). Centred filters that are all
    codes or all zeros become all zero.
    scale: s. he = sqrt(2 / M); none = 1; mean = per-filter mean |w| of the weights with a
    non-zero code, a constant in the backward pass; learned = per-filter |weight_scale|, which
    starts at that mean.

    Fixed point: without offset, quantising the quantised weights with the same scale changes
    nothing. With offset ``centred`` that holds for every scale but mean, at a given density or
    where the natural one is at most 1 / (1 + threshold_factor); with scale mean the codes stay
    and the scale shrinks.
    """

    threshold_factor: float = 0.05
    region_channels: int | None = None
    positive_share: float = 0.5
    seed: int = 0
    scale: ScaleKind = ScaleKind.HE
    offset: Offset = Offset.CENTRED
    per: Granularity = Granularity.FILTER
    density: float | None = None
    anneal: float = 0.0
    chunks: int | None = None

    kind: ClassVar[str] = "signed_binary"
    value_set = ValueSet.SIGNED_BINARY

    def __post_init__(self) -> None:
        zero_to_one: Any = {"low": 0.0, "high": 1.0}
        for name in ("threshold_factor", "positive_share", "anneal"):
            check_number(
                f"{self.kind}.{name}", getattr(self, name), **zero_to_one, includes_low=True
            )
        if self.density is not None:
            check_number(f"{self.kind}.density", self.density, **zero_to_one)
        for name in ("region_channels", "chunks"):
            if getattr(self, name) is not None:
                check_whole(f"{self.kind}.{name}", getattr(self, name), least=1)
        check_whole(f"{self.kind}.seed", self.seed, least=0, most=SEED_MAX)
        check_choice(f"{self.kind}.scale", self.scale, tuple(ScaleKind))
        check_choice(f"{self.kind}.offset", self.offset, tuple(Offset))
        check_choice(f"{self.kind}.per", self.per, tuple(Granularity))
        if self.anneal and self.density is None:
            raise SpecError(
                f"{self.kind}.anneal",
                value=self.anneal,
                allowed="0 without a density to end at",
                remedy="give the density, too",
            )

    @classmethod
    def released(cls, **options: Any) -> Self:
        """The paper's weights: neither offset nor scale, unless ``options`` say otherwise.

        The estimator of the released code, :class:`ClippedStraightThrough`, is not the default.
        """
        return cls(**{"offset": Offset.NONE, "scale": ScaleKind.NONE, **options})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote, now or when the offset was a flag named ``centred``."""
        values = dict(document) if isinstance(document, Mapping) else document
        if isinstance(values, dict) and "centred" in values:
            centred = values.pop("centred")
            check_flag(f"{cls.kind}.centred", centred)
            if "offset" in values:
                raise SpecError(
                    f"{cls.kind}.centred",
                    value=centred,
                    allowed="none beside offset",
                    remedy="leave it out: offset is centred, learned or none",
                )
            values["offset"] = (Offset.CENTRED if centred else Offset.NONE).value
        return super().from_json(values)

    @property
    def granularity(self) -> str:
        """Unit of the threshold and of the sign."""
        sign_unit = "filter" if self.region_channels is None else f"{self.region_channels} channels"
        if self.region_channels is None and self.per is Granularity.FILTER:
            return "filter"
        return f"{self.per.value}, sign per {sign_unit}"

    def own_estimator(self) -> Estimator:
        """The identity, as of all kinds that are compared: no weight stops learning."""
        return StraightThrough()

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_sign`` (K, regions) int8; scale and offset (K,) where they are learned."""
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
        if self.scale is not ScaleKind.LEARNED and self.offset is not Offset.LEARNED:
            return state
        codes = self._codes(weight, signs.to(weight.device))[0]
        if self.scale is ScaleKind.LEARNED:
            state["weight_scale"] = scale_state(weight, codes)
        if self.offset is Offset.LEARNED:
            state["weight_offset"] = State(-codes.flatten(1).mean(1), learned=True)
        return state

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes b*{0,1}, the value of b*w from which on they are not zero, scale and offset."""
        return self._parts(weight, state, *self._codes(weight, state["weight_sign"]))

    def quantize(
        self, weight: Tensor, state: Mapping[str, Tensor], backward: Backward | None = None
    ) -> Tensor:
        """The quantised weight; in training mode at the density annealing has reached."""
        if backward is None or not (self.anneal and backward.training):
            return super().quantize(weight, state, backward)
        codes = self._annealed_codes(weight, state["weight_sign"], backward.progress)
        parts = self._parts(weight, state, *codes)
        return parts.assembled(backward.attach(parts.codes, weight, parts.threshold))

    def ones(self, codes: Tensor, state: Mapping[str, Tensor]) -> Tensor:
        """Sum of b*c; SpecError beside ``density``, which says how many there are."""
        if self.density is not None:
            raise SpecError(
                f"share of ones of {self.kind} weights",
                value=f"density {self.density}",
                allowed="no density: it fixes the share",
                remedy="leave the density out, or the penalty",
            )
        return (self._signs(codes, state["weight_sign"]) * codes).sum()

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """SpecError unless every sign is +1 or -1."""
        if not bool((state["weight_sign"].abs() == 1).all()):
            raise SpecError("weight_sign of a signed-binary layer", allowed="-1 and +1")

    def _parts(
        self, weight: Tensor, state: Mapping[str, Tensor], codes: Tensor, threshold: Tensor
    ) -> WeightParts:
        scale = filter_scale(self.scale, weight, codes, state)
        learned = state.get("weight_offset")
        fixed = None if learned is None else per_filter(learned, weight)
        return WeightParts(codes, threshold, scale, self.offset is Offset.CENTRED, fixed)

    def _codes(self, weight: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
        """Codes and thresholds at the density that counts outside training."""
        sign, inputs = self._signs(weight, signs), math.prod(weight.shape[1:])
        if self.density is not None:
            count = self._capped(max(1, round(self.density * inputs)))
            return largest_codes(weight, sign, count)
        threshold = magnitude_threshold(weight, self.threshold_factor, self.per)
        if self._capped(inputs) == inputs:
            return signed_binary_codes(weight, sign, threshold), sign * threshold
        natural = _counts(signed_binary_codes(weight, sign, threshold))
        return ranked_codes(weight, sign, natural.clamp(max=self._capped(inputs)))

    def _annealed_codes(
        self, weight: Tensor, signs: Tensor, progress: Tensor
    ) -> tuple[Tensor, Tensor]:
        sign, inputs = self._signs(weight, signs), math.prod(weight.shape[1:])
        assert self.density is not None
        last = self._capped(max(1, round(self.density * inputs)))
        threshold = magnitude_threshold(weight, self.threshold_factor, self.per)
        natural = _counts(signed_binary_codes(weight, sign, threshold))
        done = (progress / self.anneal).clamp(max=1.0)
        counts = torch.round(natural + (last - natural) * done).long()
        return ranked_codes(weight, sign, counts.clamp(max=self._capped(inputs)))

    def _capped(self, count: int) -> int:
        return count if self.chunks is None else min(count, CHUNK_CODES * self.chunks)

    def _signs(self, weight: Tensor, signs: Tensor) -> Tensor:
        """The sign of the region of every weight, broadcastable to the weight."""
        expanded = signs.to(weight.dtype)
        if signs.shape[1] > 1 and self.region_channels is not None:
            expanded = expanded.repeat_interleave(self.region_channels, dim=1)
            expanded = expanded[:, : weight.shape[1]]
        return expanded.reshape(expanded.shape + (1,) * (weight.dim() - 2))


def magnitude_threshold(weight: Tensor, factor: float, per: Granularity) -> Tensor:
    """factor * max|w| over every filter or over the layer, (K, 1, ...), without gradient."""
    largest = weight.detach().abs().flatten(1).amax(1)
    if per is Granularity.LAYER:
        largest = largest.amax().expand_as(largest)
    return per_filter(factor * largest, weight)


def signed_binary_codes(weight: Tensor, sign: Tensor, threshold: Tensor) -> Tensor:
    """b where b*w >= D and b*w > 0, else 0; shapes broadcast, ties are non-zero."""
    along = sign * weight.detach()
    return torch.where((along >= threshold) & (along > 0), sign, torch.zeros_like(sign))


def largest_codes(weight: Tensor, sign: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """b at the ``count`` largest b*w of every filter, else 0; and b times the least of those."""
    along = (sign * weight.detach()).flatten(1)
    values, places = along.topk(count, dim=1)
    chosen = torch.zeros_like(along, dtype=torch.bool).scatter_(1, places, True)
    return _at(chosen, sign, weight), sign * per_filter(values[:, -1], weight)


def ranked_codes(weight: Tensor, sign: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`largest_codes`, with a count for every filter, (K,); none where it is 0."""
    along = (sign * weight.detach()).flatten(1)
    values, places = along.sort(dim=1, descending=True, stable=True)
    chosen = torch.arange(along.shape[1], device=along.device) < counts[:, None]
    chosen = torch.zeros_like(chosen).scatter_(1, places, chosen)
    least = values.gather(1, (counts[:, None] - 1).clamp(min=0)).flatten()
    return _at(chosen, sign, weight), sign * per_filter(least, weight)


def _at(chosen: Tensor, sign: Tensor, weight: Tensor) -> Tensor:
    """b where chosen, (K, inputs), else 0, of the shape of the weight."""
    return torch.where(chosen.reshape(weight.shape), sign, torch.zeros_like(sign))


def _counts(codes: Tensor) -> Tensor:
    return codes.flatten(1).count_nonzero(1)


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
