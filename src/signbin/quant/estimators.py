"""Surrogate gradients: what replaces the derivative of a quantiser, zero almost everywhere.

Every estimator keeps the codes in the forward pass and lets the gradient of a smooth function of
the latent weights through in the backward pass, in ordinary differentiable tensor operations.
x is the distance to the threshold, w - b*D; for sign(w) the threshold is 0. The list of all of
them is :data:`ESTIMATORS`.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeVar

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.records import Record, check_number, read_listed, registered

__all__ = [
    "ESTIMATORS",
    "ClippedStraightThrough",
    "DistributionSensitiveDecay",
    "ErrorDecay",
    "Estimator",
    "Polynomial",
    "ProgressiveTanh",
    "ShiftedErrorDecay",
    "SoftQuantization",
    "StraightThrough",
    "estimator_from_json",
    "register_estimator",
]

_Registered = TypeVar("_Registered", bound="Estimator")


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
class StraightThrough(Estimator):
    """dL/dw = dL/dq for every weight, never clipped (Courbariaux et al. 2015, McDonnell 2018)."""

    kind: ClassVar[str] = "straight_through"

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """w."""
        return latent


@dataclasses.dataclass(frozen=True)
class ClippedStraightThrough(Estimator):
    """dL/dw = min(max(dL/dq, -L), L) where |w| <= 1, else 0, L the gradient limit.

    L = 1: the released signed-binary code. gradient_limit None: no clamp, the estimator of
    binary networks since Hubara et al. 2016.

    It does not depend on the code, so weights that are quantised to zero learn too. The clamp
    acts on dL/dq per weight, after any scale and, under loss scaling, on the scaled gradient.
    """

    gradient_limit: float | None = 1.0

    kind: ClassVar[str] = "clipped_straight_through"

    def __post_init__(self) -> None:
        if self.gradient_limit is not None:
            check_number(f"{self.kind}.gradient_limit", self.gradient_limit, low=0.0, high=1e30)

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """min(max(w, -1), 1), with the incoming gradient clamped to [-L, L]."""
        if self.gradient_limit is None:
            return latent.clamp(-1.0, 1.0)
        limited: Tensor = _LimitedGradient.apply(latent, self.gradient_limit)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return limited.clamp(-1.0, 1.0)


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

    def _sharpness(self, progress: Tensor) -> Tensor:
        return self.t_min * (self.t_max / self.t_min) ** progress

    def _decayed(self, distance: Tensor, t: Tensor) -> Tensor:
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
        return self._decayed(latent, self._sharpness(progress))


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
        return self._decayed(latent - threshold, self._sharpness(progress))


@dataclasses.dataclass(frozen=True)
class DistributionSensitiveDecay(_Decay):
    """EDE that keeps enough weights learning (DIR-Net, Qin et al. 2022, two-stage estimator).

    dL/dw = dL/dq * k*t*(1 - tanh^2(t*x)). First stage, t < 1: k = 1/t, the slope at the
    threshold stays 1 and the window narrows. Second stage, t >= 1: k = 1, the slope sharpens,
    but t never exceeds atanh(sqrt(1 - least_slope)) / x_q, x_q the ``updated`` quantile of |x|
    over the layer: that share of the weights keeps a slope of at least least_slope times the
    slope at the threshold. t(e) as in :class:`ErrorDecay`, but up to 100: the distribution, not the
    schedule, says where sharpening ends.

    updated, least_slope: in (0, 1). The defaults and the form of the bound are our reading of the
    paper's "updating capability", whose constants we could not check.
    """

    t_max: float = 100.0
    updated: float = 0.1
    least_slope: float = 0.1

    kind: ClassVar[str] = "dte"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("updated", "least_slope"):
            below_one = math.nextafter(1.0, 0.0)
            check_number(f"{self.kind}.{name}", getattr(self, name), low=0.0, high=below_one)

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """k * tanh(t * (w - b*D)), t bounded by the distribution of the layer's weights."""
        distance = latent - threshold
        magnitude = distance.detach().abs().flatten()
        place = max(1, math.ceil(self.updated * magnitude.numel()))
        quantile = magnitude.kthvalue(place).values
        most = math.atanh(math.sqrt(1 - self.least_slope)) / quantile.clamp(min=1e-12)
        return self._decayed(distance, torch.minimum(self._sharpness(progress), most))


@dataclasses.dataclass(frozen=True)
class ProgressiveTanh(Estimator):
    """dL/dw = dL/dq * l*(1 - tanh^2(l*x)), the slope of tanh(l*x) as l grows.

    l(e) = l_min * (l_max / l_min)^(e/E). The gradient of progressive binarisation (Bulat,
    Tzimiropoulos, Kossaifi, Pantic 2019) behind a forward pass that is exact all the time. It is
    EDE without the factor k: below l = 1 the gradient shrinks.
    """

    l_min: float = 1.0
    l_max: float = 16.0

    kind: ClassVar[str] = "tanh"

    def __post_init__(self) -> None:
        for name in ("l_min", "l_max"):
            check_number(f"{self.kind}.{name}", getattr(self, name), low=0.0, high=1e6)
        if self.l_min > self.l_max:
            raise SpecError(f"{self.kind}.l_min", value=self.l_min, allowed=f"<= {self.l_max:g}")

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """tanh(l * (w - b*D))."""
        sharpness = self.l_min * (self.l_max / self.l_min) ** progress
        return torch.tanh(sharpness * (latent - threshold)).to(latent.dtype)


@dataclasses.dataclass(frozen=True)
class Polynomial(Estimator):
    """dL/dw = dL/dq * max(2 - 2|x|, 0): 2 + 2x below the threshold, 2 - 2x above it.

    The piecewise polynomial sign of Bi-Real Net (Liu et al. 2018, section 3.3).
    """

    kind: ClassVar[str] = "polynomial"

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """2x - x*|x| on [-1, 1], constant outside."""
        x = (latent - threshold).clamp(-1.0, 1.0)
        return 2 * x - x * x.abs()


@dataclasses.dataclass(frozen=True)
class SoftQuantization(Estimator):
    """dL/dw = dL/dq * s*k*(1 - tanh^2(k*x)) where |x| <= limit, else 0.

    Differentiable soft quantisation with one interval of width 2*limit (Gong et al. 2019,
    section 3.1): s = 1 / (1 - softness), k = log(2 / softness - 1) / (2*limit), so that the soft
    step reaches the hard one at the ends of the interval. softness: alpha of the paper, in (0, 1);
    small = close to a step.
    """

    softness: float = 0.2
    limit: float = 1.0

    kind: ClassVar[str] = "dsq"

    def __post_init__(self) -> None:
        below_one = math.nextafter(1.0, 0.0)
        check_number(f"{self.kind}.softness", self.softness, low=0.0, high=below_one)
        check_number(f"{self.kind}.limit", self.limit, low=0.0, high=1e6)

    def surrogate(self, latent: Tensor, threshold: Tensor, progress: Tensor) -> Tensor:
        """s * tanh(k * x), x clamped to [-limit, limit]."""
        k = math.log(2 / self.softness - 1) / (2 * self.limit)
        x = (latent - threshold).clamp(-self.limit, self.limit)
        return torch.tanh(k * x) / (1 - self.softness)


class _LimitedGradient(torch.autograd.Function):
    """The identity, its gradient clamped to [-L, L]; no composition of tensor ops does that."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, limit: float) -> Tensor:
        ctx.limit = limit
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.clamp(-ctx.limit, ctx.limit), None


_KINDS: Final[dict[str, type[Estimator]]] = {
    estimator.kind: estimator
    for estimator in (
        *(ClippedStraightThrough, ErrorDecay, ShiftedErrorDecay, StraightThrough),
        *(DistributionSensitiveDecay, ProgressiveTanh, Polynomial, SoftQuantization),
    )
}
ESTIMATORS: Final[Mapping[str, type[Estimator]]] = MappingProxyType(_KINDS)


def register_estimator(estimator: type[_Registered]) -> type[_Registered]:
    """Put an estimator of one's own into :data:`ESTIMATORS`, see :func:`register_quantizer`."""
    return registered("estimator", estimator, Estimator, _KINDS)  # type: ignore[type-abstract]  # a base


def estimator_from_json(document: Mapping[str, Any]) -> Estimator:
    """Read what ``to_json`` of any listed estimator wrote; anything else is a SpecError."""
    former = isinstance(document, Mapping) and document.get("kind") == "identity"
    if former and "identity" not in ESTIMATORS:
        document = {**document, "kind": StraightThrough.kind}
    return read_listed("estimator", document, ESTIMATORS)
