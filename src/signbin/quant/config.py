"""How one layer is quantised: its weights, the gradient behind them, its input."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from signbin.documents import to_document
from signbin.errors import SpecError
from signbin.quant.activations import ActivationQuantizer, activation_quantizer_from_json
from signbin.quant.estimators import Estimator, estimator_from_json
from signbin.quant.quantizer import Quantizer
from signbin.quant.quantizers import SignedBinary, quantizer_from_json
from signbin.quant.records import check_flag, check_number

__all__ = ["QuantConfig"]


@dataclasses.dataclass(frozen=True)
class QuantConfig:
    """Quantiser of the weights, surrogate gradient and more; by default centred signed-binary.

    estimator: left out, the quantiser's own (:meth:`Quantizer.own_estimator`). activation: what is
    done to the layer's input; None leaves it float. standardize: the weights the quantiser sees are
    (w - mean_k) / std_k per filter (IR-Net's first step, for any quantiser). start: the share of
    training during which the weights stay float in training mode: a second stage for them.
    centre_inputs: the layer multiplies x - mean over channels of x, per pixel (for a linear layer
    over features), before the activation quantiser: inputs of both signs for filters of one sign.
    For studies: the engine does not run it.

    >>> QuantConfig.from_json(QuantConfig().to_json()) == QuantConfig()
    True
    >>> QuantConfig.from_json({"weight": {"kind": "ir_net"}}).estimator.kind
    'ede'
    """

    weight: Quantizer = dataclasses.field(default_factory=SignedBinary)
    # None until __post_init__ knows the quantiser; never None to a reader.
    estimator: Estimator = None  # type: ignore[assignment]  # see above
    activation: ActivationQuantizer | None = None
    standardize: bool = False
    start: float = 0.0
    centre_inputs: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.weight, Quantizer):
            raise SpecError(
                "QuantConfig.weight", value=self.weight, allowed="a quantiser, as SignedBinary()"
            )
        own = self.weight.own_estimator()
        if self.estimator is None:
            object.__setattr__(self, "estimator", own)
        self._check_estimator(own)
        if not isinstance(self.activation, ActivationQuantizer | None):
            raise SpecError(
                "QuantConfig.activation",
                value=self.activation,
                allowed="None, or an activation quantiser, as Int8Activation()",
            )
        for name in ("standardize", "centre_inputs"):
            check_flag(f"QuantConfig.{name}", getattr(self, name))
        check_number("QuantConfig.start", self.start, low=0.0, high=1.0, includes_low=True)

    def _check_estimator(self, own: Estimator) -> None:
        if not isinstance(self.estimator, Estimator):
            raise SpecError(
                "QuantConfig.estimator",
                value=self.estimator,
                allowed="an estimator, as ClippedStraightThrough()",
            )
        if self.weight.brings_gradient and self.estimator != own:
            raise SpecError(
                f"QuantConfig.estimator beside {self.weight.kind}",
                value=self.estimator.kind,
                allowed=f"none: {self.weight.kind} brings its own gradient",
                remedy="leave the estimator out",
            )

    def to_json(self) -> dict[str, Any]:
        """{"weight": {"kind": ...}, "estimator": {"kind": ...}, "activation": ..., ...}."""
        return to_document(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> QuantConfig:
        """Read what :meth:`to_json` wrote; absent keys take the defaults; else SpecError."""
        known = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(document, Mapping) or set(document) - set(known):
            raise SpecError(
                "QuantConfig", value=document, allowed=f"an object with {', '.join(known)}"
            )
        values: dict[str, Any] = {
            name: _READERS[name](value) if name in _READERS and value is not None else value
            for name, value in document.items()
        }
        return cls(**values)


_READERS: Final[Mapping[str, Callable[[Any], object]]] = MappingProxyType(
    {
        "weight": quantizer_from_json,
        "estimator": estimator_from_json,
        "activation": activation_quantizer_from_json,
    }
)
