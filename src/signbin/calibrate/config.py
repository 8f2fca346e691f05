"""What is asked of calibration."""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError

__all__ = ["CalibrationMethod", "QuantizedActivations"]


class CalibrationMethod(enum.Enum):
    """How the largest number that a code stands for is chosen; what is beyond it saturates.

    min-max: the largest magnitude seen. percentile: the magnitude that a share of the non-zero
    numbers does not exceed. mse: the one with the least squared error of rounding and saturation
    together, found by search.
    """

    MIN_MAX = "min-max"
    PERCENTILE = "percentile"
    MSE = "mse"


@dataclasses.dataclass(frozen=True, eq=False)
class QuantizedActivations:
    """Activations as whole numbers, calibrated on real samples.

    samples: float32 (N, C, H, W), prepared as the network wants them; N >= 1, some hundreds are
    plenty. bits: 8 or 7. method: a CalibrationMethod or its value. percentile: in (0, 100], of
    that method. float_layers: layers to leave in float32, by module or node name.
    """

    samples: NDArray[np.float32]
    bits: int = 8
    method: CalibrationMethod | str = CalibrationMethod.MSE
    percentile: float = 99.99
    float_layers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if type(self.bits) is not int or self.bits not in (7, 8):
            raise SpecError("bits of activations", value=self.bits, allowed="7 or 8")
        choices = {choice.value: choice for choice in CalibrationMethod}
        method = choices.get(self.method) if isinstance(self.method, str) else self.method
        if not isinstance(method, CalibrationMethod):
            raise SpecError("calibration method", value=self.method, allowed=", ".join(choices))
        object.__setattr__(self, "method", method)
        if not 0 < self.percentile <= 100:
            raise SpecError(
                "calibration percentile", value=self.percentile, allowed="above 0, at most 100"
            )
        masked = isinstance(self.samples, np.ma.MaskedArray)
        if masked or not isinstance(self.samples, np.ndarray) or self.samples.dtype != np.float32:
            raise SpecError(
                "calibration samples",
                value="a masked array"
                if masked
                else str(getattr(self.samples, "dtype", type(self.samples).__name__)),
                allowed="a numpy array of float32",
                remedy="prepare them as the network's inputs",
            )
        if not len(self.samples):
            raise SpecError("number of calibration samples", value=0, allowed="at least 1")
        object.__setattr__(self, "float_layers", tuple(self.float_layers))
