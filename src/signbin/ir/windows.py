"""Walks over the windows of an image, in whatever type the numbers have: one home for all ops.

Alphabet: N images, C channels, H x W pixels in, K filters, P x Q windows. Shapes have been verified
before any of these runs.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from signbin.ir.resampling import Table
from signbin.ir.schema import Arguments, Array, Margins

__all__ = [
    "Elements",
    "Real",
    "convolved",
    "largest_of_windows",
    "resampled",
    "shuffled",
    "sliced",
    "subsampled",
    "taps_per_window",
    "window_sums",
]

Elements = TypeVar("Elements", NDArray[np.float64], NDArray[np.float32], NDArray[np.uint8])
Real = TypeVar("Real", NDArray[np.float64], NDArray[np.float32])


def convolved(arguments: Arguments, weight: Real, x: Real) -> Real:
    """sum_{c,r,s} w[k,c,r,s] * x[n,c,p*s+r*d,q*s+s*d] over the filter's group, x zero outside.

    weight (K, C/groups, R, S), x (N, C, H, W) -> (N, K, P, Q), all computed in their dtype. One
    matrix product per tap: (K, C) x (C, N*P*Q), so memory stays at one copy of the input.
    """
    filters, depth, rows, columns = weight.shape
    groups = arguments.integer("groups")
    _, _, height, width = arguments.node.type.shape
    weight = weight.reshape(groups, filters // groups, depth, rows, columns)
    images = x.shape[0]
    padded = _padded(x, arguments.margins("padding"), 0).transpose(1, 0, 2, 3)
    total = np.zeros((groups, filters // groups, images * height * width), x.dtype)
    for row in range(rows):
        for column in range(columns):
            tap = _tap(arguments, padded, (row, column), arguments.pair("dilation"))
            total += weight[..., row, column] @ tap.reshape(groups, depth, -1)
    return total.reshape(filters, images, height, width).transpose(1, 0, 2, 3)


def largest_of_windows(arguments: Arguments, x: Elements, least: float) -> Elements:
    """Largest value of every window; the padding counts as ``least``."""
    padded = _padded(x, arguments.margins("padding"), least)
    result = np.full((x.shape[0], *arguments.node.type.shape[1:]), least, x.dtype)
    rows, columns = arguments.pair("kernel")
    for row in range(rows):
        for column in range(columns):
            tap = _tap(arguments, padded, (row, column), arguments.pair("dilation"))
            np.maximum(result, tap, out=result)
    return result


def window_sums(arguments: Arguments, x: Array) -> Array:
    """Sum of every window, the padding zero: (N, C, P, Q)."""
    padded = _padded(x, arguments.margins("padding"), 0.0)
    total = np.zeros((*x.shape[:2], *arguments.node.type.shape[2:]))
    rows, columns = arguments.pair("kernel")
    for row in range(rows):
        for column in range(columns):
            total += _tap(arguments, padded, (row, column), (1, 1))
    return total


def taps_per_window(arguments: Arguments, x: Array) -> Array:
    """What the sum of every window is divided by, (1, 1, P, Q) or one number (1, 1, 1, 1)."""
    if arguments.flag("count_include_pad"):
        rows, columns = arguments.pair("kernel")
        return np.full((1, 1, 1, 1), float(rows * columns))
    return window_sums(arguments, np.ones((1, 1, *x.shape[2:])))


def subsampled(arguments: Arguments, x: Elements, added: int) -> Elements:
    """Every stride-th pixel; the border and the channels around hold the number ``added``."""
    vertical, horizontal = arguments.pair("stride")
    kept = _padded(x, arguments.margins("padding"), added)[:, :, ::vertical, ::horizontal]
    channels = (arguments.integer("channels_before"), arguments.integer("channels_after"))
    return np.pad(kept, ((0, 0), channels, (0, 0), (0, 0)), constant_values=added)


def resampled(tables: tuple[Table, Table], x: Elements, fill: float = 0) -> Elements:
    """y[n,c,h,w] = x[n,c,rows[h],columns[w]], or the fill where a table says -1."""
    rows, columns = tables[0][:, None], tables[1]
    taken = x[:, :, rows, columns]
    taken[:, :, (rows < 0) | (columns < 0)] = fill
    return taken


def sliced(arguments: Arguments, x: Elements) -> Elements:
    """Some channels, one after the other."""
    first = arguments.integer("first")
    return x[:, first : first + arguments.integer("count")]


def shuffled(arguments: Arguments, x: Elements) -> Elements:
    """All channels, the first of every group before the second of any."""
    images, channels, *image = x.shape
    groups = arguments.integer("groups")
    grouped = x.reshape(images, groups, channels // groups, *image)
    return grouped.swapaxes(1, 2).reshape(x.shape)


def _padded(x: Elements, padding: Margins, value: float) -> Elements:
    if not any(padding):
        return x
    top, left, bottom, right = padding
    edges = ((0, 0), (0, 0), (top, bottom), (left, right))
    return np.pad(x, edges, constant_values=value)


def _tap(
    arguments: Arguments, padded: Elements, position: tuple[int, int], dilation: tuple[int, int]
) -> Elements:
    """The pixels that tap (row, column) of every window sees: last axes are P x Q."""
    slices = []
    for axis in range(2):
        first = position[axis] * dilation[axis]
        step = arguments.pair("stride")[axis]
        last = first + (arguments.node.type.shape[2 + axis] - 1) * step
        slices.append(slice(first, last + 1, step))
    return padded[..., slices[0], slices[1]]
