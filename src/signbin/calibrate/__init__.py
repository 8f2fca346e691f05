"""Calibration: from real samples to the range and scale of every activation."""

from signbin.calibrate.calibrate import calibrate
from signbin.calibrate.config import CalibrationMethod, QuantizedActivations
from signbin.calibrate.histogram import MagnitudeHistogram
from signbin.calibrate.ranges import largest_kept

__all__ = [
    "CalibrationMethod",
    "MagnitudeHistogram",
    "QuantizedActivations",
    "calibrate",
    "largest_kept",
]
