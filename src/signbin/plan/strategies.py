"""THE list of strategies: a new one is a class and an entry of STRATEGIES.

What planner, runtime, analysis and reports want to know of a strategy, its class says.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

from signbin.plan.bitserial import BitSerial
from signbin.plan.cost import (
    Tile,
    WalkCounts,
    block_extent,
    dense_cost,
    vector_lanes,
    walk_cost,
    walk_counts,
)
from signbin.plan.generated import generated_cost
from signbin.plan.layer import Layer
from signbin.plan.operations import Operations, dense_operations, walk_operations
from signbin.plan.option import FLAGS, Counted, Counting, Option, fewest, in_units_of
from signbin.plan.plan import Strategy
from signbin.plan.products import has_product_kernels, modelled_products, product_cost
from signbin.plan.saturated_sums import SaturatedSums
from signbin.plan.shared_sums import SharedSums
from signbin.plan.stats import LARGEST_GROUP, PatternStats, largest_group, pattern_stats
from signbin.plan.table import Table
from signbin.plan.target import Target
from signbin.spec import Kernel, LowBitWeight

__all__ = ["STRATEGIES", "Bucket", "Dense", "StrategyRule", "family_of"]

_SMALLEST_CHUNK: Final = 16
_LEAST_REUSE: Final = 16
# Of generated walks of AVX-512 on floats: Target.l2_load_cost, and how much of a tile's windows
# counts as near, in sizes of the first cache: two thirds of them are those of the tile before.
_LONG_L2_LOAD_COST: Final = 2.0
_LONG_L1_SHARE: Final = 1.87


class StrategyRule(Protocol):
    """What the planner asks of a strategy."""

    @property
    def strategy(self) -> Strategy:
        """The name in plans."""

    @property
    def family(self) -> str:
        """Kernel.strategy of the kernels that run it."""

    @property
    def competes(self) -> bool:
        """Whether the planner considers it unasked; the others only where they are forced."""

    def applies(self, layer: Layer) -> str | None:
        """None where the strategy can compute the layer, else the reason why not."""

    def options(self, layer: Layer, kernels: Sequence[Kernel], target: Target) -> Iterator[Option]:
        """The tiles worth comparing; ``kernels`` serve this strategy, op and target."""

    def limits(self, layer: Layer) -> Mapping[str, range]:
        """The parameters a plan may state, and their values: none asks for unbounded work."""

    def operations(self, layer: Layer, parameters: Mapping[str, int]) -> Operations:
        """Exactly what it does, with the parameters of an option."""

    @property
    def counting(self) -> Counting:
        """How to read its additions."""

    def counted(self, layer: Layer) -> Counted | None:
        """Parameters of fewest additions and what it does with them; None where it cannot say."""


class Dense:
    """Every weight multiplies its input: any weights, low-bit ones dequantised."""

    strategy: Final = Strategy.DENSE
    family: Final = "dense"
    competes: Final = True
    counting: Final = Counting()

    def applies(self, layer: Layer) -> str | None:
        """Always."""
        del layer
        return None

    def options(self, layer: Layer, kernels: Sequence[Kernel], target: Target) -> Iterator[Option]:
        """M * K multiply-adds per vector of output pixels."""
        summary = f"dense: {layer.multiply_adds:,} multiply-adds per output vector"
        for kernel in kernels:
            machine = target.running(kernel.isa)
            if has_product_kernels(layer, machine):
                cost, said = product_cost(layer, machine), modelled_products(machine)
            else:
                cost, said = dense_cost(layer, kernel.vectors, machine), ""
            yield Option({}, in_units_of(target, machine, layer, cost), summary + said)

    def limits(self, layer: Layer) -> Mapping[str, range]:
        """It has no parameters."""
        del layer
        return {}

    def operations(self, layer: Layer, parameters: Mapping[str, int]) -> Operations:
        """Products of all weights."""
        del parameters
        return dense_operations(layer)

    def counted(self, layer: Layer) -> Counted:
        """There is nothing to choose."""
        return Counted({}, dense_operations(layer))


class Bucket:
    """The bucket walk in Gray-code order over F filters at once: additions only.

    Serves weights with two or three values per filter; F never spans convolution groups, whose
    filters read different inputs.
    """

    strategy: Final = Strategy.BUCKET
    family: Final = "bucket"
    competes: Final = True
    counting: Final = Counting()

    def applies(self, layer: Layer) -> str | None:
        """Low-bit weights."""
        if isinstance(layer.weight, LowBitWeight):
            return None
        return "the weights are float, not of two or three values per filter"

    def options(self, layer: Layer, kernels: Sequence[Kernel], target: Target) -> Iterator[Option]:
        """For every F the kernel (V) and chunk of least cost; ternary takes at most 5 filters.

        Kernel.filters is the largest F a kernel walks. Kernels whose walks become machine code
        compete with the others, each with its own best.
        """
        yield from self.tiles(layer, kernels, target, {})

    def tiles(
        self,
        layer: Layer,
        kernels: Sequence[Kernel],
        target: Target,
        expected: Mapping[int, PatternStats],
    ) -> Iterator[Option]:
        """The options, with the patterns of F filters from ``expected``, where it has them."""
        weight = layer.weight
        if not isinstance(weight, LowBitWeight):
            return
        largest = min(largest_group(weight), layer.filters // layer.groups)
        for filters in range(1, largest + 1):
            serving = [
                kernel
                for kernel in kernels
                if kernel.filters >= filters
                and (not kernel.generated or _is_reused(layer, kernel, target))
            ]
            if not serving:
                continue
            stats = expected.get(filters) or pattern_stats(
                weight, filters, convolution_groups=layer.groups
            )
            counted = {chunk: walk_counts(layer, stats, chunk) for chunk in _chunks(layer.channels)}
            halved = {chunk: counted[chunk] for chunk in _halved(layer.channels)}
            for generated in (False, True):
                counts = counted if generated else halved
                tiles = [
                    _tile_option(layer, stats, counts, kernel, target)
                    for kernel in serving
                    if kernel.generated is generated
                ]
                if tiles:
                    yield min(tiles, key=lambda option: option.cost)

    def limits(self, layer: Layer) -> Mapping[str, range]:
        """Chunks no smaller than those of the options: each costs boundaries of its own."""
        least = min(_SMALLEST_CHUNK, layer.channels)
        return {
            "filters": range(1, LARGEST_GROUP + 1),
            "chunk": range(least, layer.channels + 1),
            **FLAGS,
            "generated": range(2),
        }

    def operations(self, layer: Layer, parameters: Mapping[str, int]) -> Operations:
        """What the walk does."""
        return walk_operations(layer, parameters)

    def counted(self, layer: Layer) -> Counted | None:
        """The walk over all channels at once, of as many filters as add least."""
        weight = layer.weight
        if not isinstance(weight, LowBitWeight):
            return None
        largest = min(largest_group(weight), layer.filters // layer.groups)
        walks = [{"filters": size, "chunk": layer.channels} for size in range(1, largest + 1)]
        return fewest(walks, lambda walk: walk_operations(layer, walk))


STRATEGIES: Final[tuple[StrategyRule, ...]] = (
    Dense(),
    Bucket(),
    Table(),
    SharedSums(Strategy.SPARSE),
    SharedSums(Strategy.AGR),
    SharedSums(Strategy.SUMMERGE),
    SharedSums(Strategy.CSE),
    SaturatedSums(Strategy.QGYM),
    BitSerial(),
)


def family_of(strategy: Strategy) -> str:
    """Kernel.strategy of the kernels that run a strategy."""
    return next(rule.family for rule in STRATEGIES if rule.strategy is strategy)


def _is_reused(layer: Layer, kernel: Kernel, target: Target) -> bool:
    """Whether a generated walk runs often enough per image that its code is worth fetching.

    On ARM it is several times as large as the lists it replaces, and nothing asks for it ahead; a
    function does half a vector, so it runs twice per position of a block.
    """
    machine = target.running(kernel.isa)
    positions = math.prod(block_extent(layer.output, vector_lanes(layer, machine)))
    return not machine.is_arm or 2 * positions // kernel.vectors >= _LEAST_REUSE


def _machine_of(kernel: Kernel, target: Target) -> Target:
    """The machine while it walks. On codes AVX-512 gives the vectors of AVX2 more registers.

    Its long vectors of floats are whole lines: what generated walks ask of the caches
    was fitted to them alone.
    """
    machine = target.running(kernel.isa)
    if kernel.isa == "avx512" and kernel.activations == "u8":
        return dataclasses.replace(target.running("avx2"), registers=machine.registers)
    if kernel.isa == "avx512" and kernel.generated:
        kept = round(_LONG_L1_SHARE * machine.l1_bytes)
        return dataclasses.replace(machine, l2_load_cost=_LONG_L2_LOAD_COST, l1_bytes=kept)
    return machine


def _tile_option(
    layer: Layer,
    stats: PatternStats,
    counted: Mapping[int, WalkCounts],
    kernel: Kernel,
    target: Target,
) -> Option:
    machine = _machine_of(kernel, target)
    vectors = max(kernel.vectors, 1)
    price = generated_cost if kernel.generated else walk_cost
    priced = []
    for chunk, counts in counted.items():
        tile = Tile(stats.filters, vectors, chunk, kernel.together)
        priced.append((price(layer, counts, tile, machine), tile, counts))
    cost, tile, counts = min(priced, key=lambda entry: entry[0])
    name = "generated bucket" if kernel.generated else "bucket"
    summary = (
        f"{name} F={tile.filters}: {counts.additions:,} adds against {layer.multiply_adds:,} "
        f"multiply-adds per output vector (density {layer.density:.2f}, p0 {stats.zero_share:.2f})"
    )
    parameters = {"filters": tile.filters, "vectors": tile.vectors, "chunk": tile.chunk}
    if kernel.generated:
        parameters["generated"] = 1
    return Option(parameters, in_units_of(target, machine, layer, cost), summary)


def _halved(channels: int) -> list[int]:
    """All channels at once, then halves, down to the smallest chunk worth its boundaries.

    Compiled walks take no others: their rates were measured with these.
    """
    sizes = [channels]
    while sizes[-1] >= 2 * _SMALLEST_CHUNK:
        sizes.append(-(-sizes[-1] // 2))
    return sizes


def _chunks(channels: int) -> list[int]:
    """The halves, and as many chunks of equal size as there are numbers up to 16.

    Sums of codes fit 16 bits up to a number of channels that depends on the kind of weights: each
    kind comes close to its own.
    """
    sizes = {-(-channels // number) for number in range(1, 17)}
    wide = {size for size in sizes if size >= _SMALLEST_CHUNK}
    return sorted(wide.union(_halved(channels)), reverse=True)
