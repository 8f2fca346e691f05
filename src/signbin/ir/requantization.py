"""The end of a u8 node: from whole-number sums to codes or numbers, one float32 step at a time."""

from __future__ import annotations

import dataclasses
import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.spec import ActivationKind, ActivationSpec

__all__ = ["Held", "Requantization"]

Held: TypeAlias = NDArray[np.float32 | np.uint8]
"""What a value of a graph holds: float32 numbers, or the uint8 codes of a u8 value."""


@dataclasses.dataclass(frozen=True, eq=False)
class Requantization:
    """The end of a u8 node, for sums A of codes with the input's zero point taken off.

    f = fl(A) * scale[k]
    f = f + bias[k]
    f = f + offset[k] * fl(T)                           where the weight has an offset
    f = f + residual_scale * fl(r - residual_zero)      where there is a residual
    f = f > 0 ? f : slope[k] * f                        leaky_relu, prelu
    f = f < 0 ? 0 : f                                   relu
    f = f < low ? low : f;  f = f > high ? high : f     clamp
    f = f + post_bias[k]                                where there is one
    code = output.encoded(f), or the number f where output is None

    fl rounds a whole number to the nearest float32, half to even. Arrays are float32 of shape
    (K,), K the output channels, and single numbers are float32 values; ``bias`` is zeros where the
    node states none. Averages use fl(S) / fl(taps) in place of fl(A), quantize the number itself.
    Of a function of one number there is only f = table[q], for every code q of the input, and the
    code of f.
    """

    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    offset: NDArray[np.float32] | None = None
    residual_scale: float = 0.0
    residual_zero: int = 0
    activation: ActivationKind = ActivationKind.NONE
    slope: NDArray[np.float32] | None = None
    low: float = -math.inf
    high: float = math.inf
    post_bias: NDArray[np.float32] | None = None
    input_zero: int = 0
    output: ActivationSpec | None = None
    table: NDArray[np.float32] | None = None

    def finish(
        self,
        sums: NDArray[np.float32],
        total: NDArray[np.float32] | None = None,
        residual: NDArray[np.uint8] | None = None,
    ) -> Held:
        """The chain above on sums (N, K) or (N, K, P, Q).

        sums: fl(A). total: fl(T), broadcast along the filters. residual: codes.
        """
        f = sums * _column(self.scale, sums)
        f = f + _column(self.bias, sums)
        if self.offset is not None and total is not None:
            f = f + _column(self.offset, sums) * total
        if residual is not None:
            steps = residual.astype(np.float32) - np.float32(self.residual_zero)
            f = f + np.float32(self.residual_scale) * steps
        f = self._activated(f)
        if self.post_bias is not None:
            f = f + _column(self.post_bias, sums)
        return f if self.output is None else self.output.encoded(f)

    def looked_up(self, codes: NDArray[np.uint8]) -> Held:
        """table[q] of every code q, as codes or numbers."""
        assert self.table is not None
        f = self.table[codes]
        return f if self.output is None else self.output.encoded(f)

    def _activated(self, f: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.activation is ActivationKind.RELU:
            return np.where(f < 0, np.float32(0), f)
        if self.activation is ActivationKind.CLAMP:
            low, high = np.float32(self.low), np.float32(self.high)
            raised = np.where(f < low, low, f)
            return np.where(raised > high, high, raised)
        if self.slope is not None:
            return np.where(f > 0, f, _column(self.slope, f) * f)
        return f


def _column(vector: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector reshaped so that it broadcasts along axis 1."""
    return vector.reshape((1, -1) + (1,) * (like.ndim - 2))
