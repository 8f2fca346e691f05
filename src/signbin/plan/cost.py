"""The cost model: counted operations, and the time a target is predicted to need for them.

Counts are per vector of output pixels and for all filters of the layer. The predicted cost is
stated in *vector operations*: one is the time of one vector addition between registers on the
target. Cost is a prediction for choosing, never a measurement.
"""

from __future__ import annotations

import dataclasses
import math

from signbin.plan.layer import Layer
from signbin.plan.stats import PatternStats, group_sizes
from signbin.plan.target import Target

__all__ = ["Tile", "WalkCounts", "buckets", "dense_cost", "lane_waste", "walk_cost", "walk_counts"]

_BYTES_PER_VALUE = 4
# Fitted to times of our AVX2 walks over ResNet-18's layers, with every F, V and chunk. A load that
# misses the first cache takes this many times as long as one that hits, and a quarter of the cache
# holds offsets and outputs; past the second cache everything halves. A boundary costs so many
# cycles more per vector once V sums, V values of the lowest bit and two more fill the registers. A
# filter's share of starting a walk and of storing its chunk's result: cycles per vector.
_L2_LOAD_COST = 3.0
_L1_SHARE_FOR_INPUTS = 0.75
_L3_LOAD_SHARE = 0.5
_SPILL_CYCLES = 0.9
_MERGE_CYCLES = 6.0


@dataclasses.dataclass(frozen=True)
class Tile:
    """F filters walked together, V vectors of pixels at once, input channels per chunk."""

    filters: int
    vectors: int
    chunk: int


@dataclasses.dataclass(frozen=True)
class WalkCounts:
    """Vector operations of one bucket walk over all filters, per vector of output pixels.

    load_adds: inputs added to the running sum, M * (1 - p0) summed over the groups.
    boundaries: bucket boundaries crossed, one subtraction each: chunks * sum of buckets(F) over
    the groups. window_total: additions for the sum of all inputs of the window, shared by all
    filters, for binary weights and weights with an offset: C * stride^2 for the sum over the
    channels, once per input position, and R * S for the window. merges: additions that
    accumulate the chunks' results, K * chunks.
    """

    load_adds: int
    boundaries: int
    window_total: int
    merges: int

    @property
    def additions(self) -> int:
        """All of them: the number to hold against the dense layer's multiply-adds."""
        return self.load_adds + self.boundaries + self.window_total + self.merges


def buckets(radix: int, filters: int) -> int:
    """Boundaries of one walk over F filters: 2^F, at radix 3 (ternary) (3^F - 1) / 2.

    An empty bucket's boundary is crossed, too. Ternary patterns are taken modulo sign.
    """
    return (3**filters - 1) // 2 if radix == 3 else 1 << filters


def walk_counts(layer: Layer, stats: PatternStats, chunk: int) -> WalkCounts:
    """Operations of the bucket walk of ``layer``, counted from its weights."""
    chunks = -(-layer.channels // chunk)
    radix, shared = layer.radix, layer.needs_window_total
    sizes = group_sizes(layer.filters // layer.groups, stats.filters)
    boundaries = sum(buckets(radix, size) for size in sizes)
    total = layer.channels * layer.stride**2 + math.prod(layer.window)
    return WalkCounts(
        load_adds=stats.load_adds,
        boundaries=layer.groups * chunks * boundaries,
        window_total=layer.groups * total if shared else 0,
        merges=layer.filters * chunks,
    )


def walk_cost(layer: Layer, counts: WalkCounts, tile: Tile, target: Target) -> float:
    """Predicted vector operations of the walk on ``target``, per vector of output pixels.

    A load-add takes max(1 / add rate, 1 / load rate + offset_cycles / V, add_latency / V)
    cycles: V vectors share an offset, and their V running sums are the only additions that do
    not wait for one another; past L1 the load rate drops. A boundary takes one addition
    and bucket_cycles / V, and more where 2 V + 2 vectors fill the registers.
    """
    add = 1 / target.add_per_cycle
    load_rate = target.load_per_cycle * _load_share(layer, tile, target)
    shared = max(1 / load_rate + target.offset_cycles / tile.vectors, add)
    load_add = max(shared, target.add_latency / tile.vectors)
    boundary = add + target.bucket_cycles / tile.vectors
    if 2 * tile.vectors + 2 >= target.registers:
        boundary += _SPILL_CYCLES
    cycles = (
        counts.load_adds * load_add
        + counts.boundaries * boundary
        + counts.window_total * max(add, 1 / load_rate)
        + counts.merges * _MERGE_CYCLES
    )
    return cycles * target.add_per_cycle * lane_waste(layer, tile.vectors, target.lanes)


def dense_cost(layer: Layer, vectors: int, target: Target) -> float:
    """Predicted vector operations of the dense layer: M * K multiply-adds at the target's rate.

    A dense linear layer takes its vectors over inputs, not over images: no lane is wasted.
    """
    waste = 1.0 if layer.op == "linear" else lane_waste(layer, max(vectors, 1), target.lanes)
    return layer.multiply_adds / target.fma_per_cycle * target.add_per_cycle * waste


def lane_waste(layer: Layer, vectors: int, lanes: int) -> float:
    """Pixels computed / pixels wanted.

    A convolution cuts its output image into ``lanes`` blocks of equal size, as many rows by
    columns of blocks as computes least, and every block rounds up to V pixels: nothing is wasted
    at 56x56 on 8 lanes, 14 % at 7x7. A linear layer has one lane per image.
    """
    if layer.op == "linear":
        return -(-layer.images // (vectors * lanes)) * vectors * lanes / layer.images
    height, width = layer.output
    block = min(
        -(-height // rows) * -(-width // (lanes // rows))
        for rows in range(1, lanes + 1)
        if lanes % rows == 0
    )
    return -(-block // vectors) * vectors * lanes / (height * width)


def _load_share(layer: Layer, tile: Tile, target: Target) -> float:
    """Share of the L1 load rate: every group of filters reads the inputs under a tile again.

    They are R rows of (V-1) * stride + S pixels, a vector each, for every channel of the chunk.
    """
    rows, columns = layer.window
    width = (tile.vectors - 1) * layer.stride + columns
    size = tile.chunk * rows * width * target.lanes * _BYTES_PER_VALUE
    missing = max(0.0, 1 - _L1_SHARE_FOR_INPUTS * target.l1_bytes / size)
    share = 1 / (1 + (_L2_LOAD_COST - 1) * missing)
    return share if size <= target.l2_bytes else share * _L3_LOAD_SHARE
