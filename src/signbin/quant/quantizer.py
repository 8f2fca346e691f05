"""What every quantiser is: terms of a weight, the tensors a layer keeps for it, its gradient.

w[k] = sum over the terms of scale[k] * codes[k] (+ offset[k])

One term has two or three values per filter; that is what the engine runs. Sums of several terms
have more.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.estimators import Estimator
from signbin.quant.records import Record
from signbin.spec import Granularity, ScaleKind, ValueSet

__all__ = [
    "Backward",
    "Quantizer",
    "State",
    "WeightParts",
    "effectual_mean",
    "filter_scale",
    "one_term_only",
    "per_filter",
    "scale_state",
    "sign",
    "standardized",
]

_SMALLEST_VARIANCE: Final = 1e-30


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
    """One term of a quantised weight before it is put together.

    codes: shape and dtype of the weight, values -1, 0, +1. threshold: broadcastable to it, the
    latent value at which the code changes. scale: (K, 1, ...). What is added to the codes of a
    filter before they are scaled: minus their mean where ``centred``, else ``shift``, (K, 1, ...),
    or nothing.
    """

    codes: Tensor
    threshold: Tensor
    scale: Tensor
    centred: bool = False
    shift: Tensor | None = None

    def offset(self, codes: Tensor) -> Tensor | None:
        """scale * shift, or -scale * mean(codes), of every filter, (K, 1, ...); None for none."""
        if not self.centred:
            return None if self.shift is None else self.scale * self.shift
        filters = codes.flatten(1)
        return -(self.scale * per_filter(filters.sum(1) / filters.shape[1], codes))

    def assembled(self, codes: Tensor) -> Tensor:
        """scale * codes (+ offset), in the rounding of LowBitWeight.dequantized."""
        weight, offset = self.scale * codes, self.offset(codes)
        return weight if offset is None else weight + offset


@dataclasses.dataclass(frozen=True, eq=False)
class Backward:
    """What the gradient of a quantised weight depends on, besides the weight.

    progress: scalar tensor in [0, 1], the share of training that is done. training: whether the
    layer is in training mode; methods that approach their codes gradually are exact outside it.
    """

    estimator: Estimator
    progress: Tensor
    training: bool = True

    def attach(self, codes: Tensor, latent: Tensor, threshold: Tensor) -> Tensor:
        """The codes, with the gradient of the estimator with respect to ``latent``."""
        return self.estimator.attach(codes, latent, threshold, self.progress)


class Quantizer(Record, abc.ABC):
    """A rule from latent weights to codes and scales.

    Subclasses are frozen dataclasses with ``kind`` (their name in JSON), ``value_set`` and
    ``parts`` or ``terms``. A rule with a gradient of another form overrides :meth:`quantize` too.

    scales_gradient: whether the estimator stands for the derivative of the codes, so that the
    scale multiplies the gradient; else for that of the whole quantised weight.
    brings_gradient: whether the gradient is part of the rule, so that another estimator than
    :meth:`own_estimator` would have no effect and is refused.
    """

    scales_gradient: ClassVar[bool] = True
    brings_gradient: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def value_set(self) -> ValueSet:
        """Which values the codes take."""

    @property
    @abc.abstractmethod
    def granularity(self) -> str:
        """Over which weights the threshold or scale is computed, for people."""

    @abc.abstractmethod
    def own_estimator(self) -> Estimator:
        """The surrogate gradient unless another is asked for: as a rule that of its paper."""

    @abc.abstractmethod
    def parts(self, weight: Tensor, state: Mapping[str, Tensor]) -> WeightParts:
        """Codes, threshold and scale of a prepared latent weight (K, C, R, S) or (K, C).

        SpecError for a rule of more than one term.
        """

    def terms(self, weight: Tensor, state: Mapping[str, Tensor]) -> tuple[WeightParts, ...]:
        """All terms of a prepared latent weight."""
        return (self.parts(weight, state),)

    def prepared(self, weight: Tensor, backward: Backward | None = None) -> Tensor:
        """What the codes are taken of: the latent weight, or a differentiable function of it."""
        return weight

    def ones(self, codes: Tensor, state: Mapping[str, Tensor]) -> Tensor:
        """How many codes are ones, a scalar with the gradient of ``codes``: binary +1.

        SpecError for value sets without ones.
        """
        if self.value_set is not ValueSet.BINARY:
            raise SpecError(
                f"share of ones of {self.kind} weights",
                value=self.value_set.values,
                allowed="binary or signed-binary weights",
            )
        return ((codes + 1) / 2).sum()

    def initial_state(self, weight: Tensor) -> dict[str, State]:
        """The tensors the layer must keep, by name; by default none.

        Raises SpecError where the options do not fit the shape of the weight.
        """
        return {}

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """SpecError where tensors that were loaded are not ones this quantiser can have made."""

    def quantize(
        self, weight: Tensor, state: Mapping[str, Tensor], backward: Backward | None = None
    ) -> Tensor:
        """The quantised weight, of the shape of the latent one.

        Without ``backward`` the codes are constants and only learned scales receive a gradient.
        """
        latent = self.prepared(weight, backward)
        terms = self.terms(latent, state)
        if backward is None or not self.scales_gradient:
            value = _sum([term.assembled(term.codes) for term in terms])
            return value if backward is None else backward.attach(value, latent, terms[0].threshold)
        codes = [backward.attach(term.codes, latent, term.threshold) for term in terms]
        return _sum([term.assembled(code) for term, code in zip(terms, codes, strict=True)])

    def after_step(self, weight: Tensor, state: Mapping[str, Tensor], progress: Tensor) -> None:
        """Change latent weight and state in place after a step of the optimiser.

        Called without gradients; ``progress`` as in :class:`Backward`. By default nothing.
        """


def one_term_only(kind: str) -> SpecError:
    """What ``parts`` of a rule of several terms raises."""
    return SpecError(
        f"codes and scale of {kind} weights",
        value="a sum of several terms",
        allowed="rules with two or three values per filter",
        remedy="the network compiles with these weights as float",
    )


def per_filter(vector: Tensor, weight: Tensor) -> Tensor:
    """A vector (K,) as (K, 1, ...), ready to broadcast against the weight."""
    return vector.reshape((-1,) + (1,) * (weight.dim() - 1))


def _sum(summands: list[Tensor]) -> Tensor:
    total = summands[0]
    for summand in summands[1:]:
        total = total + summand
    return total


def sign(weight: Tensor) -> Tensor:
    """+1 where w >= 0, else -1; a constant."""
    return torch.where(weight.detach() >= 0, 1.0, -1.0).to(weight.dtype)


def standardized(weight: Tensor) -> Tensor:
    """(w - mean_k) / std_k over each filter (population std); constant filters become zero.

    Balanced codes for sign(w), a gradient without mean and without the direction of w: the
    balanced, standardised weights of IR-Net (Qin et al. 2020, section 3.2).
    """
    filters = weight.flatten(1)
    centred = filters - filters.mean(1, keepdim=True)
    variance = centred.square().mean(1, keepdim=True)
    largest = filters.detach().abs().amax(1, keepdim=True)
    smallest = (torch.finfo(weight.dtype).eps * largest).square() + _SMALLEST_VARIANCE
    # The square root of zero has no derivative: constant filters take the other branch.
    varies = ~(variance.detach() <= smallest)  # true for NaN, which must come through
    deviation = torch.where(varies, variance, torch.ones_like(variance)).sqrt()
    result = torch.where(varies, centred / deviation, torch.zeros_like(centred))
    return result.reshape(weight.shape)


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
    """The scale of every filter, (K, 1, ...), as :class:`ScaleKind` says.

    The magnitude of the learned scale counts: a negative one would turn the signs around.
    """
    if kind is ScaleKind.LEARNED:
        scale = state["weight_scale"].abs()
    elif kind is ScaleKind.MEAN:
        scale = effectual_mean(weight, codes)
    else:
        inputs = math.prod(weight.shape[1:])
        constant = math.sqrt(2 / inputs) if kind is ScaleKind.HE else 1.0
        scale = weight.new_full(weight.shape[:1], constant)
    return per_filter(scale, weight)


def scale_state(weight: Tensor, codes: Tensor) -> State:
    """A learned scale (K,) that starts at the effectual mean; 1 for filters without codes."""
    mean = effectual_mean(weight, codes)
    return State(torch.where(mean > 0, mean, torch.ones_like(mean)), learned=True)
