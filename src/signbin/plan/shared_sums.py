"""The engines of the literature as strategies: lists of shared sums, run for real.

Parameters, all whole numbers; absent ones are 0:

==================== =========================================================================
vectors              V, vectors of output pixels at once
filters, inputs      the sub-block: searched together (filters: G of agr)
budget               summerge, cse: most pair nodes of a sub-block; 0: any number
signed               summerge, cse: 1 where a pair may be a difference
zeros                1: zeros are one more value, summed and dropped ("sparsity support off")
two_groups           1: binary filters as two sums, without the total they could share
rounds, steps        qgym: of rewriting, of the search through what it found
seconds              qgym: for all sub-blocks; those not begun by then are as of summerge
==================== =========================================================================
"""

from __future__ import annotations

import dataclasses
import functools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from signbin.errors import PlanError
from signbin.plan.cost import lane_waste, vector_lanes
from signbin.plan.layer import Layer
from signbin.plan.operations import Operations, largest_sum, window_total
from signbin.plan.option import FLAGS, Counted, Counting, Option, fewest, in_units_of
from signbin.plan.plan import Strategy
from signbin.plan.target import Target
from signbin.spec import Kernel, LowBitWeight
from signbin.sums import (
    NO_BUDGET,
    UNLIMITED,
    ActivationGroups,
    Algorithm,
    BinaryForm,
    Budget,
    LayerSums,
    PairMerging,
    Saturation,
    Sparse,
    layer_sums,
)

__all__ = [
    "KERNELS",
    "SHARED_SUMS",
    "SharedSums",
    "shared_sums_operations",
    "sums_of",
    "sums_option",
]

KERNELS: Final = "sums"
"""Kernel.strategy of the kernels that run lists of shared sums."""

# Cycles of our AVX2 kernels per vector, or per V of them: to start a node, and to keep a sum.
_NODE_CYCLES: Final = 14.0
_STORE_CYCLES: Final = 1.0
_RESULT_CYCLES: Final = 6.0


@dataclasses.dataclass(frozen=True)
class _Engine:
    """One engine: its sub-blocks and its search.

    sub_blocks: (filters, inputs) that plans try; what fits sums of codes is used of each. counted:
    parameters with which its additions are compared, as large as layers allow. search: what finds
    the sums of a sub-block, by its parameters. limits: those that a plan may state.
    """

    sub_blocks: tuple[tuple[int, int], ...]
    counted: tuple[Mapping[str, int], ...]
    search: Callable[[Mapping[str, int]], Algorithm]
    limits: Mapping[str, range]


def _sparse(parameters: Mapping[str, int]) -> Algorithm:
    return Sparse(parameters.get("inputs", 0))


def _groups(parameters: Mapping[str, int]) -> Algorithm:
    return ActivationGroups(parameters.get("filters", 0), parameters.get("inputs", 0))


def _pairs(parameters: Mapping[str, int], *, leaves: bool) -> Algorithm:
    return PairMerging(
        parameters.get("filters", 0),
        parameters.get("inputs", 0),
        leaves=leaves,
        budget=parameters.get("budget", 0) or NO_BUDGET,
        zeros=bool(parameters.get("zeros")),
        signed=bool(parameters.get("signed")),
    )


def _saturation(parameters: Mapping[str, int]) -> Algorithm:
    options = ("rounds", "steps", "seconds")
    chosen = {name: parameters[name] for name in options if name in parameters}
    return Saturation(parameters.get("filters", 0), parameters.get("inputs", 0), **chosen)


_WHOLE: Final = 1 << 20  # more inputs than any filter has
# The search of a sub-block takes a fraction of a second at most, seconds where e-graphs grow.
_PAIRS: Final = {
    "filters": range(1, 65),
    "inputs": range(1, 289),
    "budget": range(NO_BUDGET + 1),
    "signed": range(2),
}
_SATURATION: Final = {
    "filters": range(1, 9),
    "inputs": range(1, 33),
    "rounds": range(Saturation.rounds + 1),
    "steps": range(Saturation.steps + 1),
    "seconds": range(24 * 3600 + 1),
}
_ENGINES: Final[Mapping[Strategy, _Engine]] = {
    Strategy.SPARSE: _Engine(
        ((1, _WHOLE),),
        ({"inputs": _WHOLE},),
        _sparse,
        {"filters": range(1, 2), "inputs": range(1, _WHOLE + 1)},
    ),
    Strategy.AGR: _Engine(
        tuple((filters, _WHOLE) for filters in range(2, 9)),
        ({"filters": 4, "inputs": _WHOLE}, {"filters": 7, "inputs": _WHOLE}),
        _groups,
        {"filters": range(1, 9), "inputs": range(1, _WHOLE + 1)},
    ),
    Strategy.SUMMERGE: _Engine(
        ((16, 64), (32, 256)),
        ({"filters": 32, "inputs": 144},),
        functools.partial(_pairs, leaves=True),
        _PAIRS,
    ),
    Strategy.CSE: _Engine(
        ((64, 144),),
        ({"filters": 64, "inputs": 144},),
        functools.partial(_pairs, leaves=False),
        _PAIRS,
    ),
    Strategy.QGYM: _Engine(((8, 32),), ({"filters": 8, "inputs": 32},), _saturation, _SATURATION),
}

SHARED_SUMS: Final = frozenset(_ENGINES)
"""The strategies of this file."""

_built: Final[weakref.WeakKeyDictionary[LowBitWeight, dict[object, LayerSums]]] = (
    weakref.WeakKeyDictionary()
)


class SharedSums:
    """One of the engines; it competes only where it is asked for."""

    family: Final = KERNELS
    competes: Final = False
    counting = Counting()

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy

    def applies(self, layer: Layer) -> str | None:
        """Low-bit weights."""
        if isinstance(layer.weight, LowBitWeight):
            return None
        return "the weights are float, not of two or three values per filter"

    def options(self, layer: Layer, kernels: Sequence[Kernel], target: Target) -> Iterator[Option]:
        """For every tile of the list the kernel of least cost."""
        for parameters in self.tiles(layer):
            found = [
                sums_option(layer, self.strategy, parameters, kernel, target) for kernel in kernels
            ]
            if found:
                yield min(found, key=lambda option: option.cost)

    def tiles(self, layer: Layer) -> Iterator[Mapping[str, int]]:
        """Tiles worth trying, but for V: no larger than the layer, small enough for its sums.

        A tile of as many inputs as one sum of codes may add always fits.
        """
        seen = []
        for filters, inputs in _ENGINES[self.strategy].sub_blocks:
            tile = {
                "filters": min(filters, layer.filters // layer.groups),
                "inputs": min(inputs, layer.inputs, largest_sum(layer)),
            }
            if tile not in seen:
                seen.append(tile)
                yield tile

    def limits(self, layer: Layer) -> Mapping[str, range]:
        """Sub-blocks no larger, searched no harder, than its options and the literature's."""
        del layer
        return {**FLAGS, **_ENGINES[self.strategy].limits}

    def operations(self, layer: Layer, parameters: Mapping[str, int]) -> Operations:
        """What its list does."""
        return shared_sums_operations(layer, self.strategy, parameters)

    def counted(self, layer: Layer) -> Counted | None:
        """The tile of fewest additions of those that the engine is compared with."""
        if not isinstance(layer.weight, LowBitWeight):
            return None
        most = {"filters": layer.filters // layer.groups, "inputs": layer.inputs}
        tiles = [
            {name: min(extent, most[name]) for name, extent in tile.items()}
            for tile in _ENGINES[self.strategy].counted
        ]
        return fewest(tiles, lambda tile: self.operations(layer, tile))


def sums_of(
    weight: LowBitWeight,
    strategy: Strategy,
    parameters: Mapping[str, int],
    convolution_groups: int = 1,
    budget: Budget = UNLIMITED,
) -> LayerSums:
    """The sums of a layer's weight; built once as long as the weight lives.

    SpecError for parameters that no algorithm takes, OverBudget where ``budget`` is too small.
    """
    form = BinaryForm.TWO_GROUPS if parameters.get("two_groups") else BinaryForm.SHARED_TOTAL
    algorithm = _ENGINES[strategy].search(parameters)
    made = _built.setdefault(weight, {})
    key = (algorithm, form, convolution_groups)
    if key not in made:
        made[key] = layer_sums(weight, algorithm, form, convolution_groups, budget)
    return made[key]


def shared_sums_operations(
    layer: Layer, strategy: Strategy, parameters: Mapping[str, int]
) -> Operations:
    """Additions of the list, and of the shared total where an output uses it."""
    sums = _sums(layer, strategy, parameters)
    total = window_total(layer) if sums.wanted.needs_total else 0
    sum_list = sums.sum_list
    return Operations(sum_list.additions + total, layer.filters, sum_list.size_bytes)


def _sums(layer: Layer, strategy: Strategy, parameters: Mapping[str, int]) -> LayerSums:
    if not isinstance(layer.weight, LowBitWeight):
        raise PlanError(f"{strategy.value} of {layer.name}", allowed="low-bit weights")
    return sums_of(layer.weight, strategy, parameters, layer.groups)


def sums_option(
    layer: Layer,
    strategy: Strategy,
    tile: Mapping[str, int],
    kernel: Kernel,
    target: Target,
) -> Option:
    """A tile on a kernel, and its predicted cost; builds the sums."""
    machine, vectors = target.running(kernel.isa), max(kernel.vectors, 1)
    sum_list = _sums(layer, strategy, tile).sum_list
    operand = max(1 / machine.load_per_cycle, 1 / machine.add_per_cycle)
    results = sum_list.nodes - sum_list.temporaries
    cycles = (
        sum_list.loads * (operand + machine.offset_cycles / vectors)
        + sum_list.nodes * _NODE_CYCLES / vectors
        + sum_list.temporaries * _STORE_CYCLES
        + results * _RESULT_CYCLES
    )
    waste = lane_waste(layer, vectors, vector_lanes(layer, machine))
    cost = cycles * machine.add_per_cycle * waste
    summary = (
        f"{strategy.value} {tile['filters']}x{tile['inputs']}: {sum_list.additions:,} adds against "
        f"{layer.multiply_adds:,} multiply-adds per output vector (density {layer.density:.2f}, "
        f"{sum_list.temporaries:,} shared sums)"
    )
    return Option({**tile, "vectors": vectors}, in_units_of(target, machine, layer, cost), summary)
