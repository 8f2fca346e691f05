"""ExTensor-like sparse-sparse product: intersect coordinates before anything is computed.

Each output is a dot product of a sparse filter and a sparse input vector. Intersection units
merge the two lists of coordinates, a step per coordinate that either list holds, and pass on the
matches; only those are multiplied. Tiles of ``tile_filters`` filters by ``tile_pixels`` pixels
are held on chip, so that each operand is read once per tile of the other.

    compares = non-zeros of the filter + non-zeros of the input - matches   (per output)

With dense activations every coordinate is examined and matches = the filter's non-zeros. Skipping
ahead in the longer list (ExTensor's refinement) is not modelled: compares are an upper bound.
Zero weights and zero activations are taken as independent.

Source: Hegde et al., ExTensor (MICRO 2019). Not validated against a simulator.
"""

from __future__ import annotations

import dataclasses
import math

from signbin.analysis.accelerators.configuration import check_buffer, check_extent
from signbin.analysis.counts import Action, Counts
from signbin.analysis.workload import LayerWorkload

__all__ = ["ExtensorConfiguration", "count"]


@dataclasses.dataclass(frozen=True)
class ExtensorConfiguration:
    """elements: processing elements, one multiplier and one intersection unit each.

    compares: coordinates an intersection unit examines per cycle.
    """

    name: str
    elements: int
    compares: int
    tile_filters: int = 32
    tile_pixels: int = 32
    buffer_bytes: int = 1 << 22
    element_bytes: int = 4

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name != "name":
                check_extent(self.name, field.name, getattr(self, field.name))


def count(layer: LayerWorkload, configuration: ExtensorConfiguration) -> Counts:
    """Cycles and actions; SpecError where the buffer cannot hold a tile of both operands."""
    tile = (configuration.tile_filters + configuration.tile_pixels) * layer.inputs
    check_buffer(configuration, layer.name, tile * configuration.element_bytes)
    pixels, filters = layer.out_pixels, layer.filters // layer.groups
    weights = round(layer.drawn_density * layer.filters * layer.inputs)
    inputs = layer.streamed * layer.groups
    matches = weights * pixels * layer.activation_density
    compares = weights * pixels + inputs * filters - matches
    busiest = max(matches, compares / configuration.compares)
    cycles = math.ceil(busiest / configuration.elements)
    weight_reads = weights * math.ceil(pixels / configuration.tile_pixels)
    input_reads = inputs * math.ceil(filters / configuration.tile_filters)
    outputs = layer.filters * pixels
    return Counts(
        cycles,
        {
            Action.COMPARE: compares,
            Action.MULTIPLY: matches,
            Action.ACCUMULATE: matches,
            Action.MULTIPLIER_CYCLE: configuration.elements * cycles,
            Action.ACCUMULATOR_CYCLE: configuration.elements * cycles,
            Action.LOCAL_WRITE: weight_reads + input_reads,
            Action.LOCAL_READ: 2 * matches,
            Action.INDEX_READ: compares + matches,
            Action.DISTRIBUTE: weight_reads + input_reads,
            Action.COLLECT: outputs,
            Action.BUFFER_READ: weight_reads + input_reads,
            Action.BUFFER_WRITE: outputs,
            Action.BUFFER_CYCLE: cycles,
        },
    )
