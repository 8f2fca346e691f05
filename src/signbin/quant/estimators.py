"""Surrogate gradients: what replaces the derivative of a quantiser, zero almost everywhere.

Every estimator keeps the codes in the forward pass and lets the gradient of a smooth function of
the latent weights through in the backward pass, in ordinary differentiable tensor operations.
The list of all of them is :data:`ESTIMATORS`.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.records import Record, check_number, read_listed

__all__ = [
    "ESTIMATORS",
    "ClippedStraightThrough",
    "ErrorDecay",
    "Estimator",
    "Identity",
    "ShiftedErrorDecay",
    "estimator_from_json",
]


class Estimator(Record, abc.ABC):
    """A surrogate gradient: dL/dw as a function of dL/dq."""

    @abc.abstractmethod
    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """The function of ``latent`` whose gradient stands in for that of the codes.

        latent: (K, C, R, S) or (K, C). threshold: broadcastable to latent, the latent value at
        which the code changes (b*D for signed-binary), a constant. progress: scalar in [0, 1],
        the share e/E of training that is done.
        """

    def attach(self, codes: Tensor, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """``codes`` with the gradient of the surrogate; values are exactly those of ``codes``.

        A latent weight that is NaN or infinite comes out as NaN instead of as a code: a broken
        training must not look healthy.
        """
        smooth = self.surrogate(latent, threshold.detach(), progress.detach())
        # x - x is exactly 0 for finite x, so the values stay exactly those of the codes.
        return codes.detach() + (smooth - smooth.detach()) + (latent - latent).detach()


@dataclasses.dataclass(frozen=True)
class Identity(Estimator):
    """dL/dw = dL/dq (Courbariaux et al. 2015, Li et al. 2016)."""

    kind: ClassVar[str] = "identity"

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """w."""
        return latent


@dataclasses.dataclass(frozen=True)
class ClippedStraightThrough(Estimator):
    """dL/dw = min(max(dL/dq, -1), 1) where |w| <= 1, else 0: the released signed-binary code.

    It does not depend on the code, so weights that are quantised to zero learn too. The clamp
    acts on dL/dq per weight, after any scale and, under loss scaling, on the scaled gradient.
    """

    kind: ClassVar[str] = "clipped_straight_through"

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """min(max(w, -1), 1), with the incoming gradient clamped to [-1, 1]."""
        clamped: Tensor = _ClampedGradient.apply(latent)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return clamped.clamp(-1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class _Decay(Estimator):
    """The schedule the two error-decay estimators share.

    t(p) = t_min * (t_max / t_min)^p, k = max(1/t, 1), p = e/E the progress of training.
    """

    t_min: float = 0.1
    t_max: float = 10.0

    def __post_init__(self) -> None:
        for name in ("t_min", "t_max"):
            check_number(f"{self.kind}.{name}", getattr(self, name), low=0.0, high=1e6)
        if self.t_min > self.t_max:
            raise SpecError(f"{self.kind}.t_min", value=self.t_min, allowed=f"<= {self.t_max:g}")

    def _decayed(self, distance: Tensor, progress: Tensor) -> Tensor:
        t = self.t_min * (self.t_max / self.t_min) ** progress
        k = t.reciprocal().clamp(min=1.0)
        return (k * torch.tanh(t * distance)).to(distance.dtype)


@dataclasses.dataclass(frozen=True)
class ErrorDecay(_Decay):
    """EDE: dL/dw = dL/dq * k*t*(1 - tanh^2(t*w)) (IR-Net, Qin et al. 2020).

    t goes from t_min to t_max with training: t(e) = t_min * 10^((e/E) * log10(t_max/t_min)),
    k = max(1/t, 1). First close to the identity, at the end close to the true step.
    """

    kind: ClassVar[str] = "ede"

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """k * tanh(t * w)."""
        return self._decayed(latent, progress)


@dataclasses.dataclass(frozen=True)
class ShiftedErrorDecay(_Decay):
    """EDE moved to the threshold: dL/dw = dL/dq * k*t*(1 - tanh^2(t*(w - b*D))).

    Signed Binarization (Kuhar, Jain, Tumanov 2023); t and k as in :class:`ErrorDecay`.

    Deviations from the released code, where a function of this form is present and its call
    commented out: there the maximum behind D is taken across filters, here D belongs to the
    filter, as in the forward pass; there the already clamped gradient is multiplied, here the
    unclamped one. D is a constant in the backward pass. Where a quantiser has two thresholds
    (ternary), the one on the side of w counts.
    """

    kind: ClassVar[str] = "shifted_ede"

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """k * tanh(t * (w - b*D))."""
        return self._decayed(latent - threshold, progress)


class _ClampedGradient(torch.autograd.Function):
    """Identity whose gradient is clamped to [-1, 1]; no composition of tensor ops does that."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.clamp(-1.0, 1.0)


ESTIMATORS: Final[Mapping[str, type[Estimator]]] = MappingProxyType(
    {
        estimator.kind: estimator
        for estimator in (ClippedStraightThrough, ErrorDecay, ShiftedErrorDecay, Identity)
    }
)


def estimator_from_json(document: Mapping[str, Any]) -> Estimator:
    """Read what ``to_json`` of any listed estimator wrote; anything else is a SpecError."""
    return read_listed("estimator", document, ESTIMATORS)
