"""Numpy references of the op table: the definition of what every op computes.

Inputs arrive as float64 copies of float32 values; sums accumulate in float64; the interpreter
rounds each result to float32 once. Shapes have been verified before any of these runs.
"""

from __future__ import annotations

import numpy as np

from signbin.ir import windows
from signbin.ir.functions import FUNCTIONS
from signbin.ir.resampling import nearest_tables, pad_tables
from signbin.ir.schema import Arguments, Array

__all__ = [
    "add",
    "avg_pool2d",
    "batch_norm",
    "channel_bias",
    "channel_shuffle",
    "clamp",
    "concat",
    "conv2d",
    "flatten",
    "global_avg_pool",
    "leaky_relu",
    "linear",
    "max_pool2d",
    "multiply",
    "pad",
    "prelu",
    "relu",
    "reshape",
    "resize_nearest",
    "slice_channels",
    "subsample_pad",
    "subtract",
    "unary",
]


def conv2d(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y[n,k,p,q] = act(bias[k] + sum_{c,r,s} w[k,c,r,s] * x[n,c,p*s+r*d,q*s+s*d] + residual).

    The sum runs over the channels of the filter's group; x is zero outside the image.
    """
    return _epilogue(
        arguments, windows.convolved(arguments, arguments.array("weight"), inputs[0]), inputs
    )


def linear(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y[n,...,k] = act(bias[k] + sum_c w[k,c] * x[n,...,c] + residual)."""
    rows = tuple(each.reshape(-1, each.shape[-1]) for each in inputs)
    result = _epilogue(arguments, rows[0] @ arguments.array("weight").T, rows)
    return result.reshape(*inputs[0].shape[:-1], -1)


def batch_norm(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel."""
    x = inputs[0]
    factor = arguments.array("scale") / np.sqrt(
        arguments.array("variance") + arguments.real("epsilon")
    )
    centred = x - _per_channel(arguments.array("mean"), x)
    return centred * _per_channel(factor, x) + _per_channel(arguments.array("bias"), x)


def relu(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = max(x, 0)."""
    return np.maximum(inputs[0], 0.0)


def leaky_relu(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = x if x > 0 else slope * x."""
    return _leaky(inputs[0], np.float64(arguments.real("slope")))


def prelu(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = x if x > 0 else slope[c] * x."""
    return _leaky(inputs[0], _per_channel(arguments.array("slope"), inputs[0]))


def clamp(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = min(max(x, low), high)."""
    return np.clip(inputs[0], arguments.real("low"), arguments.real("high"))


def add(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """z = x + y."""
    return inputs[0] + inputs[1]


def subtract(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """z = x - y."""
    return inputs[0] - inputs[1]


def multiply(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """z = x * y; the smaller one is repeated along the axes where it has one element."""
    return inputs[0] * inputs[1]


def channel_bias(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = x + bias[c]."""
    return inputs[0] + _per_channel(arguments.array("bias"), inputs[0])


def max_pool2d(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Largest value of every window; the padding counts as -inf. NaN propagates."""
    return windows.largest_of_windows(arguments, inputs[0], -np.inf)


def avg_pool2d(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Sum of every window / taps; / taps inside the image without count_include_pad."""
    return windows.window_sums(arguments, inputs[0]) / windows.taps_per_window(arguments, inputs[0])


def global_avg_pool(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Mean over all pixels of a channel."""
    return np.asarray(inputs[0].mean(axis=(2, 3), keepdims=True))


def flatten(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """The same numbers in NCHW order, one row per image."""
    return inputs[0].reshape(inputs[0].shape[0], -1)


def reshape(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """The same numbers in the same order."""
    return inputs[0].reshape(len(inputs[0]), *arguments.numbers("shape"))


def subsample_pad(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Every stride-th pixel; channels of zeros before and after (option-A shortcut)."""
    return windows.subsampled(arguments, inputs[0], 0)


def unary(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = function(x), element by element."""
    return FUNCTIONS[arguments.word("function")].value(inputs[0], arguments.real("alpha"))


def pad(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """The image in a border, or cut."""
    return windows.resampled(pad_tables(arguments), inputs[0], arguments.real("value"))


def resize_nearest(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Every pixel the one of the image that it falls on."""
    return windows.resampled(nearest_tables(arguments), inputs[0])


def concat(_arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """The channels of all inputs, in order."""
    return np.concatenate(inputs, axis=1)


def slice_channels(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = x[:, first : first + count]."""
    return windows.sliced(arguments, inputs[0])


def channel_shuffle(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y[:, c * groups + g] = x[:, g * C / groups + c]."""
    return windows.shuffled(arguments, inputs[0])


def _epilogue(arguments: Arguments, total: Array, inputs: tuple[Array, ...]) -> Array:
    """Act(total + bias + residual) + post_bias."""
    if arguments.has("bias"):
        total = total + _per_channel(arguments.array("bias"), total)
    if len(inputs) == 2:
        total = total + inputs[1]
    activation = arguments.word("activation")
    if activation == "relu":
        total = np.maximum(total, 0.0)
    elif activation == "leaky_relu":
        total = _leaky(total, np.float64(arguments.real("slope")))
    elif activation == "prelu":
        total = _leaky(total, _per_channel(arguments.array("prelu"), total))
    elif activation == "clamp":
        total = np.clip(total, arguments.real("low"), arguments.real("high"))
    if arguments.has("post_bias"):
        total = total + _per_channel(arguments.array("post_bias"), total)
    return total


def _leaky(x: Array, slope: Array | np.float64) -> Array:
    return np.where(x > 0, x, slope * x)


def _per_channel(vector: Array, x: Array) -> Array:
    """The vector reshaped so that it broadcasts along axis 1 of x."""
    return vector.reshape((1, -1) + (1,) * (x.ndim - 2))
