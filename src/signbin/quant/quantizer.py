"""What every quantiser is: parts of a weight, the tensors a layer keeps for it, its scale.

w[k] = scale[k] * codes[k] (+ offset[k] where the filters are centred)
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from signbin.quant.records import Record
from signbin.spec import Granularity, ScaleKind, ValueSet

__all__ = [
    "Quantizer",
    "State",
    "WeightParts",
    "effectual_mean",
    "filter_scale",
    "per_filter",
    "scale_state",
]


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """The initial value of a tensor that a quantiser keeps in its layer.

    learned: a parameter; else a buffer. persistent: whether a buffer is part of the state dict
    (not needed where it follows from the options alone).
    """

    value: Tensor
    learned: bool = False
    persistent: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class WeightParts:
    """A quantised weight before it is put together.

    codes: shape and dtype of the weight, values -1, 0, +1. threshold: broadcastable to it, the
    latent value at which the code changes. scale: (K, 1, ...). centred: the mean of every
    quantised filter is subtracted.
    """

    codes: Tensor
    threshold: Tensor
    scale: Tensor
    centred: bool = False

    def offset(self, codes: Tensor) -> Tensor:
        """-scale * mean(codes) of every filter, of shape (K, 1, ...)."""
        filters = codes.flatten(1)
        return -(self.scale * per_filter(filters.sum(1) / filters.shape[1], codes))

    def assembled(self, codes: Tensor) -> Tensor:
        """scale * codes (+ offset), in the rounding of LowBitWeight.dequantized."""
        weight = self.scale * codes
        return weight + self.offset(codes) if self.centred else weight


class Quantizer(Record, abc.ABC):
    """A rule from latent weights to codes and scales.

    Subclasses are frozen dataclasses with ``kind`` (their name in JSON), ``value_set`` and
    ``parts``. A rule that is not codes times scale overrides :meth:`quantize` too.
    """

    value_set: ClassVar[ValueSet]

    @property
    @abc.abstractmethod
    def granularity(self) -> str:
        """Over which weights the threshold or scale is computed, for people."""

    @abc.abstractmethod
    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes, thresholds and scales of a latent weight (K, C, R, S) or (K, C)."""

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """The tensors the layer must keep, by name; by default none.

        Raises SpecError where the options do not fit the shape of the weight.
        """
        return {}

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """SpecError where tensors that were loaded are not ones this quantiser can have made."""

    def quantize(
        self,
        weight: Tensor,
        state: Mapping[str, Tensor],
        attach: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:
        """The quantised weight, of the shape of the latent one.

        attach(codes, threshold) -> codes gives the codes a surrogate gradient; without it the
        codes are constants and only a learned scale receives a gradient.
        """
        parts = self.parts(weight, state)
        codes = parts.codes if attach is None else attach(parts.codes, parts.threshold)
        return parts.assembled(codes)


def per_filter(vector: Tensor, weight: Tensor) -> Tensor:
    """A vector (K,) as (K, 1, ...), ready to broadcast against the weight."""
    return vector.reshape((-1,) + (1,) * (weight.dim() - 1))


def effectual_mean(weight: Tensor, codes: Tensor, per: Granularity = Granularity.FILTER) -> Tensor:
    """Mean |w| of the weights with a non-zero code, (K,), 0 where there is none; a constant.

    Summed in float64: the mean of equal float32 values is then that value exactly, which makes
    the quantised weights a fixed point.
    """
    used = codes.detach().flatten(1) != 0
    sums = (weight.detach().abs().flatten(1) * used).sum(1, dtype=torch.float64)
    counts = used.sum(1)
    if per is Granularity.LAYER:
        sums, counts = sums.sum().expand_as(sums), counts.sum().expand_as(counts)
    return (sums / counts.clamp(min=1)).to(weight.dtype)


def filter_scale(
    kind: ScaleKind, weight: Tensor, codes: Tensor, state: Mapping[str, Tensor]
) -> Tensor:
    """The scale of every filter, (K, 1, ...): 1, the effectual mean, or |weight_scale|.

    The magnitude of the learned scale counts: a negative one would turn the signs around.
    """
    if kind is ScaleKind.LEARNED:
        scale = state["weight_scale"].abs()
    elif kind is ScaleKind.MEAN:
        scale = effectual_mean(weight, codes)
    else:
        scale = weight.new_ones(weight.shape[0])
    return per_filter(scale, weight)


def scale_state(weight: Tensor, codes: Tensor) -> State:
    """A learned scale (K,) that starts at the effectual mean; 1 for filters without codes."""
    mean = effectual_mean(weight, codes)
    return State(torch.where(mean > 0, mean, torch.ones_like(mean)), learned=True)
