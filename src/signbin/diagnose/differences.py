"""Running extremes of differences, over samples that are looked at in small batches."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError

__all__ = ["Difference", "Share", "fitted"]


@dataclasses.dataclass
class Difference:
    """Largest and summed |difference| of one value, and its largest |reference|.

    place: (sample, ...) of the largest difference, in the reference's shape; None where there is
    no difference at all.
    """

    largest: float = 0.0
    largest_reference: float = 0.0
    total: float = 0.0
    count: int = 0
    samples: int = 0
    place: tuple[int, ...] | None = None

    def add(self, actual: NDArray[Any], expected: NDArray[Any]) -> None:
        """One more batch; SpecError for another shape than the reference's."""
        actual = fitted(actual, expected)
        wide, wanted = actual.astype(np.float64), expected.astype(np.float64)
        same = (wide == wanted) | (np.isnan(wide) & np.isnan(wanted))
        with np.errstate(invalid="ignore"):
            difference = np.where(same, 0.0, np.abs(wide - wanted))
        difference[np.isnan(difference)] = np.inf
        magnitude = np.abs(wanted[np.isfinite(wanted)])
        if difference.size and difference.max() > self.largest:
            at = np.unravel_index(int(difference.argmax()), difference.shape)
            self.place = (self.samples + int(at[0]), *map(int, at[1:]))
            self.largest = float(difference.max())
        self.largest_reference = max(self.largest_reference, float(magnitude.max(initial=0.0)))
        self.total += float(difference.sum())
        self.count += difference.size
        self.samples += len(expected)

    @property
    def max_relative(self) -> float:
        """Largest |difference| / largest |reference|; where that is 0, the |difference|."""
        return self.largest / (self.largest_reference or 1.0)

    @property
    def mean_relative(self) -> float:
        """Mean |difference| / largest |reference|."""
        return self.total / max(self.count, 1) / (self.largest_reference or 1.0)


@dataclasses.dataclass
class Share:
    """A running share of true values; 1 where there are none."""

    true: int = 0
    count: int = 0

    def add(self, values: NDArray[np.bool_]) -> None:
        """Some more values."""
        self.true += int(np.count_nonzero(values))
        self.count += values.size

    @property
    def value(self) -> float:
        """True ones / all."""
        return self.true / self.count if self.count else 1.0


def fitted(actual: NDArray[Any], expected: NDArray[Any]) -> NDArray[Any]:
    """actual in the shape of expected: values may be kept in another, elements in the same order.

    SpecError where it has not as many samples and elements.
    """
    if actual.shape[:1] == expected.shape[:1] and actual.size == expected.size:
        return actual.reshape(expected.shape)
    raise SpecError(
        "shape of a compared value",
        value=actual.shape,
        allowed=f"{expected.shape}, as in the reference",
        remedy="compare with the model the program was compiled from",
    )
