"""UCNN-like repetition-aware array: sum inputs of equal weight first, multiply once.

G filters are walked together, chunk by chunk of channels. The inputs of a chunk are sorted by
their tuple of weights (w_1 .. w_G); positions whose tuple is all zero are dropped. An indirection
table gives the order. Inputs of equal tuples are summed, then the sums of tuples that share
w_1 .. w_g are rolled up, for g = G-1 down to 1 (partial-sum reuse between filters). Per output
pixel, with n positions left and P_g distinct prefixes of length g:

    additions       (n - P_G) + sum over g < G of P_{g+1}
    multiplications distinct non-zero weights of each filter (a filter and chunk accumulate once)

Each of ``lanes`` lanes walks its own filter group at one indirection entry a cycle; ``vector``
output pixels share each entry. Signed-binary filters have one non-zero weight, binary and
ternary ones two: that is the repetition in this model; dropped tuples are the sparsity.
Inputs reach all lanes by broadcast: one buffer read per element for ``lanes`` filter groups.

Source: Hegde et al., UCNN (ISCA 2018). Not validated against a simulator.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from signbin.analysis.accelerators.configuration import check_buffer, check_extent
from signbin.analysis.counts import Action, Counts, total
from signbin.analysis.workload import LayerWorkload

__all__ = ["FactorizedCounts", "UcnnConfiguration", "count", "factorized_counts"]


@dataclasses.dataclass(frozen=True)
class UcnnConfiguration:
    """lanes; filters: G walked together, 1..6; chunk: channels per table; vector: pixels."""

    name: str
    lanes: int
    filters: int
    chunk: int = 64
    vector: int = 8
    buffer_bytes: int = 1 << 20
    element_bytes: int = 2

    def __post_init__(self) -> None:
        check_extent(self.name, "filters", self.filters, largest=6)
        for field in ("lanes", "chunk", "vector", "buffer_bytes", "element_bytes"):
            check_extent(self.name, field, getattr(self, field))


@dataclasses.dataclass(frozen=True)
class FactorizedCounts:
    """Per output pixel, for all filters. entries: n; tuples: distinct full tuples, P_G."""

    entries: int
    additions: int
    multiplications: int
    accumulations: int


def count(layer: LayerWorkload, configuration: UcnnConfiguration) -> Counts:
    """Cycles and actions; SpecError where the buffer cannot hold a tile."""
    R, S = layer.kernel
    chunk = min(configuration.chunk, layer.channels // layer.groups)
    tile = chunk * R * S * (configuration.vector + configuration.lanes)
    check_buffer(configuration, layer.name, tile * configuration.element_bytes)
    return total(_group(codes, chunk, layer, configuration) for codes in layer.group_codes())


def _group(
    codes: NDArray[np.int8], chunk: int, layer: LayerWorkload, configuration: UcnnConfiguration
) -> Counts:
    R, S = layer.kernel
    walk = factorized_counts(codes, configuration.filters, chunk * R * S)
    pixels = layer.out_pixels
    groups = math.ceil(len(codes) / configuration.filters)
    broadcasts = math.ceil(groups / configuration.lanes)
    busy = min(groups, configuration.lanes)
    vectors = math.ceil(pixels / configuration.vector)
    cycles = math.ceil(walk.entries / busy) * vectors
    outputs = len(codes) * pixels
    inputs = layer.in_elements // layer.groups * broadcasts
    return Counts(
        cycles,
        {
            Action.MULTIPLY: walk.multiplications * pixels,
            Action.ADD: walk.additions * pixels,
            Action.ACCUMULATE: walk.accumulations * pixels,
            Action.MULTIPLIER_CYCLE: configuration.lanes * configuration.vector * cycles,
            Action.ADDER_CYCLE: configuration.lanes * configuration.vector * cycles,
            Action.ACCUMULATOR_CYCLE: configuration.lanes * configuration.vector * cycles,
            Action.INDEX_READ: walk.entries * vectors,
            Action.LOCAL_READ: walk.entries * pixels,
            Action.LOCAL_WRITE: inputs * busy,
            Action.DISTRIBUTE: inputs * busy + walk.entries,
            Action.COLLECT: outputs,
            Action.BUFFER_READ: inputs + walk.entries,
            Action.BUFFER_WRITE: outputs,
            Action.BUFFER_CYCLE: cycles,
        },
    )


def factorized_counts(codes: NDArray[np.int8], filters: int, chunk: int) -> FactorizedCounts:
    """Count the walk of ``codes`` (K, M) in groups of ``filters`` filters, chunks of inputs.

    >>> factorized_counts(np.array([[1, 1, 0, 0], [1, 0, 1, 0]], np.int8), 2, 4)
    FactorizedCounts(entries=3, additions=3, multiplications=2, accumulations=2)
    """
    found = [
        _chunk_counts(codes[first : first + filters, start : start + chunk])
        for first in range(0, len(codes), filters)
        for start in range(0, codes.shape[1], chunk)
    ]
    return FactorizedCounts(*(int(number) for number in np.sum(found, axis=0)))


def _chunk_counts(codes: NDArray[np.int8]) -> tuple[int, int, int, int]:
    digits = (codes + 1).astype(np.int64)
    tuples = np.zeros(codes.shape[1], dtype=np.int64)
    for row in digits:
        tuples = 3 * tuples + row
    zero = (3 ** len(codes) - 1) // 2  # every digit 1: the all-zero tuple
    kept = tuples[tuples != zero]
    prefixes = np.flatnonzero(np.bincount(kept, minlength=3 ** len(codes)))
    additions = len(kept) - len(prefixes)
    for _ in range(len(codes) - 1):
        additions += len(prefixes)
        prefixes = np.unique(prefixes // 3)
    distinct = int(np.sum([(codes == value).any(axis=1) for value in (-1, 1)]))
    return len(kept), additions, distinct, len(codes)
