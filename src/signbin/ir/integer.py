"""Numpy references of the op table on u8 values: whole numbers, then the requantisation chain.

A code q of a value with zero point z stands for q - z steps of its scale. Sums of steps are exact:
computed in float32 where no partial sum can reach 2^24, otherwise in float64. Shapes, types and
the bound on sums have been verified before any of these runs.
"""

from __future__ import annotations

from typing import Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from signbin.ir import windows
from signbin.ir.requantization import Held, Requantization
from signbin.ir.resampling import fill_code, nearest_tables, pad_tables
from signbin.ir.schema import Arguments
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

__all__ = [
    "avg_pool2d",
    "channel_shuffle",
    "concat",
    "conv2d",
    "dequantize",
    "elementwise",
    "flatten",
    "global_avg_pool",
    "linear",
    "max_pool2d",
    "multiply",
    "pad",
    "quantize",
    "reshape",
    "resize_nearest",
    "slice_channels",
    "subsample_pad",
    "subtract",
    "unary",
]

_EXACT_IN_FLOAT32: Final = 2**24

Inputs: TypeAlias = tuple[Held, ...]
Codes: TypeAlias = NDArray[np.uint8]
Steps: TypeAlias = NDArray[np.float32]


def conv2d(arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """A[k] = sum code[k,i] * (q_i - z), T = sum (q_i - z) over the window; q = z outside."""
    return _weighted(arguments, constants, inputs, arguments.integer("groups"))


def linear(arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """A[k] = sum_c code[k,c] * (q_c - z), T = sum_c (q_c - z), of every row by itself."""
    rows = tuple(each.reshape(-1, each.shape[-1]) for each in inputs)
    return _weighted(arguments, constants, rows, 1).reshape(*inputs[0].shape[:-1], -1)


def elementwise(arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """A = q - z; the second operand of add is the residual."""
    assert constants is not None
    return constants.finish(_steps(arguments, inputs[0]), None, _residual(inputs))


def subtract(arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """A = q - z of the second operand, times a negative scale; the first is the residual."""
    assert constants is not None
    return constants.finish(_steps(arguments, inputs[1], 1), None, _codes(inputs[0]))


def multiply(arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """A = (q - z) of the first operand times (q - z) of the second, which float32 holds exactly."""
    assert constants is not None
    return constants.finish(_steps(arguments, inputs[0]) * _steps(arguments, inputs[1], 1))


def max_pool2d(arguments: Arguments, _constants: Requantization | None, inputs: Inputs) -> Held:
    """The largest code of every window; the padding counts as code 0."""
    return windows.largest_of_windows(arguments, _codes(inputs[0]), 0)


def avg_pool2d(arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """S = sum (q - z) over the window, q = z outside; fl(S) / fl(taps) goes into the chain."""
    assert constants is not None
    steps = _steps(arguments, inputs[0]).astype(np.float64)
    sums = windows.window_sums(arguments, steps).astype(np.float32)
    taps = windows.taps_per_window(arguments, steps).astype(np.float32)
    return constants.finish(sums / taps)


def global_avg_pool(arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """S = sum (q - z) over all pixels of a channel; fl(S) / fl(H*W) goes into the chain."""
    assert constants is not None
    steps = _steps(arguments, inputs[0]).astype(np.float64)
    sums = steps.sum(axis=(2, 3), keepdims=True).astype(np.float32)
    pixels = arguments.inputs[0].shape[2] * arguments.inputs[0].shape[3]
    return constants.finish(sums / np.float32(pixels))


def flatten(_arguments: Arguments, _constants: Requantization | None, inputs: Inputs) -> Held:
    """The same codes, one row per image."""
    return _codes(inputs[0]).reshape(len(inputs[0]), -1)


def reshape(arguments: Arguments, _constants: Requantization | None, inputs: Inputs) -> Held:
    """The same codes in the same order."""
    return _codes(inputs[0]).reshape(len(inputs[0]), *arguments.numbers("shape"))


def subsample_pad(arguments: Arguments, _constants: Requantization | None, inputs: Inputs) -> Held:
    """The codes of every stride-th pixel; added channels hold the zero point."""
    return windows.subsampled(arguments, _codes(inputs[0]), _spec(arguments).zero_point)


def pad(arguments: Arguments, _constants: Requantization | None, inputs: Inputs) -> Held:
    """The same codes in a border, which holds the code of its number."""
    fill = fill_code(arguments.real("value"), _spec(arguments))
    return windows.resampled(pad_tables(arguments), _codes(inputs[0]), fill)


def resize_nearest(arguments: Arguments, _constants: Requantization | None, inputs: Inputs) -> Held:
    """The codes of the pixels that are fallen on."""
    return windows.resampled(nearest_tables(arguments), _codes(inputs[0]))


def concat(_arguments: Arguments, _constants: Requantization | None, inputs: Inputs) -> Held:
    """The channels of all parts, each of which has been through a chain of its own, A = q - z."""
    return np.concatenate(inputs, axis=1)


def slice_channels(arguments: Arguments, _constants: Requantization | None, inputs: Inputs) -> Held:
    """The codes of some channels."""
    return windows.sliced(arguments, _codes(inputs[0]))


def channel_shuffle(
    arguments: Arguments, _constants: Requantization | None, inputs: Inputs
) -> Held:
    """The same codes, channels interleaved."""
    return windows.shuffled(arguments, _codes(inputs[0]))


def quantize(_arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """x in place of fl(A): the product with the inverse scale, rounded to a code."""
    assert constants is not None
    return constants.finish(cast(Steps, inputs[0]))


def unary(_arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """Every code looked up in the table of the node's numbers."""
    assert constants is not None
    return constants.looked_up(_codes(inputs[0]))


def dequantize(arguments: Arguments, constants: Requantization | None, inputs: Inputs) -> Held:
    """(q - z) * scale."""
    assert constants is not None
    return constants.finish(_steps(arguments, inputs[0]))


def _weighted(
    arguments: Arguments, constants: Requantization | None, inputs: Inputs, groups: int
) -> Held:
    assert constants is not None
    weight = arguments.constant("weight")
    assert isinstance(weight, LowBitWeight | IntegerWeight)
    steps, total = _steps(arguments, inputs[0]), None
    if constants.offset is not None:
        ones = np.ones((groups, *weight.codes.shape[1:]), np.int8)
        total = _whole_sums(arguments, ones, steps)
        total = np.repeat(total, weight.shape[0] // groups, axis=1)
    return constants.finish(_whole_sums(arguments, weight.codes, steps), total, _residual(inputs))


def _whole_sums(arguments: Arguments, codes: NDArray[np.int8], steps: Steps) -> Steps:
    """fl of the exact sums of code * step under every filter."""
    spec = _spec(arguments)
    largest = np.abs(codes).reshape(len(codes), -1).sum(axis=1, dtype=np.int64).max()
    if int(largest) * max(spec.zero_point, spec.top - spec.zero_point) < _EXACT_IN_FLOAT32:
        return _products(arguments, codes.astype(np.float32), steps)
    wide = _products(arguments, codes.astype(np.float64), steps.astype(np.float64))
    return wide.astype(np.float32)


def _products(arguments: Arguments, codes: windows.Real, steps: windows.Real) -> windows.Real:
    if codes.ndim == 2:
        return steps @ codes.T
    return windows.convolved(arguments, codes, steps)


def _spec(arguments: Arguments, operand: int = 0) -> ActivationSpec:
    spec = arguments.inputs[operand].quantization
    assert spec is not None
    return spec


def _steps(arguments: Arguments, value: Held, operand: int = 0) -> Steps:
    return value.astype(np.float32) - np.float32(_spec(arguments, operand).zero_point)


def _codes(value: Held) -> Codes:
    return cast(Codes, value)


def _residual(inputs: Inputs) -> Codes | None:
    return _codes(inputs[1]) if len(inputs) > 1 else None
