"""How a report writes numbers. ``None`` is always written as "not given"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "NOT_GIVEN",
    "accuracy",
    "agreement",
    "budget",
    "count",
    "decibels",
    "energy",
    "engine",
    "error",
    "layer_error",
    "milliseconds",
    "outside",
    "parameters",
    "percent",
    "quantization_advice",
    "ratio",
    "size",
    "text",
]

NOT_GIVEN: Final = "not given"
_SAME_NUMBERS: Final = 1e-3
_MUCH_LOST_DB: Final = 6.0


def text(value: str | None) -> str:
    """The text itself."""
    return value if value else NOT_GIVEN


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in [0, 1] in percent, never rounded up to 100.

    >>> percent(0.9713), percent(0.99999), percent(1.0), percent(None)
    ('97.1 %', '99.9 %', '100 %', 'not given')
    """
    if share is None:
        return NOT_GIVEN
    if share == 1:
        return "100 %"
    written = f"{100 * share:.{decimals}f}"
    if share < 1 and float(written) >= 100:
        written = f"{100 - 10**-decimals:.{decimals}f}"
    return f"{written} %"


def accuracy(mean: float | None, spread: float | None) -> str:
    """Mean and sample standard deviation in percent.

    >>> accuracy(0.97, 0.004), accuracy(0.97, None)
    ('97.0 ± 0.4 %', '97.0 %')
    """
    if mean is None or spread is None:
        return percent(mean)
    return f"{100 * mean:.1f} ± {100 * spread:.1f} %"


def ratio(value: float | None) -> str:
    """A density or another number around one, two decimals."""
    return NOT_GIVEN if value is None else f"{value:.2f}"


def error(value: float | None) -> str:
    """A relative error, two digits.

    >>> error(1.234e-6)
    '1.2e-06'
    """
    if value is None:
        return NOT_GIVEN
    return "0" if value == 0 else f"{value:.1e}"


def energy(microjoules: float) -> str:
    """An energy, in the unit that leaves a digit before the decimal point.

    >>> energy(0.5), energy(27.31), energy(27310.0)
    ('500 nJ', '27.3 µJ', '27.3 mJ')
    """
    for unit, size in (("mJ", 1e3), ("µJ", 1.0)):
        if microjoules >= size:
            return f"{microjoules / size:.3g} {unit}"
    return f"{microjoules * 1e3:.3g} nJ"


def engine(name: str) -> str:
    """An engine as its own people write it.

    >>> engine("pytorch"), engine("onnxruntime"), engine("signbin")
    ('PyTorch', 'ONNX Runtime', 'signbin')
    """
    return {"pytorch": "PyTorch", "onnxruntime": "ONNX Runtime"}.get(name, name)


def agreement(relative_error: float, snr_db: float) -> str:
    """The error of engines that compute the same numbers; signal to noise of the others.

    >>> agreement(1.234e-6, 110.0), agreement(0.04, 23.96)
    ('1.2e-06', '24.0 dB')
    """
    return error(relative_error) if relative_error <= _SAME_NUMBERS else f"{snr_db:.1f} dB"


def milliseconds(value: float) -> str:
    """A time in ms with three significant digits, not beyond nanoseconds.

    >>> milliseconds(123.4), milliseconds(12.34), milliseconds(0.01234), milliseconds(0)
    ('123', '12.3', '0.0123', '0')
    """
    if value >= 100 or value == 0:
        return f"{value:.0f}"
    return f"{value:.{max(0, min(6, 2 - math.floor(math.log10(value))))}f}"


def budget(predicted: float, limit: float, unit: str) -> str:
    """What a network is predicted to cost, and its budget.

    >>> budget(0.2134, 0.25, "milliseconds"), budget(4.9e6, 5e6, "additions")
    ('0.213 of 0.250 ms', '4,900,000 of 5,000,000 additions')
    """
    if unit == "milliseconds":
        return f"{milliseconds(predicted)} of {milliseconds(limit)} ms"
    return f"{predicted:,.0f} of {limit:,.0f} {unit}"


def layer_error(value: float | None) -> str:
    """As :func:`error`; a dash where that side has no such layer."""
    return "-" if value is None else error(value)


def outside(value: float | None, tolerance: float | None) -> bool:
    """Whether an error is known, a tolerance is given, and the error does not keep to it."""
    return value is not None and tolerance is not None and not value <= tolerance


def count(value: int | None) -> str:
    """A whole number with thousands apart.

    >>> count(1234567)
    '1,234,567'
    """
    return NOT_GIVEN if value is None else f"{value:,}"


def size(size_bytes: int | None) -> str:
    """A file or buffer size; 1 kB is 1000 bytes.

    >>> size(999), size(41_500), size(2_100_000)
    ('999 B', '41.5 kB', '2.10 MB')
    """
    if size_bytes is None:
        return NOT_GIVEN
    if size_bytes < 1_000:
        return f"{size_bytes} B"
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1e3:.1f} kB"
    return f"{size_bytes / 1e6:.2f} MB"


def parameters(values: Mapping[str, int]) -> str:
    """A strategy's parameters on one line.

    >>> parameters({"filters": 8, "vectors": 1})
    'filters 8, vectors 1'
    """
    return ", ".join(f"{name} {value}" for name, value in values.items())


def decibels(value: float) -> str:
    """A ratio of powers, one decimal.

    >>> decibels(27.43)
    '27.4 dB'
    """
    return f"{value:.1f} dB"


def quantization_advice(layer: Mapping[str, Any]) -> str:
    """What to do about the noise of a layer: where it lost 6 dB or more itself, leave it float."""
    if not layer["on_codes"]:
        return "is float: the noise comes from before"
    if layer["lost_db"] < _MUCH_LOST_DB:
        return "most of the noise comes from before"
    return f"leave it float: --float-layers {layer['module']}"
