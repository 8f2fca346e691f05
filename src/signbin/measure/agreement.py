"""Whether two engines compute the same thing: looked at before any of them is timed."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError

__all__ = ["Agreement", "agreement"]


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far an output (N, ...) is from the expected one.

    max_relative_error: max |difference| / max |expected|; inf where only one of them is finite
    or the expected output is zero and the other is not.
    top1_agreement: share of samples whose largest output has the same index.
    """

    max_relative_error: float
    top1_agreement: float

    def require(self, name: str, tolerance: float) -> None:
        """ExecutionError naming the engine where the error exceeds the tolerance."""
        if not self.max_relative_error <= tolerance:
            raise ExecutionError(
                f"{name} does not compute the same network: max relative error",
                value=self.max_relative_error,
                allowed=f"at most {tolerance:g}",
                remedy=f"nothing was timed; top-1 agreement is {self.top1_agreement:.3f}",
            )


def agreement(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> Agreement:
    """Compare two outputs (N, ...); ExecutionError where their shapes differ."""
    if actual.shape != expected.shape:
        raise ExecutionError(
            "shape of an output to compare", value=actual.shape, allowed=str(expected.shape)
        )
    if not (np.isfinite(actual).all() and np.isfinite(expected).all()):
        error = float("inf")
    else:
        difference = float(np.abs(actual.astype(np.float64) - expected).max())
        largest = float(np.abs(expected).max())
        error = difference / largest if largest else (float("inf") if difference else 0.0)
    rows = (len(expected), -1)
    same = actual.reshape(rows).argmax(axis=1) == expected.reshape(rows).argmax(axis=1)
    return Agreement(error, float(same.mean()))
