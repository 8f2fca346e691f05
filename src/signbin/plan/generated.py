"""The cost of walks that become machine code when a program is built (native/src/jit).

The code knows every offset and boundary, so neither is read, and no branch is mispredicted. A
function interleaves the walks of several groups of filters, whose running sums do not wait for one
another, and keeps the outputs that flip most often in registers.

Cycles were fitted to times of tiles over 17 shapes of ResNet-18, ResNet-20 and others, with
signed-binary, binary and ternary weights, on a Zen 4: the chosen tile of a shape takes 1 % more
than the best one on average. Those of floats in vectors of AVX-512 were fitted to 5 shapes of
ResNet-18: the chosen tile is the best of those that were timed, or within 5 % of it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Final

from signbin.plan.cost import (
    Tile,
    WalkCounts,
    block_extent,
    lane_waste,
    load_share,
    relayout_cycles,
    total_cycles,
    vector_lanes,
)
from signbin.plan.layer import Layer
from signbin.plan.stats import group_sizes
from signbin.plan.target import Target

__all__ = ["generated_cost", "memory_share"]


@dataclasses.dataclass(frozen=True)
class _Rates:
    """Cycles of one vector.

    load_add: a load and its addition, where nothing waits. latency: until a sum can be added to
    again. kept, spilled: a boundary whose output is in a register, in memory. merge: a filter's
    sum of a walk on its way to the output. walk: a walk's start. code: to bring a byte of it
    close, once per image. function: to call one at the first tile of a block, unforeseen.
    """

    load_add: float
    latency: float
    kept: float
    spilled: float
    merge: float
    walk: float
    code: float = 0.03
    function: float = 63.0


_RATES: Final = {
    "f32": _Rates(load_add=0.55, latency=3.3, kept=0.05, spilled=1.35, merge=4.1, walk=10.0),
    "u8": _Rates(load_add=0.63, latency=1.6, kept=0.12, spilled=0.9, merge=8.7, walk=12.6),
}
# A vector of AVX-512 is two of the others for the ports of the processor, not for its decoders.
_LONG_RATES: Final = _Rates(
    load_add=1.1,
    latency=3.76,
    kept=0.33,
    spilled=0.94,
    merge=5.9,
    walk=23.0,
    code=0.016,
    function=200.0,
)
_TILE_CYCLES: Final = 20.0  # to find a tile's windows and outputs, per vector and group
_SPLIT_CYCLES: Final = 12.0  # of a filter, where a chunk is split: its sums lie apart
_BLOCK_POSITIONS: Final = 32  # as SB_BLOCK_POSITIONS of the kernels
_CODE_BYTES: Final = 8.5  # of a load-add; boundaries are 4 to 18


def generated_cost(layer: Layer, counts: WalkCounts, tile: Tile, target: Target) -> float:
    """Predicted vector operations of generated walks, per vector of output pixels.

    A load-add takes max(load_add, latency / chains) cycles, chains being the V running sums of
    every walk that is interleaved; past L1 it takes longer.
    """
    rates, vectors = _rates_of(layer, target), tile.vectors
    groups = len(group_sizes(layer.filters // layer.groups, tile.filters))
    chunks = math.ceil(layer.channels / tile.chunk)
    split = counts.walks - groups * layer.groups * chunks
    interleaved = groups / math.ceil(groups / tile.together)
    chains = interleaved * vectors
    share = load_share(layer, tile, target, _kept_pixels(layer, tile, target))
    load_add = max(rates.load_add, rates.latency / chains) / share
    spilled = memory_share(layer, tile, interleaved, target.registers)
    boundary = rates.kept + (rates.spilled - rates.kept) * spilled
    cycles = (
        counts.load_adds * load_add
        + counts.boundaries * boundary
        + total_cycles(layer, target)
        + counts.results * rates.merge
        + counts.walks * rates.walk
        + split * tile.filters * _SPLIT_CYCLES
        + layer.groups * _TILE_CYCLES
        + relayout_cycles(layer, target)
    )
    lanes = vector_lanes(layer, target)
    code = (counts.load_adds + counts.boundaries) * vectors * _CODE_BYTES
    called = math.ceil(groups / tile.together) * layer.groups * chunks * _blocks(layer, lanes)
    once = code * rates.code + called * rates.function
    waste = lane_waste(layer, vectors, lanes)
    computed = math.prod(layer.output) / lanes * waste
    return (cycles * waste + once / computed) * target.add_per_cycle


def _blocks(layer: Layer, lanes: int) -> int:
    """Blocks of positions that a function passes over before the next one does."""
    return math.ceil(math.prod(block_extent(layer.output, lanes)) / _BLOCK_POSITIONS)


def _rates_of(layer: Layer, target: Target) -> _Rates:
    long = target.isa.startswith("avx512") and layer.activations == "f32"
    return _LONG_RATES if long else _RATES[layer.activations]


def _kept_pixels(layer: Layer, tile: Tile, target: Target) -> int:
    """Input pixels that should stay in L1 while a function on codes goes from tile to tile.

    The window of a tile and the columns that the next one adds; of a block of one or two columns,
    where the next row comes at once, those of two rows. 0: the window alone, where tiles share
    little, and of floats, whose times were fitted with it.
    """
    if layer.activations == "f32" or layer.stride > 1:
        return 0
    rows, columns = layer.window
    height, width = block_extent(layer.output, vector_lanes(layer, target))
    if width > max(tile.vectors, 2):
        return rows * (2 * tile.vectors - 1 + columns)
    return (min(height - 1, 1) + rows) * (width - 1 + columns)


def memory_share(layer: Layer, tile: Tile, interleaved: float, registers: int) -> float:
    """Share of the boundaries whose output does not fit a register.

    Registers go to the running sums, for floats to one constant, and, lowest bits first, to the
    outputs; one is kept free where some do not fit.
    """
    chains = interleaved * tile.vectors
    free = registers - chains - (layer.activations == "f32")
    if tile.filters * chains <= free:
        return 0.0
    kept_bits = min((free - 1) / chains, float(tile.filters))
    shares = _flip_shares(layer.radix, tile.filters)
    whole = int(kept_bits)
    kept = sum(shares[:whole])
    if whole < tile.filters:
        kept += shares[whole] * (kept_bits - whole)
    return 1 - kept


@functools.lru_cache(maxsize=64)
def _flip_shares(radix: int, filters: int) -> list[float]:
    """Share of a walk's boundaries at which each digit changes, the lowest first."""
    changes = [(radix - 1) * float(radix) ** (filters - 1 - digit) for digit in range(filters)]
    return [change / sum(changes) for change in changes]
