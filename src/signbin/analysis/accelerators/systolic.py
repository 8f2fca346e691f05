"""Rigid output-stationary systolic array (TPU-like): one output per processing element.

Weights enter from the left, one filter per row of elements; activations from the top, one output
pixel per column. Every operand moves one element per cycle, so that a tile of r filters and c
pixels takes K cycles of products, r + c - 2 of skew and r to shift the sums out. The array is
rigid: a tile smaller than the array idles the rest, a zero takes its cycle. With gating the
multiplier and accumulator rest on a zero operand; nothing else is saved.

Source: Jouppi et al., TPU (ISCA 2017), in the output-stationary form STONNE simulates. Not
validated against a simulator.
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

__all__ = ["SystolicConfiguration", "count"]


@dataclasses.dataclass(frozen=True)
class SystolicConfiguration:
    """rows x columns of processing elements; gating: which zero operands rest a multiplier."""

    name: str
    rows: int
    columns: int
    gating: Gating = Gating.NONE
    buffer_bytes: int = 1 << 20
    element_bytes: int = 2

    def __post_init__(self) -> None:
        for field in ("rows", "columns"):
            check_extent(self.name, field, getattr(self, field), largest=1 << 16)
        for field in ("buffer_bytes", "element_bytes"):
            check_extent(self.name, field, getattr(self, field))
        object.__setattr__(self, "gating", Gating.named(self.name, self.gating))


def count(layer: LayerWorkload, configuration: SystolicConfiguration) -> Counts:
    """Cycles and actions; SpecError where the buffer cannot hold the operands of one tile."""
    rows, columns = configuration.rows, configuration.columns
    elements = (rows + columns) * layer.inputs + rows * columns
    check_buffer(configuration, layer.name, elements * configuration.element_bytes)
    filters, pixels, K = layer.filters // layer.groups, layer.out_pixels, layer.inputs
    tiles_down, tiles_across = math.ceil(filters / rows), math.ceil(pixels / columns)
    skew_down = tiles_across * (2 * filters - tiles_down)  # sum of r + r - 1
    skew_across = tiles_down * (pixels - tiles_across)
    cycles = layer.groups * (tiles_down * tiles_across * K + skew_down + skew_across)
    weights_in = layer.groups * filters * K * tiles_across
    inputs_in = layer.groups * pixels * K * tiles_down
    products = layer.macs
    passed = 2 * products - weights_in - inputs_in  # each element but the first gets operands
    effectual = effectual_products(layer, configuration.gating)
    outputs = layer.filters * pixels
    shifts = sum(min(rows, filters - first) ** 2 for first in range(0, filters, rows))
    return Counts(
        cycles,
        {
            Action.MULTIPLY: effectual,
            Action.GATED: products - effectual,
            Action.MULTIPLIER_CYCLE: rows * columns * cycles,
            Action.ACCUMULATE: effectual,
            Action.ACCUMULATOR_CYCLE: rows * columns * cycles,
            Action.PASS: passed,
            Action.REGISTER_WRITE: 2 * products,
            Action.REGISTER_READ: 2 * products,
            Action.DISTRIBUTE: weights_in + inputs_in,
            Action.COLLECT: layer.groups * pixels * shifts,
            Action.BUFFER_READ: weights_in + inputs_in,
            Action.BUFFER_WRITE: outputs,
            Action.BUFFER_CYCLE: cycles,
        },
    )
