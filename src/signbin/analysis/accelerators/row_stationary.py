"""Eyeriss-like row-stationary array: one filter row against one input row per element.

A set of R x E elements (filter rows by output rows) computes the 2-D convolution of one filter
and one channel: element (r, e) slides filter row r over input row e + r, so that filter rows are
shared along the set's rows, input rows along its diagonals, and partial sums go up its columns.
The array holds several sets, of different channels; their sums go up as well. A pass handles
``filters_per_pass`` filters and ``channels_per_pass`` channels per set, interleaved in each
element's scratchpads. Partial sums return to the buffer between the passes over the channels.

Cycles: passes x (filters x channels x S x output columns), one product a cycle per element,
loading overlapped. Gating (Eyeriss gates zero activations) saves the product, the weight read
and the partial sum's read and write, never a cycle.

Halos between strips of output rows and the padding are not counted. A matrix product is a
convolution with R = S = 1 and one output row: it uses one element per set.

Source: Chen et al., Eyeriss (ISCA 2016, JSSC 2017). Not validated against a simulator.
"""

from __future__ import annotations

import dataclasses
import math

from signbin.analysis.accelerators.configuration import (
    Gating,
    check_buffer,
    check_extent,
    effectual_products,
)
from signbin.analysis.counts import Action, Counts
from signbin.analysis.workload import LayerWorkload
from signbin.errors import SpecError

__all__ = ["RowStationaryConfiguration", "count"]


@dataclasses.dataclass(frozen=True)
class RowStationaryConfiguration:
    """The array, the pass, and the scratchpads of an element in elements."""

    name: str
    rows: int
    columns: int
    filters_per_pass: int = 16
    channels_per_pass: int = 4
    weight_scratchpad: int = 224
    input_scratchpad: int = 28
    sum_scratchpad: int = 24
    gating: Gating = Gating.ACTIVATIONS
    buffer_bytes: int = 108 * 1024
    element_bytes: int = 2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name not in ("name", "gating"):
                check_extent(self.name, field.name, getattr(self, field.name))
        if self.sum_scratchpad < self.filters_per_pass:
            raise SpecError(
                f"{self.name}: sum_scratchpad is smaller than a pass",
                value=self.sum_scratchpad,
                allowed=f"at least filters_per_pass, {self.filters_per_pass}",
            )
        object.__setattr__(self, "gating", Gating.named(self.name, self.gating))


@dataclasses.dataclass(frozen=True)
class _Mapping:
    """How a layer lies on the array; all whole numbers."""

    sets: int
    strip: int
    strips: int
    channels: int
    filter_passes: int
    channel_passes: int


def count(layer: LayerWorkload, configuration: RowStationaryConfiguration) -> Counts:
    """Cycles and actions; SpecError where a scratchpad or the buffer is smaller than a tile."""
    mapping = _map(layer, configuration)
    R, S = layer.kernel
    out_rows, out_columns = layer.out_shape
    passes = layer.groups * mapping.strips * mapping.filter_passes * mapping.channel_passes
    in_pass = min(configuration.filters_per_pass, layer.filters // layer.groups)
    cycles = passes * in_pass * mapping.channels * S * out_columns
    effectual = effectual_products(layer, configuration.gating)
    outputs = layer.filters * out_rows * out_columns
    weights_in = layer.filters * layer.inputs * mapping.strips
    inputs_in = layer.in_elements * mapping.filter_passes
    returned = outputs * (mapping.channel_passes - 1)
    elements = configuration.rows * configuration.columns
    return Counts(
        cycles,
        {
            Action.MULTIPLY: effectual,
            Action.GATED: layer.macs - effectual,
            Action.MULTIPLIER_CYCLE: elements * cycles,
            Action.ACCUMULATE: effectual,
            Action.ACCUMULATOR_CYCLE: elements * cycles,
            Action.LOCAL_READ: layer.macs + 2 * effectual,
            Action.LOCAL_WRITE: effectual + weights_in * mapping.strip + inputs_in * R,
            Action.PASS: outputs * mapping.channel_passes * (R * mapping.sets - 1),
            Action.DISTRIBUTE: weights_in * mapping.strip + inputs_in * R + returned,
            Action.COLLECT: outputs * mapping.channel_passes,
            Action.BUFFER_READ: weights_in + inputs_in + returned,
            Action.BUFFER_WRITE: outputs * mapping.channel_passes,
            Action.BUFFER_CYCLE: cycles,
        },
    )


def _map(layer: LayerWorkload, configuration: RowStationaryConfiguration) -> _Mapping:
    R, S = layer.kernel
    if configuration.rows < R:
        raise SpecError(
            f"{configuration.name}: rows",
            value=configuration.rows,
            allowed=f"at least the {R} kernel rows of {layer.name}",
        )
    channels = min(configuration.channels_per_pass, layer.channels // layer.groups)
    filters = min(configuration.filters_per_pass, layer.filters // layer.groups)
    needs = {
        "weight_scratchpad": filters * channels * S,
        "input_scratchpad": channels * S,
    }
    for field, needed in needs.items():
        if getattr(configuration, field) < needed:
            raise SpecError(
                f"{configuration.name}: {field} is smaller than a tile of {layer.name}",
                value=getattr(configuration, field),
                allowed=f"at least {needed}",
            )
    strip = min(layer.out_shape[0], configuration.columns)
    sets = (configuration.rows // R) * (configuration.columns // strip)
    sets = min(sets, math.ceil(layer.channels // layer.groups / channels))
    tile = filters * strip * layer.out_shape[1] + channels * sets * layer.in_shape[1] * (strip + R)
    check_buffer(configuration, layer.name, tile * configuration.element_bytes)
    return _Mapping(
        sets=sets,
        strip=strip,
        strips=math.ceil(layer.out_shape[0] / strip),
        channels=channels,
        filter_passes=math.ceil(layer.filters // layer.groups / filters),
        channel_passes=math.ceil(layer.channels // layer.groups / (channels * sets)),
    )
