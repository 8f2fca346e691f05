"""Zeros that a group of filters shares, binary weights elsewhere."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.estimators import Estimator, StraightThrough
from signbin.quant.quantizer import (
    Quantizer,
    State,
    WeightParts,
    filter_scale,
    scale_state,
    sign,
)
from signbin.quant.records import SEED_MAX, check_choice, check_number, check_whole
from signbin.spec import ScaleKind, ValueSet

__all__ = ["SharedZeroBinary", "Support"]


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
    scale: ScaleKind = ScaleKind.HE

    kind: ClassVar[str] = "shared_zero_binary"
    value_set = ValueSet.TERNARY

    def __post_init__(self) -> None:
        check_number(f"{self.kind}.density", self.density, low=0.0, high=1.0)
        check_whole(f"{self.kind}.group_filters", self.group_filters, least=1)
        check_choice(f"{self.kind}.support", self.support, tuple(Support))
        check_whole(f"{self.kind}.seed", self.seed, least=0, most=SEED_MAX)
        check_choice(f"{self.kind}.scale", self.scale, tuple(ScaleKind))

    @property
    def granularity(self) -> str:
        """Unit of the scale and of the support."""
        return f"filter, support per {self.group_filters} filters"

    def own_estimator(self) -> Estimator:
        """The identity, as of signed-binary: weights off the support learn, too."""
        return StraightThrough()

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
