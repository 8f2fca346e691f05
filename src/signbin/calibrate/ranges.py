"""The largest magnitude a value's codes should reach: one function per calibration method."""

from __future__ import annotations

from typing import Final

import numpy as np

from signbin.calibrate.config import CalibrationMethod, QuantizedActivations
from signbin.calibrate.histogram import MagnitudeHistogram

__all__ = ["largest_kept"]

_CANDIDATES: Final = 2.0 ** (-np.arange(193) / 32)
"""Shares of the largest magnitude that the search tries: from all of it to 1/64."""


def largest_kept(histogram: MagnitudeHistogram, steps: int, asked: QuantizedActivations) -> float:
    """The magnitude that ``steps`` steps of the scale reach; 0.0 where only zeros were seen."""
    if not histogram.largest:
        return 0.0
    if asked.method is CalibrationMethod.PERCENTILE:
        return _percentile(histogram, asked.percentile)
    if asked.method is CalibrationMethod.MSE:
        return _least_squares(histogram, steps)
    return histogram.largest


def _percentile(histogram: MagnitudeHistogram, percentile: float) -> float:
    """Upper end of the first bin up to which ``percentile`` % of the non-zero numbers lie."""
    reached = np.cumsum(histogram.counts)
    wanted = percentile / 100 * reached[-1]
    place = int(np.searchsorted(reached, wanted))
    return min((place + 1) * histogram.width, histogram.largest)


def _least_squares(histogram: MagnitudeHistogram, steps: int) -> float:
    """The candidate with the least sum of (x - q(x))^2, numbers taken at the middle of their bin.

    q rounds to the nearest of 0..steps steps. Of equal candidates the largest.
    """
    occupied = np.flatnonzero(histogram.counts)
    counts, middles = histogram.counts[occupied], (occupied + 0.5) * histogram.width
    best, least = histogram.largest, np.inf
    for candidate in histogram.largest * _CANDIDATES:
        step = candidate / steps
        errors = middles - np.minimum(np.rint(middles / step), steps) * step
        error = float(counts @ errors**2)
        if error < least:
            best, least = float(candidate), error
    return best
