"""Whether two engines compute the same thing: looked at before any of them is timed."""

from __future__ import annotations

import dataclasses
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError

__all__ = ["Agreement", "Demand", "Floor", "Tolerance", "agreement"]

# Below the resolution of float32 (2^-24, 144 dB) a difference says nothing.
_MOST_DB: Final = 150.0


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far an output (N, ...) is from the expected one.

    images: N. max_relative_error: max |difference| / max |expected|; inf where only one of them
    is finite or the expected output is zero and the other is not. top1_agreement: share of
    samples whose largest output has the same index. snr_db: 10 log10(signal / noise), noise the
    sum of squared differences, signal that of (expected - its mean over the samples); of the
    expected output itself where there is only one sample. Within -150..150; an engine that
    answers every image alike gets 0 or less, however close to the mean it is.
    """

    images: int
    max_relative_error: float
    top1_agreement: float
    snr_db: float

    def require(self, name: str, tolerance: float) -> None:
        """ExecutionError naming the engine where the error exceeds the tolerance."""
        if not self.max_relative_error <= tolerance:
            raise ExecutionError(
                f"{name} does not compute the same network: max relative error",
                value=self.max_relative_error,
                allowed=f"at most {tolerance:g}",
                remedy=f"nothing was timed; top-1 agreement is {self.top1_agreement:.3f}",
            )


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """What is demanded of a float engine: the same numbers, up to this max_relative_error."""

    max_relative_error: float

    def require(self, name: str, found: Agreement) -> None:
        """ExecutionError naming the engine where the error is larger."""
        found.require(name, self.max_relative_error)


@dataclasses.dataclass(frozen=True)
class Floor:
    """What is demanded of a quantised engine: that it still is the network, at least so much."""

    top1_agreement: float
    snr_db: float

    def require(self, name: str, found: Agreement) -> None:
        """ExecutionError naming the engine where either is less."""
        if not (found.top1_agreement >= self.top1_agreement and found.snr_db >= self.snr_db):
            raise ExecutionError(
                f"{name} is no longer the network it was quantised from",
                value=f"top-1 agreement {found.top1_agreement:.2f}, "
                f"signal to noise {found.snr_db:.1f} dB on {found.images} images",
                allowed=f"at least {self.top1_agreement:g} and {self.snr_db:g} dB",
                remedy="nothing was timed; give it real images: --calibrate DATA",
            )


Demand: TypeAlias = Tolerance | Floor


def agreement(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> Agreement:
    """Compare two outputs (N, ...); ExecutionError where their shapes differ or N is 0."""
    if actual.shape != expected.shape or not expected.size:
        raise ExecutionError(
            "shape of an output to compare", value=actual.shape, allowed=str(expected.shape)
        )
    rows = (len(expected), -1)
    same = actual.reshape(rows).argmax(axis=1) == expected.reshape(rows).argmax(axis=1)
    if np.isfinite(actual).all() and np.isfinite(expected).all():
        wide = expected.astype(np.float64)
        difference = actual - wide
        error, snr_db = _relative(difference, wide), _snr_db(difference, wide)
    else:
        error, snr_db = float("inf"), -_MOST_DB
    return Agreement(len(expected), error, float(same.mean()), snr_db)


def _relative(difference: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    worst, largest = float(np.abs(difference).max()), float(np.abs(expected).max())
    if largest:
        return worst / largest
    return float("inf") if worst else 0.0


def _snr_db(difference: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    mean = expected.mean(axis=0) if len(expected) > 1 else 0.0
    noise, signal = float(np.square(difference).sum()), float(np.square(expected - mean).sum())
    if not noise:
        return _MOST_DB
    ratio_db = 10 * np.log10(signal / noise) if signal else -_MOST_DB
    return float(np.clip(ratio_db, -_MOST_DB, _MOST_DB))
