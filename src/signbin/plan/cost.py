"""The cost model: counted operations, and the time a target is predicted to need for them.

Counts are per vector of output pixels and for all filters of the layer. The predicted cost is
stated in *vector operations*: one is the time of one vector addition between registers on the
target. Cost is a prediction for choosing, never a measurement. Walks that become machine code are
priced in generated.py.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from signbin.plan.layer import Layer
from signbin.plan.stats import PatternStats, group_sizes
from signbin.plan.target import Target

__all__ = [
    "Tile",
    "WalkCounts",
    "block_extent",
    "boundaries",
    "buckets",
    "dense_cost",
    "lane_waste",
    "load_share",
    "relayout_cycles",
    "total_cycles",
    "vector_lanes",
    "walk_cost",
    "walk_counts",
]

_FLOAT_BYTES: Final = 4
_LARGEST_CODE_VECTOR: Final = 32  # bytes
_LONG_LANES: Final = 16  # of a vector of floats that is a whole line
_LARGEST_SUM: Final = 2**16 - 1  # of a walk over codes
# Fitted to times of our AVX2 walks over ResNet-18's layers, with every F, V and chunk. A load that
# misses the first cache takes this many times as long as one that hits (of floats: see Target), and
# a quarter of the cache holds offsets and outputs; past the second cache everything halves. A
# boundary costs so many cycles more per vector once V sums, V values of the lowest bit and two more
# fill the registers. A filter's share of starting a walk and of storing its chunk's result: cycles
# per vector.
_CODE_L2_LOAD_COST: Final = 2.0
_L1_SHARE_FOR_INPUTS: Final = 0.75
_L3_LOAD_SHARE: Final = 0.5
_SPILL_CYCLES: Final = 0.9
_FLOAT_MERGE_CYCLES: Final = 6.0  # of codes: see Target


@dataclasses.dataclass(frozen=True)
class _Beside:
    """Cycles of a walked convolution beside its load-adds and boundaries.

    channel, tap: of a vector, to add an input to the total of its pixel, and that of a pixel to its
    window's: each waits for the one before. group: to find a vector's windows in a convolution
    group; group_tile: the same whatever V is. walk: to begin with one at a tile, for which its
    first lists are never foreseen. Fitted on a Zen 4 to 7500 times of tiles, over all convolutions
    of the grid of benchmarks, half of which are within 8 %; those of AVX2 on floats to 1000 of
    layers of few inputs, within 12 %.
    """

    channel: float
    tap: float
    group: float
    group_tile: float = 0.0
    walk: float = 0.0


_BESIDE: Final = {
    "f32": _Beside(channel=1.5, tap=1.0, group=25.0),
    "u8": _Beside(channel=3.0, tap=5.2, group=20.0, group_tile=37.0, walk=22.0),
}
_LONG_BESIDE: Final = _Beside(channel=2.5, tap=4.2, group=44.0, walk=43.0)  # f32, whole lines
# Windows that share no pixel, of as many rows as a set of the first cache has lines: cycles of a
# load, which finds nothing there; fitted to 16x16 pixels of 3 channels. Half a line of floats is
# faster.
_WAYS: Final = 8
_SCATTERED_CYCLES: Final = 4.0
_SCATTERED_HALF_CYCLES: Final = 2.0
# A dense convolution of floats, cycles per vector of pixels: to bring a sum to its place, and to
# begin with a convolution group.
_DENSE_OUTPUT_CYCLES: Final = 8.7
_DENSE_GROUP_CYCLES: Final = 18.0
# Of a depthwise one: a tap of a filter, and to bring a vector of inputs close.
_DEPTHWISE: Final = {"avx2": (1.1, 2.9), "avx512": (1.73, 3.0)}
# Cycles to move a vector of codes into other blocks.
_RELAYOUT_CYCLES: Final = 12.0


@dataclasses.dataclass(frozen=True)
class _LinearRates:
    """Cycles of a dense linear layer on floats; filters fill up panels of ``panel``.

    product: of an image. weight: to bring one close, once per call. output: to bring a sum to its
    place. layer: to begin. Fitted on a Zen 4 to 36 cases, 8 to 1024 filters of 64 to 1024 inputs, 1
    to 16 images: nine of ten are within 17 %. output is of 64 images of 64 and 512 filters, since
    panels end by the vector. far: to bring a weight close that the second cache does not keep, once
    per call; fitted to 21 cases of 2^20 to 2^24 weights, 4 to 64 images, half of which are within
    18 %, nine of ten within 28 %; of AVX2 it was not.
    """

    panel: int
    product: float
    weight: float
    output: float
    layer: float
    far: float = 0.0


_LINEAR_RATES: Final = {
    "avx2": _LinearRates(panel=16, product=0.059, weight=0.093, output=0.7, layer=340.0),
    "avx512": _LinearRates(
        panel=32, product=0.054, weight=0.088, output=0.75, layer=255.0, far=0.3
    ),
}
# Cycles of a linear layer beside its walks, per image: to turn an input into its lane, and to bring
# a sum to its place. Fitted to 16 shapes on codes, 10 to 1024 filters of 16 to 1024 inputs; on
# floats to 16 and 64 images of 10 and 64 filters.
_TURN_CYCLES: Final = {"u8": 1.0, "f32": 2.5}
_PLACE_CYCLES: Final = 10.0
# Lists of a walk over codes that the second cache does not keep beside an image: cycles to bring a
# byte close, once per image. Fitted to 17 layers of ResNet-18 and ResNet-50: the walks of maps of 7
# x 7 pixels and less take 1.4 to 1.7 times as long as without this.
_LIST_CYCLES: Final = 1.6
_KEPT_LIST_BYTES: Final = 128 * 1024
# Cycles until a sum of codes can be added to again, whatever the floats take.
_CODE_ADD_LATENCY: Final = 1.5


@dataclasses.dataclass(frozen=True)
class Tile:
    """F filters walked together, V vectors of pixels at once, input channels per chunk.

    together: walks that a generated function interleaves; 0 where no code is generated.
    """

    filters: int
    vectors: int
    chunk: int
    together: int = 0


@dataclasses.dataclass(frozen=True)
class WalkCounts:
    """Vector operations of one bucket walk over all filters, per vector of output pixels.

    load_adds: inputs added to the running sum, M * (1 - p0) summed over the groups.
    boundaries: additions at the boundaries of buckets: boundaries(F) summed over the walks.
    window_total: additions for the sum of all inputs of the window, shared by all
    filters, for binary weights and weights with an offset: C * stride^2 for the sum over the
    channels, once per input position, and R * S for the window. results: sums that walks end
    with, F summed over the walks. merges: additions that accumulate them: one less per filter.
    walks: groups * chunks, more where sums of codes would not fit 16 bits.
    """

    load_adds: int
    boundaries: int
    window_total: int
    merges: int
    results: int
    walks: int

    @property
    def additions(self) -> int:
        """All of them: the number to hold against the dense layer's multiply-adds.

        Exact but for filters without non-zeros in a chunk, which a walk leaves out, and walks on
        codes that are split because their sums would not fit: see walk.py for those.
        """
        return self.load_adds + self.boundaries + self.window_total + self.merges


def buckets(radix: int, filters: int) -> int:
    """Boundaries of one walk over F filters: 2^F, at radix 3 (ternary) (3^F - 1) / 2.

    An empty bucket's boundary is crossed, too; generated walks of codes leave out flips that
    cancel, and so make fewer. Ternary patterns are taken modulo sign.
    """
    return (3**filters - 1) // 2 if radix == 3 else 1 << filters


def boundaries(radix: int, filters: int) -> int:
    """Additions at the boundaries of one walk over F filters.

    Radix 2: one where a bit flips, 2^F. Radix 3: one where a digit changes, between buckets, and
    one per filter at the end.
    """
    return buckets(radix, filters) - 1 + filters if radix == 3 else 1 << filters


def walk_counts(layer: Layer, stats: PatternStats, chunk: int) -> WalkCounts:
    """Operations of the bucket walk of ``layer``, counted from its weights."""
    shared = layer.needs_window_total
    total = layer.channels * layer.stride**2 + math.prod(layer.window)
    of_size = _walks_of_size(layer, stats.filters, chunk)
    results = sum(count * size for size, count in of_size.items())
    return WalkCounts(
        load_adds=stats.load_adds,
        boundaries=sum(count * boundaries(layer.radix, size) for size, count in of_size.items()),
        window_total=layer.groups * total if shared else 0,
        merges=results - layer.filters,
        results=results,
        walks=sum(of_size.values()),
    )


def walk_cost(layer: Layer, counts: WalkCounts, tile: Tile, target: Target) -> float:
    """Predicted vector operations of the walk on ``target``, per vector of output pixels.

    A load-add takes max(1 / add rate, 1 / load rate + offset_cycles / V, add_latency / V)
    cycles: V vectors share an offset, and their V running sums are the only additions that do
    not wait for one another; past L1 the load rate drops. A boundary takes one addition
    and bucket_cycles / V for each list of inputs behind it (radix 3: one to add, one to subtract),
    and more where outputs wait in memory: at radix 3, and where 2 V + 2 vectors fill the registers.
    """
    codes = layer.activations == "u8"
    add = (target.code_adds if codes else 1) / target.add_per_cycle
    latency = _CODE_ADD_LATENCY if codes else target.add_latency
    load_rate = target.load_per_cycle * load_share(layer, tile, target)
    shared = max(1 / load_rate + target.offset_cycles / tile.vectors, add)
    load_add = max(shared, latency / tile.vectors)
    boundary = add + (layer.radix - 1) * target.bucket_cycles / tile.vectors
    if layer.radix == 3 or 2 * tile.vectors + 2 >= target.registers:
        boundary += _SPILL_CYCLES
    cycles = (
        counts.load_adds * load_add
        + counts.boundaries * boundary
        + total_cycles(layer, target)
        + counts.results * (target.merge_cycles if codes else _FLOAT_MERGE_CYCLES)
        + _tile_cycles(layer, counts, tile, target)
        + relayout_cycles(layer, target)
        + _image_cycles(layer, target)
    )
    waste = lane_waste(layer, tile.vectors, vector_lanes(layer, target))
    if codes and layer.op == "conv2d" and not target.is_arm:
        computed = math.prod(layer.output) / vector_lanes(layer, target) * waste
        cycles += _list_cycles(counts) / computed
    return cycles * target.add_per_cycle * waste / (target.walk_share if codes else 1.0)


def total_cycles(layer: Layer, target: Target) -> float:
    """Cycles of a vector of output pixels for the sums of all inputs of its windows.

    Convolutions of floats by walks always make them: they tell whether any input is infinite.
    """
    if layer.op == "linear":
        return layer.channels if layer.needs_window_total else 0.0
    if not layer.needs_window_total and layer.activations == "u8":
        return 0.0
    beside = _beside(layer, target)
    pixel = layer.channels * layer.stride**2 * beside.channel
    return layer.groups * (pixel + math.prod(layer.window) * beside.tap)


def _beside(layer: Layer, target: Target) -> _Beside:
    long = layer.activations == "f32" and target.lanes >= _LONG_LANES
    return _LONG_BESIDE if long else _BESIDE[layer.activations]


def _tile_cycles(layer: Layer, counts: WalkCounts, tile: Tile, target: Target) -> float:
    """Cycles per vector to begin with a convolution's groups and walks at every tile."""
    if layer.op == "linear":
        return 0.0
    beside = _beside(layer, target)
    started = layer.groups * beside.group_tile + counts.walks * beside.walk
    return layer.groups * beside.group + started / tile.vectors


def _image_cycles(layer: Layer, target: Target) -> float:
    """Cycles of a linear layer for every vector of images, whatever its walks take."""
    if layer.op != "linear":
        return 0.0
    each = _TURN_CYCLES[layer.activations] * layer.channels + _PLACE_CYCLES * layer.filters
    return each * vector_lanes(layer, target)


def _list_cycles(counts: WalkCounts) -> float:
    """Cycles per image to read offsets and boundaries, two bytes each, where they are many."""
    size = 2 * (counts.load_adds + counts.boundaries)
    return max(0, size - _KEPT_LIST_BYTES) * _LIST_CYCLES


def dense_cost(layer: Layer, vectors: int, target: Target) -> float:
    """Predicted vector operations of the dense layer: M * K multiply-adds at the target's rate.

    A dense linear layer takes its vectors over inputs, not over images: no lane is wasted.
    """
    lanes = vector_lanes(layer, target)
    if layer.op != "linear":
        waste = lane_waste(layer, max(vectors, 1), lanes)
        return _dense_cycles(layer, target) * target.add_per_cycle * waste
    rates = _LINEAR_RATES.get(target.isa)
    if layer.activations == "u8" or rates is None:
        return layer.multiply_adds / target.fma_per_cycle * target.add_per_cycle
    images = layer.images * math.prod(layer.output)
    weights = math.ceil(layer.filters / rates.panel) * rates.panel * layer.inputs
    cycles = weights * (rates.product + rates.weight / images) + rates.output * layer.filters
    far = max(0.0, weights - target.l2_bytes / _FLOAT_BYTES) * rates.far
    return (cycles + (rates.layer + far) / images) * lanes * target.add_per_cycle


def _dense_cycles(layer: Layer, target: Target) -> float:
    """Of a convolution on floats, per vector of pixels, whose lanes are pixels."""
    products = layer.multiply_adds / target.fma_per_cycle
    if target.lanes == 1:
        return products
    depthwise = _DEPTHWISE.get(target.isa)
    if layer.is_depthwise and depthwise is not None:
        tap, given = depthwise
        return layer.multiply_adds * tap + layer.groups * layer.stride**2 * given
    begun = layer.groups * _DENSE_GROUP_CYCLES if layer.groups > 1 else 0.0
    return products + layer.filters * _DENSE_OUTPUT_CYCLES + begun


def vector_lanes(layer: Layer, target: Target) -> int:
    """Values in a vector: codes are narrower than floats; the scalar kernels take one at once.

    AVX-512 keeps the vectors that AVX2 has of codes.
    """
    narrow = layer.activations == "u8" and target.lanes > 1
    vector_bytes = min(target.lanes * _FLOAT_BYTES, _LARGEST_CODE_VECTOR)
    return vector_bytes // target.code_bytes if narrow else target.lanes


def lane_waste(layer: Layer, vectors: int, lanes: int) -> float:
    """Pixels computed / pixels wanted.

    A convolution cuts its output image into ``lanes`` blocks of equal size, as many rows by
    columns of blocks as computes least, and every block rounds up to V pixels: nothing is wasted
    at 56x56 on 8 lanes, 14 % at 7x7. A linear layer has one lane per image.
    """
    if layer.op == "linear":
        rows = layer.images * math.prod(layer.output)
        return -(-rows // (vectors * lanes)) * vectors * lanes / rows
    height, width = block_extent(layer.output, lanes)
    return -(-height * width // vectors) * vectors * lanes / math.prod(layer.output)


def relayout_cycles(layer: Layer, target: Target) -> float:
    """Cycles to bring the codes under a vector of output pixels into the walk's blocks.

    A walk reads a block of the output from the block of the input that is ``stride`` times as
    large. Where the image is cut otherwise, as 28x28 into 7x7 on 16 lanes, and 14x14 into 7x2, all
    of it is laid out again.
    """
    if layer.activations != "u8" or layer.stride == 1 or layer.op == "linear":
        return 0.0
    lanes, stride, image = vector_lanes(layer, target), layer.stride, layer.output
    given = block_extent((stride * image[0], stride * image[1]), lanes)
    wanted = block_extent(image, lanes)
    if given == (stride * wanted[0], stride * wanted[1]):
        return 0.0
    return _RELAYOUT_CYCLES * stride**2 * layer.groups * layer.channels


@functools.lru_cache(maxsize=1024)
def block_extent(image: tuple[int, int], lanes: int) -> tuple[int, int]:
    """Height and width of a lane's pixels: as passes.lanes cuts the image, least pixels first."""
    blocks = [
        (-(-image[0] // (lanes // columns)), -(-image[1] // columns))
        for columns in range(1, lanes + 1)
        if lanes % columns == 0
    ]
    return min(blocks, key=lambda block: (math.prod(block), (block[0] + 2) * (block[1] + 2)))


def load_share(layer: Layer, tile: Tile, target: Target, pixels: int = 0) -> float:
    """Share of the L1 load rate: every group of filters reads the inputs under a tile again.

    They are R rows of (V-1) * stride + S pixels, or as many pixels as are said, a vector each, for
    every channel of the chunk.
    """
    rows, columns = layer.window
    pixels = pixels or rows * ((tile.vectors - 1) * layer.stride + columns)
    value_bytes = target.code_bytes if layer.activations == "u8" else _FLOAT_BYTES
    vector_bytes = vector_lanes(layer, target) * value_bytes
    size = tile.chunk * pixels * vector_bytes
    if rows >= _WAYS and layer.stride >= columns:
        half = layer.activations == "f32" and target.lanes < _LONG_LANES
        cycles = _SCATTERED_HALF_CYCLES if half else _SCATTERED_CYCLES
        return 1 / (cycles * target.load_per_cycle)
    missing = max(0.0, 1 - _L1_SHARE_FOR_INPUTS * target.l1_bytes / size)
    cost = _CODE_L2_LOAD_COST if layer.activations == "u8" else target.l2_load_cost
    share = 1 / (1 + (cost - 1) * missing)
    return share if size <= target.l2_bytes else share * _L3_LOAD_SHARE


@functools.lru_cache(maxsize=1024)
def _groups_of_size(count: int, filters: int) -> tuple[tuple[int, ...], Mapping[int, int]]:
    """Sizes of the groups, and how many there are of each size."""
    sizes = group_sizes(count, filters)
    return sizes, MappingProxyType(collections.Counter(sizes))


def _walks_of_size(layer: Layer, filters: int, chunk: int) -> dict[int, int]:
    """Walks over all chunks, by the number of filters they take together.

    Where a filter has more non-zero codes in a chunk than 16 bits can sum inputs for, the packer
    halves the chunk for that group of filters until it fits.
    """
    sizes, number = _groups_of_size(layer.filters // layer.groups, filters)
    chunks = -(-layer.channels // chunk)
    bound = _LARGEST_SUM // layer.top if layer.activations == "u8" else math.inf
    if chunk * math.prod(layer.window) <= bound:
        return {size: count * layer.groups * chunks for size, count in number.items()}
    every = sizes * layer.groups
    starts = np.cumsum([0, *every[:-1]])
    most = np.maximum.reduceat(layer.used_per_chunk(chunk), starts, axis=0)
    halvings = np.ceil(np.log2(np.maximum(most, bound) / bound)).astype(int)
    walks = (1 << halvings).sum(axis=1)
    return {size: int(walks[np.equal(every, size)].sum()) for size in number}
