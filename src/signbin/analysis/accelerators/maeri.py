"""MAERI-like dense array: the networks of SIGMA, but every weight takes a multiplier.

A filter of K weights is cut into folds of at most ``multipliers`` weights; a round holds as many
whole filters side by side as fit. Every multiplier keeps the weights of all its folds; for one
output the folds follow each other and an accumulator behind the reduction tree adds them up.
Streamed elements are multicast to all filters of the round. Zeros are neither skipped nor gated:
all kinds of weights cost the same. Neighbours do not hand inputs on (a sliding window is read
anew), which overstates buffer reads of kernels wider than 1.

Source: Kwon et al., MAERI (ASPLOS 2018). Not validated against a simulator.
"""

from __future__ import annotations

import numpy as np

from signbin.analysis.accelerators.distribution import Distribution
from signbin.analysis.accelerators.reduction_tree import reduce_cluster
from signbin.analysis.accelerators.sigma import SigmaConfiguration, check_tile
from signbin.analysis.counts import Action, Counts
from signbin.analysis.workload import LayerWorkload

__all__ = ["MaeriConfiguration", "count"]


class MaeriConfiguration(SigmaConfiguration):
    """The same numbers as SIGMA's."""


def count(layer: LayerWorkload, configuration: MaeriConfiguration) -> Counts:
    """Cycles and actions of a layer; SpecError where the buffer cannot hold a tile."""
    check_tile(layer, configuration)
    filters = layer.filters // layer.groups
    folds = -(-layer.inputs // configuration.multipliers)
    size = -(-layer.inputs // folds)
    side_by_side = min(filters, configuration.multipliers // size)
    whole, rest = divmod(filters, side_by_side)
    counts = _round(layer, configuration, side_by_side, size).repeated(whole)
    if rest:
        counts = counts + _round(layer, configuration, rest, size)
    return counts.repeated(layer.groups)


def _round(layer: LayerWorkload, configuration: MaeriConfiguration, rows: int, size: int) -> Counts:
    vectors, folds = layer.out_pixels, -(-layer.inputs // size)
    columns = np.tile(np.arange(size, dtype=np.int64), rows)
    network = Distribution(columns, configuration.port_multipliers)
    arrivals = network.arrivals(vectors * folds, resumed=False)
    trees = [
        reduce_cluster(arrivals[row * size : (row + 1) * size], row * size, configuration.levels)
        for row in range(rows)
    ]
    loading = (folds - 1) * int(network.used.max())  # the weights of the later folds
    cycles = max(tree.time for tree in trees) + 2 + loading
    share = layer.inputs / (folds * size)  # the last fold may be smaller
    weights, steps = rows * layer.inputs, vectors * folds
    depth = configuration.port_multipliers.bit_length() - 1
    switches = configuration.bandwidth * (configuration.port_multipliers - 1)
    return Counts(
        cycles,
        {
            Action.MULTIPLY: weights * vectors,
            Action.MULTIPLIER_CYCLE: configuration.multipliers * cycles,
            Action.ADD: sum(tree.adds for tree in trees) * steps * share,
            Action.ADDER_CYCLE: (configuration.multipliers - 1) * cycles,
            Action.ACCUMULATE: rows * vectors * (folds - 1),
            Action.ACCUMULATOR_CYCLE: (configuration.multipliers - 1) * cycles,
            Action.ROUTE: network.routes * steps * share + depth * weights,
            Action.SWITCH_CYCLE: switches * cycles,
            Action.DISTRIBUTE: network.wires * steps * share + (depth + 1) * weights,
            Action.REDUCE: sum(tree.wires for tree in trees) * steps * share,
            Action.COLLECT: 2 * rows * vectors,
            Action.BUFFER_READ: weights + layer.inputs * vectors,
            Action.BUFFER_WRITE: rows * vectors,
            Action.BUFFER_CYCLE: cycles,
        },
    )
