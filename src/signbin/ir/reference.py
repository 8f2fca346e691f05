"""Numpy references of the op table: the definition of what every op computes.

Inputs arrive as float64 copies of float32 values; sums accumulate in float64; the interpreter
rounds each result to float32 once. Shapes have been verified before any of these runs.
"""

from __future__ import annotations

import numpy as np

from signbin.ir.schema import Arguments, Array

__all__ = [
    "add",
    "avg_pool2d",
    "batch_norm",
    "channel_bias",
    "clamp",
    "conv2d",
    "flatten",
    "global_avg_pool",
    "leaky_relu",
    "linear",
    "max_pool2d",
    "prelu",
    "relu",
    "subsample_pad",
]


def conv2d(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y[n,k,p,q] = act(bias[k] + sum_{c,r,s} w[k,c,r,s] * x[n,c,p*s+r*d,q*s+s*d] + residual).

    The sum runs over the channels of the filter's group; x is zero outside the image.
    One matrix product per tap: (K, C) x (C, N*P*Q), so memory stays at one copy of the input.
    """
    weight = arguments.array("weight")
    filters, depth, rows, columns = weight.shape
    groups = arguments.integer("groups")
    _, _, height, width = arguments.node.type.shape
    weight = weight.reshape(groups, filters // groups, depth, rows, columns)
    images = inputs[0].shape[0]
    padded = _padded(inputs[0], arguments.pair("padding"), 0.0).transpose(1, 0, 2, 3)
    total = np.zeros((groups, filters // groups, images * height * width))
    for row in range(rows):
        for column in range(columns):
            tap = _tap(arguments, padded, (row, column), arguments.pair("dilation"))
            total += weight[..., row, column] @ tap.reshape(groups, depth, -1)
    result = total.reshape(filters, images, height, width).transpose(1, 0, 2, 3)
    return _epilogue(arguments, result, inputs)


def linear(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y[n,k] = act(bias[k] + sum_c w[k,c] * x[n,c] + residual)."""
    return _epilogue(arguments, inputs[0] @ arguments.array("weight").T, inputs)


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


def channel_bias(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """y = x + bias[c]."""
    return inputs[0] + _per_channel(arguments.array("bias"), inputs[0])


def max_pool2d(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Largest value of every window; the padding counts as -inf. NaN propagates."""
    padded = _padded(inputs[0], arguments.pair("padding"), -np.inf)
    result = np.full((inputs[0].shape[0], *arguments.node.type.shape[1:]), -np.inf)
    rows, columns = arguments.pair("kernel")
    for row in range(rows):
        for column in range(columns):
            tap = _tap(arguments, padded, (row, column), arguments.pair("dilation"))
            np.maximum(result, tap, out=result)
    return result


def avg_pool2d(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Sum of every window / taps; / taps inside the image without count_include_pad."""
    total = _window_sum(arguments, inputs[0])
    if arguments.flag("count_include_pad"):
        rows, columns = arguments.pair("kernel")
        return total / (rows * columns)
    inside = np.ones((1, 1, *inputs[0].shape[2:]))
    return total / _window_sum(arguments, inside)


def global_avg_pool(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Mean over all pixels of a channel."""
    return np.asarray(inputs[0].mean(axis=(2, 3), keepdims=True))


def flatten(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """The same numbers in NCHW order, one row per image."""
    return inputs[0].reshape(inputs[0].shape[0], -1)


def subsample_pad(arguments: Arguments, inputs: tuple[Array, ...]) -> Array:
    """Every stride-th pixel; channels of zeros before and after (option-A shortcut)."""
    vertical, horizontal = arguments.pair("stride")
    kept = inputs[0][:, :, ::vertical, ::horizontal]
    channels = (arguments.integer("channels_before"), arguments.integer("channels_after"))
    return np.pad(kept, ((0, 0), channels, (0, 0), (0, 0)))


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


def _padded(x: Array, padding: tuple[int, int], value: float) -> Array:
    if padding == (0, 0):
        return x
    vertical, horizontal = padding
    edges = ((0, 0), (0, 0), (vertical, vertical), (horizontal, horizontal))
    return np.pad(x, edges, constant_values=value)


def _tap(
    arguments: Arguments, padded: Array, position: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """The pixels that tap (row, column) of every window sees: last axes are P x Q."""
    slices = []
    for axis in range(2):
        first = position[axis] * dilation[axis]
        step = arguments.pair("stride")[axis]
        last = first + (arguments.node.type.shape[2 + axis] - 1) * step
        slices.append(slice(first, last + 1, step))
    return padded[..., slices[0], slices[1]]


def _window_sum(arguments: Arguments, x: Array) -> Array:
    padded = _padded(x, arguments.pair("padding"), 0.0)
    total = np.zeros((*x.shape[:2], *arguments.node.type.shape[2:]))
    rows, columns = arguments.pair("kernel")
    for row in range(rows):
        for column in range(columns):
            total += _tap(arguments, padded, (row, column), (1, 1))
    return total
