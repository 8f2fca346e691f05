"""How one layer is quantised: the quantiser of its weights and the estimator behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from signbin.errors import SpecError
from signbin.quant.estimators import ClippedStraightThrough, Estimator, estimator_from_json
from signbin.quant.quantizer import Quantizer
from signbin.quant.quantizers import SignedBinary, quantizer_from_json

__all__ = ["QuantConfig"]


@dataclasses.dataclass(frozen=True)
class QuantConfig:
    """Quantiser of the weights and surrogate gradient; the defaults are the released method.

    >>> QuantConfig.from_json(QuantConfig().to_json()) == QuantConfig()
    True
    """

    weight: Quantizer = dataclasses.field(default_factory=SignedBinary)
    estimator: Estimator = dataclasses.field(default_factory=ClippedStraightThrough)

    def __post_init__(self) -> None:
        if not isinstance(self.weight, Quantizer):
            raise SpecError(
                "QuantConfig.weight", value=self.weight, allowed="a quantiser, as SignedBinary()"
            )
        if not isinstance(self.estimator, Estimator):
            raise SpecError(
                "QuantConfig.estimator",
                value=self.estimator,
                allowed="an estimator, as ClippedStraightThrough()",
            )

    def to_json(self) -> dict[str, Any]:
        """{"weight": {"kind": ...}, "estimator": {"kind": ...}}."""
        return {"weight": self.weight.to_json(), "estimator": self.estimator.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> QuantConfig:
        """Read what :meth:`to_json` wrote; absent keys take the defaults; else SpecError."""
        if not isinstance(document, Mapping) or set(document) - {"weight", "estimator"}:
            raise SpecError(
                "QuantConfig", value=document, allowed='an object with "weight" and "estimator"'
            )
        values: dict[str, Any] = {}
        if "weight" in document:
            values["weight"] = quantizer_from_json(document["weight"])
        if "estimator" in document:
            values["estimator"] = estimator_from_json(document["estimator"])
        return cls(**values)
