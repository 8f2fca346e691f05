"""Exactly what a strategy does: additions, multiplications and the bytes it reads."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from signbin.errors import PlanError
from signbin.plan.cost import boundaries
from signbin.plan.grouping import order_of_chunks
from signbin.plan.layer import Layer
from signbin.plan.stats import group_sizes, has_binary_filter, walk_digits, walk_radix
from signbin.spec import LowBitWeight

__all__ = ["Operations", "dense_operations", "largest_sum", "walk_operations", "window_total"]

_UNBOUNDED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Operations:
    """Per output position, for all filters of a layer.

    additions: additions and subtractions of sums, whatever makes them; one multiply-add of a
    dense layer is one multiplication and, but for the first of a filter, one addition. The sum
    of all inputs of the window counts where an output uses it, once for all filters; what fp32
    kernels add for NaN's sake does not. load_adds: those of them by which a bucket walk adds its
    inputs, one for every input that some filter of the walk uses. multiplications: one per filter
    for its scale, or one per weight. size_bytes: offsets, counts and weights that are read beside
    activations, packed as the kernels read them; of lists of shared sums two bytes per operand and
    target.
    """

    additions: int
    multiplications: int
    size_bytes: int
    load_adds: int = 0


def dense_operations(layer: Layer) -> Operations:
    """M products and M - 1 additions per filter; float32 weights, or integers on codes."""
    size = layer.multiply_adds * (1 if layer.activations == "u8" else 4)
    additions = (layer.inputs - 1) * layer.filters
    return Operations(additions, layer.multiply_adds, size)


def largest_sum(layer: Layer) -> int:
    """Inputs that one sum of codes may add: their largest codes must fit 16 bits together."""
    return 65535 // layer.top if layer.activations == "u8" else _UNBOUNDED


def window_total(layer: Layer) -> int:
    """Additions for the sum of all inputs of a window, once for all filters.

    C * stride^2 per position for the sums over the channels, which neighbouring windows share,
    and R * S for the window; for each convolution group.
    """
    return layer.groups * (layer.channels * layer.stride**2 + math.prod(layer.window))


def walk_operations(
    layer: Layer, parameters: Mapping[str, int], order: Sequence[Sequence[int]] = ()
) -> Operations:
    """What the bucket walk does, as it is packed: PlanError for weights that are not low-bit.

    order: which filters share a walk, as in LayerPlan.

    Filters without a non-zero digit among the inputs of a chunk are left out of its walk; a walk
    on codes whose sum would not fit 16 bits is halved, again and again.
    """
    weight = layer.weight
    if not isinstance(weight, LowBitWeight):
        raise PlanError(f"bucket walk of {layer.name}", allowed="low-bit weights")
    two_groups = bool(parameters.get("two_groups"))
    radix = 3 if two_groups else walk_radix(weight)
    digits = walk_digits(weight, radix).reshape(layer.filters, layer.channels, -1)
    shape = _Shape(parameters["filters"], radix, largest_sum(layer), bool(parameters.get("zeros")))
    found = np.zeros(4, dtype=np.int64)
    chunks = math.ceil(layer.channels / parameters["chunk"])
    rows = iter(order_of_chunks(order, layer.groups, chunks))
    for group in np.split(digits, layer.groups):
        parts = np.zeros(len(group), dtype=np.int64)
        for start in range(0, layer.channels, parameters["chunk"]):
            chunk = group[:, start : start + parameters["chunk"]].reshape(len(group), -1)
            row = np.array(next(rows, range(len(group))), dtype=np.intp)
            ordered = parts[row]
            found += _chunk(chunk[row], shape, ordered)
            parts[row] = ordered
        found[2] += np.maximum(parts - 1, 0).sum()
    load_adds, crossed, merges, words = (int(number) for number in found)
    shared = weight.offset is not None or (radix == 2 and has_binary_filter(weight))
    total = window_total(layer) if shared else 0
    additions = load_adds + crossed + merges + total
    return Operations(additions, layer.filters, 2 * words, load_adds)


@dataclasses.dataclass(frozen=True)
class _Shape:
    """Filters per walk, radix, most non-zero digits of a filter per walk, pattern 0 walked."""

    filters: int
    radix: int
    bound: int
    zeros: bool


def _chunk(
    digits: NDArray[np.int8 | np.uint8], shape: _Shape, parts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Load-adds, boundaries, 0 and words of one chunk (K, inputs); counts each filter's parts."""
    found, first = np.zeros(4, dtype=np.int64), 0
    for size in group_sizes(len(digits), shape.filters):
        rows = slice(first, first + size)
        found += _walk(digits[rows], shape, parts[rows])
        first += size
    return found


def _walk(
    digits: NDArray[np.int8 | np.uint8], shape: _Shape, parts: NDArray[np.int64]
) -> NDArray[np.int64]:
    used = np.count_nonzero(digits, axis=1)
    if np.any(used > shape.bound):
        half = digits.shape[1] // 2
        return _walk(digits[:, :half], shape, parts) + _walk(digits[:, half:], shape, parts)
    live = used > 0 if not shape.zeros else np.ones(len(digits), np.bool_)
    if not live.any():
        return np.zeros(4, dtype=np.int64)
    parts += live
    filters = int(np.count_nonzero(live))
    walked = digits.shape[1] if shape.zeros else np.count_nonzero(digits.any(axis=0))
    lists = 3**filters - 1 if shape.radix == 3 else 2**filters - 1
    crossed = boundaries(shape.radix, filters) + (shape.zeros and shape.radix == 3)
    return np.array([walked, crossed, 0, walked + lists + shape.zeros], dtype=np.int64)
