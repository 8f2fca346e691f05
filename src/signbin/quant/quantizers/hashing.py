"""Binary weights that keep the inner products of a layer with its inputs: BWNH."""

from __future__ import annotations

import dataclasses
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
    scale_state,
    sign,
)
from signbin.spec import ScaleKind, ValueSet

__all__ = ["Bwnh", "HashedWeight"]

_SWEEPS: Final = 3


@dataclasses.dataclass(frozen=True, eq=False)
class HashedWeight:
    """What hashing gives a layer: signs (K, n) of -1 and +1, scales (K,)."""

    signs: Tensor
    scale: Tensor


@dataclasses.dataclass(frozen=True)
class Bwnh(Quantizer):
    """a*sign(w), a = |weight_scale| learned, both started by :meth:`fit` on the layer's inputs.

    Binary weight networks by hashing (Hu, Wang, Cheng 2018): for inputs X (N rows of n values) and
    filters w_k, signs b_k and scales a_k minimise |X*w_k - a_k*X*b_k|^2, so that inner products are
    kept instead of weights (equation 5). Then the network is fine-tuned with
    dL/dw = a*1[|w| <= 1] * dL/dq. :func:`hash_weights_` fits every layer of a network. Ties +1.
    Fixed point: with the same scale.
    """

    kind: ClassVar[str] = "bwnh"
    value_set = ValueSet.BINARY

    @property
    def granularity(self) -> str:
        """Unit of the scale."""
        return "filter"

    def own_estimator(self) -> Estimator:
        """1 where |w| <= 1, else 0."""
        return ClippedStraightThrough(gradient_limit=None)

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """``weight_scale`` (K,), the mean|W_k| until inputs are known."""
        return {"weight_scale": scale_state(weight, torch.ones_like(weight))}

    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes -1 and +1, scale per filter."""
        codes = sign(weight)
        scale = filter_scale(ScaleKind.LEARNED, weight, codes, state)
        return WeightParts(codes, weight.new_zeros(()), scale)

    def fit(self, filters: Tensor, inputs: Tensor) -> HashedWeight:
        """Signs and scales for filters (K, n) and inputs (N, n), by alternation.

        From b = sign(w): a = (Xb)'(Xw) / |Xb|^2; then, one coordinate after the other, b_i takes
        the sign that makes the error smaller (discrete cyclic coordinate descent, section 3.2).
        No step makes the error |Xw - aXb|^2 larger. Where X*b vanishes a is mean|w|.
        """
        if filters.dim() != 2 or inputs.dim() != 2 or filters.shape[1] != inputs.shape[1]:
            raise SpecError(
                "filters and inputs to hash",
                value=(tuple(filters.shape), tuple(inputs.shape)),
                allowed="(K, n) and (N, n)",
            )
        X, W = inputs.detach().double(), filters.detach().double()
        gram = X.T @ X
        wanted = W @ gram  # (K, n): X'Xw
        signs = sign(W)
        scale = _best_scale(signs, gram, wanted, W)
        for _ in range(_SWEEPS):
            signs = _descend(signs, scale, gram, wanted)
            scale = _best_scale(signs, gram, wanted, W)
        # a < 0 says that -b is the better code.
        signs = torch.where(scale[:, None] < 0, -signs, signs)
        return HashedWeight(signs.to(filters.dtype), scale.abs().to(filters.dtype))


def _best_scale(signs: Tensor, gram: Tensor, wanted: Tensor, filters: Tensor) -> Tensor:
    length = ((signs @ gram) * signs).sum(1)
    safe = torch.where(length > 0, length, torch.ones_like(length))
    return torch.where(length > 0, (wanted * signs).sum(1) / safe, filters.abs().mean(1))


def _descend(signs: Tensor, scale: Tensor, gram: Tensor, wanted: Tensor) -> Tensor:
    """One pass over the coordinates: b_i <- sign(a*h_i - a^2*sum_(j != i) G_ij*b_j)."""
    signs = signs.clone()
    product = signs @ gram
    for i in range(signs.shape[1]):
        others = product[:, i] - gram[i, i] * signs[:, i]
        pull = scale * wanted[:, i] - scale.square() * others
        turned = torch.where(pull == 0, signs[:, i], pull.sign())
        product += (turned - signs[:, i])[:, None] * gram[i]
        signs[:, i] = turned
    return signs
