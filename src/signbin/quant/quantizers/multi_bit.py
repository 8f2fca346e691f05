"""Sums of a few binary terms: DoReFa-Net, LQ-Nets, ABC-Net. With one bit they are binary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from torch import Tensor

from signbin.quant.estimators import ClippedStraightThrough, Estimator, StraightThrough
from signbin.quant.quantizer import (
    Backward,
    Quantizer,
    State,
    WeightParts,
    one_term_only,
    per_filter,
    sign,
)
from signbin.quant.records import check_number, check_whole
from signbin.spec import ValueSet

__all__ = ["AbcNet", "DoReFa", "LqNets"]

_MOST_BITS: Final = 8
_MOST_BASES: Final = 8
_STARTING_ROUNDS: Final = 10


@dataclasses.dataclass(frozen=True)
class DoReFa(Quantizer):
    """bits = 1: E|W| * sign(w), E|W| of the layer. More: 2*q_k(x/2 + 1/2) - 1, x = tanh(w)/m.

    DoReFa-Net (Zhou et al. 2016, equations 6 and 9): m = max|tanh W| of the layer, a constant in
    the backward pass; q_k(y) = round((2^k - 1) * y) / (2^k - 1), halves to even. dL/dw = dL/dq for
    one bit, dL/dq * (1 - tanh^2 w) / m for more. The 2^k levels are k binary terms with scales
    2^i / (2^k - 1). Fixed point: up to three bits.
    """

    bits: int = 1

    kind: ClassVar[str] = "dorefa"
    scales_gradient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_whole(f"{self.kind}.bits", self.bits, least=1, most=_MOST_BITS)

    @property
    def value_set(self) -> ValueSet:
        """Binary for one bit."""
        return _value_set(self.bits)

    @property
    def granularity(self) -> str:
        """Unit of the scale."""
        return "layer"

    def own_estimator(self) -> Estimator:
        """The identity: rounding has the derivative 1."""
        return StraightThrough()

    def prepared(self, weight: Tensor, backward: Backward | None = None) -> Tensor:
        """tanh(w) / max|tanh W|, in [-1, 1]; for one bit the weight itself."""
        if self.bits == 1:
            return weight
        squashed = torch.tanh(weight)
        largest = squashed.detach().abs().amax()
        broken = (weight - weight).detach()  # tanh would hide an infinite weight
        return squashed / torch.where(largest > 0, largest, torch.ones_like(largest)) + broken

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1 times the layer's mean|W|; SpecError for more bits."""
        if self.bits > 1:
            raise one_term_only(f"{self.bits}-bit {self.kind}")
        mean = weight.detach().abs().mean(dtype=torch.float64).to(weight.dtype)
        scale = per_filter(mean.expand(weight.shape[0]), weight)
        return WeightParts(sign(weight), weight.new_zeros(()), scale)

    def terms(self, weight: Tensor, state: Mapping[str, Tensor]) -> tuple[WeightParts, ...]:
        """One term per bit, the lowest first."""
        if self.bits == 1:
            return (self.parts(weight, state),)
        steps = 2**self.bits - 1
        level = torch.round((weight.detach() / 2 + 0.5) * steps)
        zero, ones = weight.new_zeros(()), weight.new_ones(weight.shape[0])
        return tuple(
            WeightParts(
                torch.floor(level / 2**bit).remainder(2) * 2 - 1,
                zero,
                per_filter(ones * (2**bit / steps), weight),
            )
            for bit in range(self.bits)
        )


@dataclasses.dataclass(frozen=True)
class LqNets(Quantizer):
    """The nearest of the 2^b levels v_k . e, e in {-1,+1}^b; dL/dw = dL/dq.

    LQ-Nets (Zhang, Yang, Ye, Hua 2018, section 3.2): the basis v_k of every filter follows the
    weights by quantisation error minimisation, one alternation after every step: with the codes
    E of the present basis, v* = (E'E)^+ E'w, then v <- averaging * v + (1 - averaging) * v*. The
    basis is the buffer ``weight_basis`` (K, bits); it starts from ten alternations. In a tie
    between two levels the one with the smaller index counts, bits read from the left.
    Fixed point: quantised weights are levels of the same basis.
    """

    bits: int = 2
    averaging: float = 0.9

    kind: ClassVar[str] = "lq_nets"
    scales_gradient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_whole(f"{self.kind}.bits", self.bits, least=1, most=4)
        check_number(f"{self.kind}.averaging", self.averaging, low=0, high=1, includes_low=True)

    @property
    def value_set(self) -> ValueSet:
        """Binary for one bit."""
        return _value_set(self.bits)

    @property
    def granularity(self) -> str:
        """Unit of the basis."""
        return "filter"

    def own_estimator(self) -> Estimator:
        """The identity, as in the paper."""
        return StraightThrough()

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_basis`` (K, bits)."""
        mean = weight.abs().flatten(1).mean(1, keepdim=True)
        halves = 2.0 ** -torch.arange(self.bits, device=weight.device, dtype=weight.dtype)
        basis = mean * halves
        for _ in range(_STARTING_ROUNDS):
            basis = self._fitted(weight, basis)
        return {"weight_basis": State(basis)}

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1 times the basis; SpecError for more bits."""
        if self.bits > 1:
            raise one_term_only(f"{self.bits}-bit {self.kind}")
        return self.terms(weight, state)[0]

    def terms(self, weight: Tensor, state: Mapping[str, Tensor]) -> tuple[WeightParts, ...]:
        """One term per element of the basis."""
        basis = state["weight_basis"].to(weight.dtype)
        codes = self._codes(weight.detach(), basis).reshape(self.bits, *weight.shape)
        zero = weight.new_zeros(())
        return tuple(
            WeightParts(code, zero, per_filter(basis[:, bit], weight))
            for bit, code in enumerate(codes)
        )

    def after_step(self, weight: Tensor, state: Mapping[str, Tensor], progress: Tensor) -> None:
        """One alternation of the quantisation error minimisation, averaged into the basis."""
        basis = state["weight_basis"]
        basis.lerp_(self._fitted(weight, basis).to(basis.dtype), 1 - self.averaging)

    def _codes(self, weight: Tensor, basis: Tensor) -> Tensor:
        """e of the nearest level of every weight, (bits, K, M)."""
        encodings = _encodings(self.bits, weight)
        levels = basis @ encodings.T
        distance = (weight.flatten(1)[:, :, None] - levels[:, None, :]).abs()
        return encodings[distance.argmin(2)].permute(2, 0, 1)

    def _fitted(self, weight: Tensor, basis: Tensor) -> Tensor:
        """The least-squares basis (K, bits) for the codes of the present one."""
        codes = self._codes(weight.detach(), basis).double()
        gram = torch.einsum("ikm,jkm->kij", codes, codes)
        moments = torch.einsum("ikm,km->ki", codes, weight.detach().flatten(1).double())
        inverse = torch.linalg.pinv(gram, hermitian=True)
        return torch.einsum("kij,kj->ki", inverse, moments).to(weight.dtype)


@dataclasses.dataclass(frozen=True)
class AbcNet(Quantizer):
    """sum over i of a_i * B_i, B_i = sign(W - mean(W) + u_i * std(W)), M bases.

    ABC-Net (Lin, Zhao, Pan 2017, section 3.1): u_i = -1 + 2(i-1)/(M-1); a minimises
    |W - sum a_i B_i|^2 over the layer; mean, std and a are constants in the backward pass.
    dL/dw = sum over i of a_i * 1[|w - mean + u_i*std| <= 1] * dL/dq. Ties +1.
    """

    bases: int = 3

    kind: ClassVar[str] = "abc_net"
    value_set = ValueSet.MULTI_BIT

    def __post_init__(self) -> None:
        check_whole(f"{self.kind}.bases", self.bases, least=2, most=_MOST_BASES)

    @property
    def granularity(self) -> str:
        """Unit of the scales."""
        return "layer"

    def own_estimator(self) -> Estimator:
        """1 within 1 of the threshold of each base, else 0."""
        return ClippedStraightThrough(gradient_limit=None)

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """SpecError: several bases."""
        raise one_term_only(self.kind)

    def terms(self, weight: Tensor, state: Mapping[str, Tensor]) -> tuple[WeightParts, ...]:
        """One term per base."""
        latent = weight.detach()
        mean, std = latent.mean(), latent.std(correction=0)
        shifts = torch.linspace(-1, 1, self.bases, device=weight.device, dtype=weight.dtype)
        thresholds = [mean - shift * std for shift in shifts]
        bases = torch.stack([sign(latent - threshold) for threshold in thresholds])
        rows = bases.flatten(1).double()
        inverse = torch.linalg.pinv(rows @ rows.T, hermitian=True)
        scales = (inverse @ (rows @ latent.flatten().double())).to(weight.dtype)
        return tuple(
            WeightParts(base, threshold, per_filter(scale.expand(weight.shape[0]), weight))
            for base, threshold, scale in zip(bases, thresholds, scales, strict=True)
        )

    def quantize(
        self, weight: Tensor, state: Mapping[str, Tensor], backward: Backward | None = None
    ) -> Tensor:
        """The sum; every base has its own straight-through window."""
        total = torch.zeros_like(weight)
        for term in self.terms(weight, state):
            codes = term.codes
            if backward is not None:
                codes = backward.attach(codes, weight - term.threshold, torch.zeros_like(weight))
            total = total + term.assembled(codes)
        return total


def _value_set(bits: int) -> ValueSet:
    return ValueSet.BINARY if bits == 1 else ValueSet.MULTI_BIT


def _encodings(bits: int, weight: Tensor) -> Tensor:
    """All of {-1,+1}^bits, (2^bits, bits), in the order of the binary numbers."""
    numbers = torch.arange(2**bits, device=weight.device)
    digits = torch.stack([numbers >> (bits - 1 - place) & 1 for place in range(bits)], dim=1)
    return (digits * 2 - 1).to(weight.dtype)
