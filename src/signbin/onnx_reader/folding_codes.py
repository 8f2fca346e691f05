"""Constants that are rounded to codes, or read from them, in every version and in QONNX's notation.

The reference implementation of ONNX knows the latest versions of these operators alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.draft import Unsupported

__all__ = ["DOMAINS", "FOLDS"]

Numbers: TypeAlias = NDArray[Any]
Fold: TypeAlias = Callable[[Sequence[Numbers], Mapping[str, Any]], Numbers]

DOMAINS: Final = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
"""Where operators of QONNX are found."""

_ROUNDINGS: Final[Mapping[str, Callable[[Numbers], Numbers]]] = MappingProxyType(
    {"ROUND": np.rint, "FLOOR": np.floor, "CEIL": np.ceil, "ROUND_TO_ZERO": np.trunc}
)


def _along(numbers: Numbers, like: Numbers, attributes: Mapping[str, Any]) -> Numbers:
    """A number for all, one for every index of an axis, or one for every block of an axis."""
    axis = int(attributes.get("axis", 1))
    block = int(attributes.get("block_size", 0))
    if numbers.size == 1:
        return numbers.reshape(())
    if not -like.ndim <= axis < like.ndim:
        raise Unsupported(f"axis {axis} of {like.ndim}", "check the model with onnx.checker")
    axis %= like.ndim
    if block:
        extent = like.shape[axis]
        if block < 0 or numbers.ndim != like.ndim or numbers.shape[axis] != -(-extent // block):
            raise Unsupported(f"blocks of {block}", "check the model with onnx.checker")
        block = min(block, extent)
        repeated = np.repeat(numbers, block, axis)
        return repeated[tuple(slice(extent) for extent in like.shape)]
    shape = [1] * like.ndim
    shape[axis] = -1
    return numbers.reshape(shape)


def _dequantized(given: Sequence[Numbers], attributes: Mapping[str, Any]) -> Numbers:
    """(codes - zero point) * scale."""
    codes, scale = given[0].astype(np.float32), given[1].astype(np.float32)
    if len(given) > 2:
        codes -= _along(given[2].astype(np.float32), codes, attributes)
    made: Numbers = (codes * _along(scale, codes, attributes)).astype(np.float32)
    return made


def _quantized(given: Sequence[Numbers], attributes: Mapping[str, Any]) -> Numbers:
    """The nearest code, half to even, saturating."""
    x, scale = given[0].astype(np.float32), given[1].astype(np.float32)
    if len(given) < 3 or not np.issubdtype(given[2].dtype, np.integer):
        raise Unsupported("codes of no stated whole kind", "state a zero point")
    zero = _along(given[2].astype(np.float32), x, attributes)
    steps = np.rint(x / _along(scale, x, attributes)) + zero
    bounds = np.iinfo(given[2].dtype)
    made: Numbers = np.clip(steps, bounds.min, bounds.max).astype(given[2].dtype)
    return made


def _quant(given: Sequence[Numbers], attributes: Mapping[str, Any]) -> Numbers:
    """Quant of QONNX: scales, zero points and bits of any shape that broadcasts."""
    x, scale, zero, bits = (np.asarray(each, np.float64) for each in given)
    mode = attributes.get("rounding_mode", b"ROUND")
    word = (mode.decode() if isinstance(mode, bytes) else str(mode)).upper()
    if word not in _ROUNDINGS:
        raise Unsupported(f"rounding_mode={word}", f"use one of {', '.join(_ROUNDINGS)}")
    signed, narrow = bool(attributes.get("signed", 1)), bool(attributes.get("narrow", 0))
    half = 2.0 ** (bits - 1)
    least = -half + narrow if signed else np.zeros_like(bits)
    most = half - 1 if signed else 2 * half - 1 - narrow
    steps = np.clip(x / scale + zero, least, most)
    made: Numbers = ((_ROUNDINGS[word](steps) - zero) * scale).astype(np.float32)
    return made


def _bipolar(given: Sequence[Numbers], attributes: Mapping[str, Any]) -> Numbers:
    del attributes
    made: Numbers = (np.where(given[0] >= 0, 1.0, -1.0) * given[1]).astype(np.float32)
    return made


FOLDS: Final[Mapping[str, Fold]] = MappingProxyType(
    {"DequantizeLinear": _dequantized, "QuantizeLinear": _quantized}
    | {f"{domain}.{name}": _quant for domain in DOMAINS for name in ("Quant", "IntQuant")}
    | {f"{domain}.BipolarQuant": _bipolar for domain in DOMAINS}
)
"""Operator, with its domain where that is not ONNX's own -> its result from known inputs."""
