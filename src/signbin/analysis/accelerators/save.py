"""SAVE-like vector unit: lanes of zero weights are skipped by merging instructions.

A vector multiply-add broadcasts one activation to ``lanes`` filters. Lanes with a zero weight do
nothing; the scheduler looks at ``window`` consecutive instructions that add to the same registers
and fills each lane with its own next non-zero (coalescing along a lane, order kept). A window so
takes as many issues as its busiest lane has non-zeros:

    issues = sum over windows of the largest count of non-zeros in one of the lanes

An instruction whose broadcast activation is zero is dropped before (its share is the activation
density). Weights are packed vectors in the L1; an activation is loaded once per vector.

Source: Gong et al., SAVE (MICRO 2020), lane-wise coalescing. Not validated against a simulator.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from signbin.analysis.accelerators.configuration import check_extent
from signbin.analysis.counts import Action, Counts, total
from signbin.analysis.workload import LayerWorkload

__all__ = ["SaveConfiguration", "count"]

_LINE_BYTES = 64


@dataclasses.dataclass(frozen=True)
class SaveConfiguration:
    """lanes: filters per vector; window: instructions looked at; issue: vectors a cycle."""

    name: str
    lanes: int
    window: int
    issue: int = 2
    element_bytes: int = 4

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name != "name":
                check_extent(self.name, field.name, getattr(self, field.name))


def count(layer: LayerWorkload, configuration: SaveConfiguration) -> Counts:
    """Cycles and instructions of a layer, its groups one after the other."""
    return total(_group(codes != 0, layer, configuration) for codes in layer.group_codes())


def _group(
    nonzero: NDArray[np.bool_], layer: LayerWorkload, configuration: SaveConfiguration
) -> Counts:
    lanes, pixels = configuration.lanes, layer.out_pixels
    vectors = -(-len(nonzero) // lanes)
    asked = vectors * nonzero.shape[1] * pixels * layer.activation_density
    issues = _issues(nonzero, configuration) * pixels * layer.activation_density
    outputs = vectors * pixels
    line = lanes * configuration.element_bytes / _LINE_BYTES
    loads = asked  # the weights of every instruction; the activation rides as a broadcast
    return Counts(
        issues / configuration.issue,
        {
            Action.VECTOR_MULTIPLY: issues,
            Action.LANE_MULTIPLY: np.count_nonzero(nonzero) * pixels * layer.activation_density,
            Action.VECTOR_LOAD: loads,
            Action.VECTOR_STORE: outputs,
            Action.SCALAR: asked / configuration.window,
            Action.L1_ACCESS: (loads + outputs) * line + asked / _LINE_BYTES,
        },
    )


def _issues(nonzero: NDArray[np.bool_], configuration: SaveConfiguration) -> int:
    """Issues per output pixel: the busiest lane of every window of every vector of filters."""
    filters, inputs = nonzero.shape
    vectors = -(-filters // configuration.lanes)
    windows = -(-inputs // configuration.window)
    padded = np.zeros(
        (vectors * configuration.lanes, windows * configuration.window), dtype=np.bool_
    )
    padded[:filters, :inputs] = nonzero
    counts = padded.reshape(vectors, configuration.lanes, windows, configuration.window).sum(axis=3)
    return int(counts.max(axis=1).sum())
