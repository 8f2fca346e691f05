"""How often which magnitudes occur in a value, over any number of batches."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError

__all__ = ["MagnitudeHistogram"]

_BINS: Final = 8192


class MagnitudeHistogram:
    """Counts of |x| > 0 in 8192 equal bins from 0 to a power of two, which grows as numbers come.

    Growing joins neighbouring bins, which loses nothing: the same numbers give the same counts in
    whatever order and batches they come. At least half of the bins lie below ``largest``. Zeros
    are not counted: every code spec holds them exactly. smallest: the least number, with its sign.
    """

    def __init__(self) -> None:
        self.smallest = math.inf
        self.largest = 0.0
        self._exponent: int | None = None
        self._counts = np.zeros(_BINS, np.int64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Non-zero numbers per bin."""
        return self._counts

    @property
    def width(self) -> float:
        """Width of a bin."""
        return 0.0 if self._exponent is None else math.ldexp(1.0 / _BINS, self._exponent)

    def add(self, name: str, values: NDArray[np.float32]) -> None:
        """Count some numbers; SpecError, with the name, where one is NaN or infinite."""
        magnitudes = np.abs(values[values != 0])
        largest = float(magnitudes.max(initial=0.0))
        if not math.isfinite(largest):
            raise SpecError(
                f"value {name} on the calibration samples",
                value="NaN or infinity",
                allowed="finite numbers",
                remedy="check the samples and the trained weights",
            )
        self.smallest = min(self.smallest, float(values.min(initial=math.inf)))
        self.largest = max(self.largest, largest)
        if largest:
            exponent = self._reach(math.frexp(largest)[1])
            # Scaling by a power of two is exact; what is too small for that belongs into bin 0.
            places = np.ldexp(magnitudes, _BINS.bit_length() - 1 - exponent).astype(np.int64)
            self._counts += np.bincount(places, minlength=_BINS)

    def _reach(self, exponent: int) -> int:
        """Let the bins end at 2^exponent or beyond; the exponent of their end."""
        if self._exponent is None:
            self._exponent = exponent
        while self._exponent < exponent:
            joined = self._counts.reshape(-1, 2).sum(axis=1)
            self._counts = np.concatenate([joined, np.zeros_like(joined)])
            self._exponent += 1
        return self._exponent
