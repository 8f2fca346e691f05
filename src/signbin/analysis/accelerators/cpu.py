"""The CPU: instructions and cache lines of the kernels the planner chooses.

A low-bit layer runs the bucket walk (see the plan room): per vector of output pixels, inputs of
non-zero patterns are added to one running sum, a subtraction at every bucket boundary, the
chunks' results merged; binary and centred weights share the sum of the window. Instructions per
vector: one load-add per kept input, one offset or count read per ``vectors`` of them and of the
boundaries (none in generated code, which holds both), one add per boundary, a load and a store per
boundary where sums exceed the registers, one load, add and store per merge. A float layer runs
dense: one load and multiply-add per weight and vector.

Lines: every vector load or store touches vector_bytes/64 of a line in L1. From L2, the inputs
once per pass over them (one pass if a chunk's rows fit half the L1, else one per filter group)
and the outputs once. Cycles: instructions / per-cycle rates, the slower of adds and loads.

Source: the plan room's counts; an instruction count, not a simulation of a core.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from signbin.analysis.accelerators.configuration import check_extent
from signbin.analysis.counts import Action, Counts
from signbin.analysis.workload import LayerWorkload
from signbin.plan import Plan, Strategy
from signbin.plan.cost import Tile, walk_counts
from signbin.plan.layer import Layer
from signbin.plan.stats import LARGEST_GROUP, LARGEST_TERNARY_GROUP, pattern_stats
from signbin.spec import LowBitWeight, ValueSet

__all__ = ["CpuConfiguration", "count", "with_plan"]

_LINE_BYTES = 64


@dataclasses.dataclass(frozen=True)
class CpuConfiguration:
    """lanes: numbers per vector. filters, vectors, chunk: tile where no plan gives one.

    adds, loads: vector instructions a cycle. tiles: layer -> tile of a plan, None for dense.
    """

    name: str
    lanes: int = 8
    filters: int = 6
    vectors: int = 2
    chunk: int = 64
    registers: int = 16
    adds: int = 2
    loads: int = 2
    l1_bytes: int = 32 * 1024
    element_bytes: int = 4
    tiles: Mapping[str, Tile | None] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_extent(self.name, "filters", self.filters, largest=8)
        for field in dataclasses.fields(self):
            if field.name not in ("name", "tiles"):
                check_extent(self.name, field.name, getattr(self, field.name))

    def tile(self, layer: str) -> Tile | None:
        """The plan's tile for a layer, None for dense; the default tile without a plan."""
        return self.tiles.get(layer, Tile(self.filters, self.vectors, self.chunk))


def with_plan(configuration: CpuConfiguration, plan: Plan) -> CpuConfiguration:
    """The configuration with each layer's strategy and tile as planned."""
    tiles = {
        layer.layer: _tile(layer.parameters) if layer.strategy is Strategy.BUCKET else None
        for layer in plan.layers
    }
    name = f"{configuration.name} planned for {plan.target}"
    return dataclasses.replace(configuration, name=name, tiles=tiles)


def _tile(parameters: Mapping[str, int]) -> Tile:
    # How many walks a generated function interleaves does not change the counts: one, or none.
    generated = parameters.get("generated", 0)
    return Tile(parameters["filters"], parameters["vectors"], parameters["chunk"], generated)


def count(layer: LayerWorkload, configuration: CpuConfiguration) -> Counts:
    """Instructions and cache lines of one layer for one image."""
    tile = configuration.tile(layer.name)
    vectors = math.ceil(layer.out_pixels / configuration.lanes)
    if tile is None or layer.value_set is ValueSet.FLOAT:
        return _dense(layer, configuration, vectors)
    return _walk(layer, configuration, tile, vectors)


def _dense(layer: LayerWorkload, configuration: CpuConfiguration, vectors: int) -> Counts:
    products = layer.filters * layer.inputs * vectors
    loads = products / configuration.vectors + products / max(1, configuration.registers // 2)
    stores = layer.filters * vectors
    cycles = max(products / configuration.adds, loads / configuration.loads)
    line = configuration.lanes * configuration.element_bytes / _LINE_BYTES
    return Counts(
        cycles,
        {
            Action.VECTOR_MULTIPLY: products,
            Action.LANE_MULTIPLY: products * configuration.lanes,
            Action.VECTOR_LOAD: loads,
            Action.VECTOR_STORE: stores,
            Action.SCALAR: layer.filters * layer.inputs,
            Action.L1_ACCESS: (loads + stores) * line,
            Action.L2_ACCESS: _lines(layer, configuration, 1),
        },
    )


def _walk(
    layer: LayerWorkload, configuration: CpuConfiguration, tile: Tile, vectors: int
) -> Counts:
    chunk = min(tile.chunk, layer.channels // layer.groups)
    largest = LARGEST_TERNARY_GROUP if layer.value_set is ValueSet.TERNARY else LARGEST_GROUP
    filters = min(tile.filters, largest, layer.filters)
    planned = _planned(layer)
    assert isinstance(planned.weight, LowBitWeight)
    stats = pattern_stats(planned.weight, filters, chunk, layer.groups)
    walk = walk_counts(planned, stats, chunk)
    spilled = (filters + 1) * tile.vectors > configuration.registers
    moved = walk.boundaries if spilled else 0
    loads = (walk.load_adds + walk.window_total + walk.results + moved) * vectors
    stores = (walk.results + moved) * vectors
    additions = walk.additions * vectors
    entries = walk.load_adds + walk.boundaries
    scalar = 0 if tile.together else math.ceil(entries * vectors / tile.vectors)
    reach = chunk * layer.kernel[0] * layer.in_shape[1] * configuration.element_bytes
    passes = 1 if reach <= configuration.l1_bytes // 2 else stats.groups
    line = configuration.lanes * configuration.element_bytes / _LINE_BYTES
    cycles = max(additions / configuration.adds, (loads + scalar) / configuration.loads)
    return Counts(
        cycles,
        {
            Action.VECTOR_ADD: additions,
            Action.LANE_ADD: additions * configuration.lanes,
            Action.VECTOR_LOAD: loads,
            Action.VECTOR_STORE: stores,
            Action.SCALAR: scalar,
            Action.L1_ACCESS: (loads + stores) * line,
            Action.L2_ACCESS: _lines(layer, configuration, passes),
        },
    )


def _lines(layer: LayerWorkload, configuration: CpuConfiguration, passes: int) -> int:
    moved = layer.in_elements * passes + layer.filters * layer.out_pixels
    return math.ceil(moved * configuration.element_bytes / _LINE_BYTES)


def _planned(layer: LayerWorkload) -> Layer:
    shape = (layer.filters, layer.channels // layer.groups, *layer.kernel)
    codes = layer.drawn_codes.reshape(shape)
    stride = max(1, round(layer.in_shape[0] / layer.out_shape[0]))
    return Layer(
        name=layer.name,
        op="conv2d",
        weight=LowBitWeight(codes, np.ones(layer.filters, dtype=np.float32)),
        groups=layer.groups,
        stride=stride,
        output=layer.out_shape,
        images=1,
    )
