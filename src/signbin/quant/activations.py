"""Activation quantisers: what a quantised layer may do to its input before it multiplies.

x -> q(x), elementwise, of any shape, in ordinary differentiable tensor operations; the list of
all of them is :data:`ACTIVATION_QUANTIZERS`. dL/dx is given as a factor of dL/dq.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self, TypeVar

import torch
from torch import Tensor

from signbin.errors import SpecError
from signbin.quant.estimators import Estimator, Polynomial, estimator_from_json
from signbin.quant.quantizer import Backward, State, sign
from signbin.quant.records import Record, check_number, check_whole, read_listed, registered
from signbin.spec import ActivationSpec

__all__ = [
    "ACTIVATION_QUANTIZERS",
    "ActivationQuantizer",
    "CodedInput",
    "DoReFaActivation",
    "HalfWaveGaussian",
    "Int8Activation",
    "LearnedClip",
    "SignActivation",
    "activation_quantizer_from_json",
    "register_activation_quantizer",
]

_Registered = TypeVar("_Registered", bound="ActivationQuantizer")

_MOST_BITS: Final = 8
_INT8_LARGEST: Final = 127


@dataclasses.dataclass(frozen=True)
class CodedInput:
    """The levels of a trained quantiser as codes: what the engine does to reach the same ones.

    Of x, or of -1 for x < 0 and 1 for other x where ``binary``, the larger of it and ``least``,
    quantised as ``spec`` says: real = scale * (code - zero_point). None for no bound.
    """

    spec: ActivationSpec
    least: float | None = None
    binary: bool = False


class ActivationQuantizer(Record, abc.ABC):
    """A rule from the input of a layer to its quantised input."""

    @abc.abstractmethod
    def quantize(self, x: Tensor, state: Mapping[str, Tensor], backward: Backward) -> Tensor:
        """q(x) with the gradient of the rule."""

    def coded(self, state: Mapping[str, float]) -> CodedInput | None:
        """The same levels as codes of 8 bits at most; None where x passes unchanged.

        state: the values of the layer's tensors, by name. SpecError where the levels are not an
        unsigned or a symmetric range of whole steps, or the trained step is no normal number.
        """
        raise SpecError(
            f"activation quantiser {self.kind}",
            value="levels that are not known as codes",
            allowed="a quantiser with a method coded(state)",
            remedy="write one that returns a CodedInput",
        )

    def initial_state(self, like: Tensor) -> dict[str, State]:
        """The tensors the layer must keep, by name, of the device and dtype of ``like``."""
        return {}


@dataclasses.dataclass(frozen=True)
class SignActivation(ActivationQuantizer):
    """sign(x), +1 where x >= 0, with the gradient of an estimator at threshold 0.

    polynomial: Bi-Real Net (Liu et al. 2018, section 3.3). clipped_straight_through: binarized
    networks (Hubara et al. 2016). tanh: the gradient of Bulat et al. 2019.
    """

    estimator: Estimator = dataclasses.field(default_factory=Polynomial)

    kind: ClassVar[str] = "sign"

    def __post_init__(self) -> None:
        if not isinstance(self.estimator, Estimator):
            raise SpecError(f"{self.kind}.estimator", value=self.estimator, allowed="an estimator")

    def quantize(self, x: Tensor, state: Mapping[str, Tensor], backward: Backward) -> Tensor:
        """-1 and +1."""
        return self.estimator.attach(sign(x), x, x.new_zeros(()), backward.progress)

    def coded(self, state: Mapping[str, float]) -> CodedInput:
        """Codes 1 and 3 of two bits around 2, which is the 0 that images are padded with."""
        return CodedInput(ActivationSpec(1.0, 2, 2), binary=True)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote; else SpecError."""
        values = dict(document)
        estimator = values.pop("estimator", None)
        plain = super().from_json(values)
        return plain if estimator is None else cls(estimator_from_json(estimator))


@dataclasses.dataclass(frozen=True)
class HalfWaveGaussian(ActivationQuantizer):
    """The nearest of 0, 0.538, 1.076, 1.614; dL/dx: 1 where 0 < x <= 1.614, else 0.

    HWGQ with two bits (Cai, He, Sun, Vasconcelos 2017, sections 4.2 and 5.2): the uniform
    quantiser of least squared error for the positive half of a unit Gaussian, which the output of
    batch norm resembles, with the clipped ReLU as its backward function. Halves to even.
    """

    kind: ClassVar[str] = "hwgq"
    step: ClassVar[float] = 0.538
    levels: ClassVar[int] = 3

    def quantize(self, x: Tensor, state: Mapping[str, Tensor], backward: Backward) -> Tensor:
        """Four levels."""
        clipped = x.clamp(0.0, self.step * self.levels)
        return _straight_through(torch.round(clipped / self.step) * self.step, clipped)

    def coded(self, state: Mapping[str, float]) -> CodedInput:
        """Codes 0 to 3 of two bits."""
        return CodedInput(ActivationSpec(_float32(self.step), 0, 2))


@dataclasses.dataclass(frozen=True)
class DoReFaActivation(ActivationQuantizer):
    """q_k(min(max(x, 0), 1)), q_k(y) = round((2^k-1)*y) / (2^k-1); dL/dx: 1 in [0, 1], else 0.

    DoReFa-Net (Zhou et al. 2016, equation 10). Halves to even.
    """

    bits: int = 2

    kind: ClassVar[str] = "dorefa"

    def __post_init__(self) -> None:
        check_whole(f"{self.kind}.bits", self.bits, least=1, most=_MOST_BITS)

    def quantize(self, x: Tensor, state: Mapping[str, Tensor], backward: Backward) -> Tensor:
        """2^bits levels in [0, 1]."""
        steps = 2**self.bits - 1
        clipped = x.clamp(0.0, 1.0)
        return _straight_through(torch.round(clipped * steps) / steps, clipped)

    def coded(self, state: Mapping[str, float]) -> CodedInput:
        """Codes 0 to 2^bits - 1."""
        return CodedInput(ActivationSpec(_float32(1.0 / (2**self.bits - 1)), 0, self.bits))


@dataclasses.dataclass(frozen=True)
class LearnedClip(ActivationQuantizer):
    """round(y / s) * s, y = min(max(x, 0), a), s = a / (2^k - 1), a learned per layer.

    PACT (Choi et al. 2018, section 3): dL/dx is 1 where 0 <= x < a, else 0; dL/da is the sum of
    dL/dq over x >= a. a = |input_clip|, which starts at ``clip``. Halves to even.
    """

    bits: int = 4
    clip: float = 6.0

    kind: ClassVar[str] = "learned_clip"

    def __post_init__(self) -> None:
        check_whole(f"{self.kind}.bits", self.bits, least=1, most=_MOST_BITS)
        check_number(f"{self.kind}.clip", self.clip, low=0.0, high=1e6)

    def initial_state(self, like: Tensor) -> dict[str, State]:
        """``input_clip``, a scalar."""
        return {"input_clip": State(like.new_full((), self.clip), learned=True)}

    def quantize(self, x: Tensor, state: Mapping[str, Tensor], backward: Backward) -> Tensor:
        """2^bits levels in [0, a]."""
        largest = state["input_clip"].abs()
        # Not torch.minimum: it halves the gradient in a tie.
        clipped = torch.where(x < largest, x.clamp(min=0.0), largest)
        step = largest.detach() / (2**self.bits - 1)
        return _straight_through(torch.round(clipped / step) * step, clipped)

    def coded(self, state: Mapping[str, float]) -> CodedInput:
        """Codes 0 to 2^bits - 1 of the step that was learned."""
        step = abs(state["input_clip"]) / (2**self.bits - 1)
        return CodedInput(ActivationSpec(_float32(step), 0, self.bits))


@dataclasses.dataclass(frozen=True)
class Int8Activation(ActivationQuantizer):
    """s * min(max(round(x / s), -127), 127), s = r / 127; dL/dx: 1 where |x| <= r, else 0.

    Plain symmetric 8-bit quantisation of a whole layer's input (Jacob et al. 2018). r is the
    buffer ``input_range``: in training mode a moving average of max|x|, the first batch as it is;
    r = 0 means not yet known, and then x passes unchanged. Halves to even.
    """

    averaging: float = 0.95

    kind: ClassVar[str] = "int8"

    def __post_init__(self) -> None:
        check_number(f"{self.kind}.averaging", self.averaging, low=0, high=1, includes_low=True)

    def initial_state(self, like: Tensor) -> dict[str, State]:
        """``input_range``, a scalar, 0."""
        return {"input_range": State(like.new_zeros(()))}

    def quantize(self, x: Tensor, state: Mapping[str, Tensor], backward: Backward) -> Tensor:
        """255 levels."""
        known = state["input_range"]
        if backward.training:
            with torch.no_grad():
                seen = x.detach().abs().amax().to(known.dtype)
                averaged = known.lerp(seen, 1 - self.averaging)
                known.copy_(torch.where(known > 0, averaged, seen))
        largest = known.to(x.dtype)
        step = torch.where(largest > 0, largest, torch.ones_like(largest)) / _INT8_LARGEST
        clipped = torch.clamp(x, -largest, largest)
        rounded = _straight_through(torch.round(clipped / step) * step, clipped)
        return torch.where(largest > 0, rounded, x)

    def coded(self, state: Mapping[str, float]) -> CodedInput | None:
        """Codes 1 to 255 around 128; None where no range is known."""
        largest = state["input_range"]
        if not largest:
            return None
        return CodedInput(ActivationSpec(_float32(largest / _INT8_LARGEST), 128, 8), -largest)


def _float32(number: float) -> float:
    return torch.tensor(number, dtype=torch.float32).item()


def _straight_through(value: Tensor, smooth: Tensor) -> Tensor:
    return value.detach() + (smooth - smooth.detach())


_KINDS: Final[dict[str, type[ActivationQuantizer]]] = {
    quantizer.kind: quantizer
    for quantizer in (
        *(SignActivation, HalfWaveGaussian, DoReFaActivation, LearnedClip, Int8Activation),
    )
}
ACTIVATION_QUANTIZERS: Final[Mapping[str, type[ActivationQuantizer]]] = MappingProxyType(_KINDS)


def register_activation_quantizer(quantizer: type[_Registered]) -> type[_Registered]:
    """Put one of one's own into :data:`ACTIVATION_QUANTIZERS`, see :func:`register_quantizer`."""
    return registered("activation quantizer", quantizer, ActivationQuantizer, _KINDS)  # type: ignore[type-abstract]  # a base


def activation_quantizer_from_json(document: Mapping[str, Any]) -> ActivationQuantizer:
    """Read what ``to_json`` of any listed quantiser wrote; anything else is a SpecError."""
    return read_listed("activation quantizer", document, ACTIVATION_QUANTIZERS)
