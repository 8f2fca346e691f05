"""What the planner would make of a layer at a density, before there are weights.

A filter of M weights has exactly n non-zero codes, at places that are equally likely and
independent of those of other filters. A position is then zero in all F filters of a walk with
probability (1 - n / M)^F, which is what a walk's load-adds follow from; all else (boundaries,
merges, window totals, halved chunks, the dense layer) does not depend on where the zeros are.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence

import numpy as np

from signbin.errors import PlanError
from signbin.layer_costs import LayerShape
from signbin.plan.cost import boundaries
from signbin.plan.layer import Layer
from signbin.plan.operations import window_total
from signbin.plan.planner import least_cost
from signbin.plan.stats import PatternStats, group_sizes, largest_group
from signbin.plan.strategies import Bucket
from signbin.plan.target import Target
from signbin.spec import Kernel, LowBitWeight

__all__ = [
    "counted_additions",
    "expected_additions",
    "expected_patterns",
    "expected_stats",
    "layer_of",
    "predicted_cycles",
    "random_weight",
]


def layer_of(shape: LayerShape, weight: LowBitWeight) -> Layer:
    """The layer of this shape with these weights; PlanError where they do not fit."""
    if weight.shape != shape.weight:
        raise PlanError("shape of the weights", value=weight.shape, allowed=str(shape.weight))
    height, width = shape.output
    return Layer("layer", shape.op, weight, shape.groups, shape.stride, (height, width), 1)


def random_weight(
    shape: Sequence[int], count: int, seed: int = 0, *, centred: bool = True
) -> LowBitWeight:
    """Signed-binary weights with ``count`` non-zero codes in every filter, at random places.

    The first half of the filters is positive. scale: sqrt(2 / count). centred: whether the offset
    makes every filter sum to zero.
    """
    filters, inputs = shape[0], int(np.prod(shape[1:]))
    if not 1 <= count <= inputs:
        raise PlanError("non-zero codes of a filter", value=count, allowed=f"1..{inputs}")
    random = np.random.Generator(np.random.PCG64([seed, filters, inputs, count]))
    ranks = random.random((filters, inputs)).argsort(axis=1).argsort(axis=1)
    sign = np.where(np.arange(filters) < filters // 2, 1, -1)
    codes = ((ranks < count) * sign[:, None]).astype(np.int8).reshape(tuple(shape))
    scale = np.full(filters, np.sqrt(2 / count), np.float32)
    offset = (-scale * sign * (count / inputs)).astype(np.float32) if centred else None
    return LowBitWeight(codes, scale, offset)


def expected_stats(layer: Layer, filters: int, count: int) -> PatternStats:
    """Patterns of F filters with ``count`` non-zero codes each, as they are to be expected.

    load_adds is rounded to a whole number.
    """
    empty = 1 - count / layer.inputs
    sizes = group_sizes(layer.filters // layer.groups, filters) * layer.groups
    counts = collections.Counter(sizes)
    used = layer.inputs * sum(number * (1 - empty**size) for size, number in counts.items())
    share = 1 - used / (layer.inputs * len(sizes))
    return PatternStats(filters, len(sizes), 1, round(used), share, (share,))


def expected_additions(layer: Layer, count: int) -> float:
    """Additions per output position that ``Bucket.counted`` would count, as expected.

    min over F of M * sum over groups of (1 - (1 - n/M)^size) + 2^size, and the window total.
    """
    weight = layer.weight
    if not isinstance(weight, LowBitWeight):
        raise PlanError(f"walk of {layer.name}", allowed="low-bit weights")
    largest = min(largest_group(weight), layer.filters // layer.groups)
    empty = 1 - count / layer.inputs
    found = []
    for filters in range(1, largest + 1):
        sizes = group_sizes(layer.filters // layer.groups, filters) * layer.groups
        found.append(sum(layer.inputs * (1 - empty**n) + boundaries(2, n) for n in sizes))
    return min(found) + (window_total(layer) if layer.needs_window_total else 0)


def counted_additions(layer: Layer) -> int:
    """Additions per output position of the walk of fewest, as ``signbin analyze`` counts them."""
    counted = Bucket().counted(layer)
    if counted is None:
        raise PlanError(f"walk of {layer.name}", allowed="low-bit weights")
    return counted.operations.additions


def predicted_cycles(
    layer: Layer,
    kernels: Sequence[Kernel],
    target: Target,
    expected: Mapping[int, PatternStats] | None = None,
) -> float:
    """Cycles of the cheapest option of the planner, for one image.

    expected: patterns to count with in place of the weights' own, by F.
    """
    vectors = np.prod(layer.output) * layer.images / target.lanes
    cost = least_cost(layer, kernels, target, expected)
    return float(cost / target.add_per_cycle * vectors)


def expected_patterns(layer: Layer, count: int) -> dict[int, PatternStats]:
    """:func:`expected_stats` for every F a walk can take."""
    weight = layer.weight
    largest = largest_group(weight) if isinstance(weight, LowBitWeight) else 1
    most = min(largest, layer.filters // layer.groups)
    return {filters: expected_stats(layer, filters, count) for filters in range(1, most + 1)}
