"""Binary weights taken from standardised latent ones: IR-Net, DIR-Net, ReCU."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.estimators import (
    DistributionSensitiveDecay,
    ErrorDecay,
    Estimator,
    StraightThrough,
)
from signbin.quant.quantizer import (
    Backward,
    Quantizer,
    State,
    WeightParts,
    filter_scale,
    per_filter,
    scale_state,
    sign,
    standardized,
)
from signbin.quant.records import check_number
from signbin.spec import ScaleKind, ValueSet

__all__ = ["DirNet", "IrNet", "ReCu"]


@dataclasses.dataclass(frozen=True)
class IrNet(Quantizer):
    """2^s * sign(x), x = (w - mean_k) / std_k, s = round(log2(mean|x_k|)) per filter.

    IR-Net (Qin et al. 2020, Libra parameter binarisation, section 3.2): balanced and standardised
    weights have codes of the greatest entropy; the scale is a bit shift, a constant in the
    backward pass. dL/dx = 2^s * k*t*(1 - tanh^2(t*x)) * dL/dq (EDE, section 3.3); through the
    standardisation to w. The mean and std are over the filter (std with n). Ties +1. A filter of
    equal weights has x = 0 and scale 0. Not a fixed point: quantised weights are standardised anew.
    """

    kind: ClassVar[str] = "ir_net"
    value_set = ValueSet.BINARY

    @property
    def granularity(self) -> str:
        """Unit of the standardisation and of the scale."""
        return "filter"

    def own_estimator(self) -> Estimator:
        """EDE."""
        return ErrorDecay()

    def prepared(self, weight: Tensor, backward: Backward | None = None) -> Tensor:
        """x, differentiable."""
        return standardized(weight)

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1, a power of two per filter."""
        mean = weight.detach().abs().flatten(1).mean(1)
        shift = torch.exp2(torch.round(torch.log2(mean)))
        scale = torch.where(mean > 0, shift, torch.zeros_like(shift))
        return WeightParts(sign(weight), weight.new_zeros(()), per_filter(scale, weight))


@dataclasses.dataclass(frozen=True)
class DirNet(IrNet):
    """As IR-Net, with the two-stage estimator that follows the weights' distribution.

    DIR-Net (Qin et al. 2022): information-maximised binarisation in the forward pass, which is
    IR-Net's; dL/dx = 2^s * (slope of :class:`DistributionSensitiveDecay`) * dL/dq. Its third
    part, the distillation of representations, is a loss and not offered.
    """

    kind: ClassVar[str] = "dir_net"

    def own_estimator(self) -> Estimator:
        """The distribution-sensitive two-stage estimator."""
        return DistributionSensitiveDecay()


@dataclasses.dataclass(frozen=True)
class ReCu(Quantizer):
    """s * sign(x), x = clamp((w - mean_k) / (std_k / (2*sqrt(2))), -Q, Q), s learned per filter.

    ReCU (Xu et al. 2021): the rectified clamp brings "dead" weights, far out in the tails of a
    Laplacian, back to where their sign can change. Q = -mean|x| * ln(2 - 2*tau), over the layer;
    tau(e) = A*exp(e/E) + B from tau_min to tau_max. dL/dx = s * dL/dq inside the clamp, 0 outside;
    through the standardisation to w; dL/ds = sum of dL/dq * sign(x). The clamp does not change the
    codes. Fixed point: with the same scale. Deviation: s = |weight_scale| starts at mean|W_k| (the
    released code: uniform in [0,1]).
    """

    tau_min: float = 0.85
    tau_max: float = 0.99

    kind: ClassVar[str] = "recu"
    value_set = ValueSet.BINARY

    def __post_init__(self) -> None:
        for name in ("tau_min", "tau_max"):
            below_one = math.nextafter(1.0, 0.0)
            # At 1/2 the clamp lets nothing through.
            check_number(f"{self.kind}.{name}", getattr(self, name), low=0.5, high=below_one)
        if self.tau_min > self.tau_max:
            raise SpecError(f"{self.kind}.tau_min", value=self.tau_min, allowed="<= tau_max")

    @property
    def granularity(self) -> str:
        """Unit of the standardisation and of the scale."""
        return "filter"

    def own_estimator(self) -> Estimator:
        """The identity."""
        return StraightThrough()

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_scale`` (K,)."""
        return {"weight_scale": scale_state(weight, torch.ones_like(weight))}

    def prepared(self, weight: Tensor, backward: Backward | None = None) -> Tensor:
        """x, differentiable; without ``backward`` before the clamp."""
        x = standardized(weight) * (2 * math.sqrt(2))
        if backward is None:
            return x
        growth = (torch.exp(backward.progress) - 1) / (math.e - 1)
        tau = self.tau_min + (self.tau_max - self.tau_min) * growth
        limit = (-x.detach().abs().mean() * torch.log(2 - 2 * tau)).to(x.dtype)
        return torch.clamp(x, -limit, limit)

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1, learned scale."""
        codes = sign(weight)
        scale = filter_scale(ScaleKind.LEARNED, weight, codes, state)
        return WeightParts(codes, weight.new_zeros(()), scale)
