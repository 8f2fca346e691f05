"""SIGMA-like sparse matrix product: flexible packing, bitmap multicast, augmented reduction.

Per round (see packing.py) the array is configured (1 cycle), weights are loaded and every
column vector of the streamed operand passes; the next round waits for the last sum.

* Distribution: ``bandwidth`` ports, each the root of a binary tree over multipliers/bandwidth
  multipliers. A port sends one packet a cycle. A packet is one streamed element for all
  multipliers of the port that hold its column (multicast by bitmap), one weight, or one partial
  sum of a folded row (these go first). A tree of any depth takes one cycle; a port wired
  straight to its only multiplier takes none. Every switch passed is a route action, every wire
  a transfer.
* A multiplier emits its product in the cycle the packet arrives; the reduction tree
  (reduction_tree.py) takes a cycle per level and per sideways link.
* Collection: ``collection_bandwidth`` bus lines, one sum a cycle each, then the buffer. Of the
  sums that wait there the controller accepts half (rounded up) per cycle.

A round with P packets on its busiest port lasts P + 4 + levels cycles: 1 configuration, P sends,
1 through the tree to the multiplier, levels additions, 1 bus, 1 buffer. With 256 multipliers on
128 ports P is 2 weights plus 2 per vector, so that the fill is 2 + 4 + 8 = 14 cycles. With 64 on
64 it is 1 + 3 + 6 = 10 (no distribution tree), less where the small rest of a fold leaves the
reduction tree early.

Buffer reads: every non-zero streamed element once per round, whether or not a weight wants it;
a folded row reads only the columns of its fold, so all its folds together read the matrix once.
Weights are read once, partial sums of folded rows once per vector and resumed fold; every round
writes one sum per row and vector.

Source: Qin et al., SIGMA (HPCA 2020); counts as STONNE (ISPASS 2021) makes them.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.analysis.accelerators.configuration import (
    check_buffer,
    check_extent,
    check_power_of_two,
)
from signbin.analysis.accelerators.distribution import Distribution
from signbin.analysis.accelerators.packing import Round, pack_rows
from signbin.analysis.accelerators.reduction_tree import (
    Reduction,
    collection_line,
    reduce_cluster,
)
from signbin.analysis.counts import Action, Counts, total
from signbin.analysis.workload import LayerWorkload
from signbin.errors import SpecError

__all__ = ["SigmaConfiguration", "check_tile", "count"]

_WATCHED_SUMS: Final = 64  # per cluster: enough for the buffer's queue to settle
_SETTLED_SUMS: Final = 512  # per cluster: enough for a line that keeps up to forget its start


@dataclasses.dataclass(frozen=True)
class SigmaConfiguration:
    """multipliers and both bandwidths are powers of two, as the trees need; sizes in bytes.

    bandwidth: elements a cycle from the buffer to the array; collection_bandwidth: sums a cycle
    back. element_bytes: width of one element in the buffer.
    """

    name: str
    multipliers: int
    bandwidth: int
    collection_bandwidth: int
    buffer_bytes: int = 1 << 20
    element_bytes: int = 2

    def __post_init__(self) -> None:
        for field in ("multipliers", "bandwidth", "collection_bandwidth"):
            check_power_of_two(self.name, field, getattr(self, field))
        for field in ("buffer_bytes", "element_bytes"):
            check_extent(self.name, field, getattr(self, field))
        if self.multipliers < 2:
            raise SpecError(
                f"{self.name}: multipliers", value=self.multipliers, allowed="2 or more"
            )
        for field in ("bandwidth", "collection_bandwidth"):
            if getattr(self, field) > self.multipliers:
                raise SpecError(
                    f"{self.name}: {field}",
                    value=getattr(self, field),
                    allowed=f"at most the {self.multipliers} multipliers",
                )

    @property
    def levels(self) -> int:
        """Levels of the reduction tree, log2(multipliers)."""
        return self.multipliers.bit_length() - 1

    @property
    def port_multipliers(self) -> int:
        """Multipliers behind one port of the distribution network."""
        return self.multipliers // self.bandwidth


def count(layer: LayerWorkload, configuration: SigmaConfiguration) -> Counts:
    """Cycles and actions of a layer, its groups one after the other.

    SpecError where the buffer cannot hold a tile: the weights of a round, one streamed vector
    and one sum per multiplier.
    """
    check_tile(layer, configuration)
    return total(_matrix(codes != 0, layer, configuration) for codes in layer.group_codes())


def check_tile(layer: LayerWorkload, configuration: SigmaConfiguration) -> None:
    """SpecError unless the buffer holds a round's weights, a streamed vector and the sums."""
    elements = 2 * configuration.multipliers + layer.inputs
    check_buffer(configuration, layer.name, elements * configuration.element_bytes)


@dataclasses.dataclass(frozen=True)
class _RoundCost:
    """What one round does per streamed vector, and how long it lasts for all of them."""

    cycles: int
    adds: int
    reduce_wires: int
    distribute_wires: int
    routes: int


def _matrix(
    nonzero: NDArray[np.bool_], layer: LayerWorkload, configuration: SigmaConfiguration
) -> Counts:
    sizes = np.count_nonzero(nonzero, axis=1).astype(np.int64)
    vectors = layer.out_pixels
    kept: dict[tuple[int, bool], _RoundCost] = {}
    sums: Counter[str] = Counter()
    for one in pack_rows(sizes, configuration.multipliers):
        if len(one.rows) == 1:  # every column differs: the cost depends on the size alone
            key = (one.sizes[0], one.resumed)
            if key not in kept:
                kept[key] = _round_cost(one, _distinct_columns(one), vectors, configuration)
            cost = kept[key]
        else:
            columns = np.nonzero(nonzero[list(one.rows)])[1]
            cost = _round_cost(one, columns, vectors, configuration)
        weights = sum(one.sizes)
        sums["cycles"] += cost.cycles
        sums["weights"] += weights
        sums["adds"] += cost.adds
        sums["reduce"] += cost.reduce_wires
        sums["wires"] += cost.distribute_wires
        sums["routes"] += cost.routes
        sums["resumed"] += one.resumed
        sums["outputs"] += len(one.rows)
        sums["passes"] += one.closes
    return _counts(sums, layer, configuration)


def _counts(sums: Counter[str], layer: LayerWorkload, configuration: SigmaConfiguration) -> Counts:
    vectors, weights = layer.out_pixels, sums["weights"]
    depth = configuration.port_multipliers.bit_length() - 1
    switches = configuration.bandwidth * (configuration.port_multipliers - 1)
    partial_sums = sums["resumed"] * vectors
    outputs = sums["outputs"] * vectors
    return Counts(
        sums["cycles"],
        {
            Action.MULTIPLY: weights * vectors,
            Action.FORWARD: partial_sums,
            Action.MULTIPLIER_CYCLE: configuration.multipliers * sums["cycles"],
            Action.ADD: sums["adds"] * vectors,
            Action.ADDER_CYCLE: (configuration.multipliers - 1) * sums["cycles"],
            Action.ROUTE: sums["routes"] * vectors + depth * weights,
            Action.SWITCH_CYCLE: switches * sums["cycles"],
            Action.DISTRIBUTE: sums["wires"] * vectors + (depth + 1) * weights,
            Action.REDUCE: sums["reduce"] * vectors,
            Action.COLLECT: 2 * outputs,
            Action.BUFFER_READ: weights + partial_sums + sums["passes"] * layer.streamed,
            Action.BUFFER_WRITE: outputs,
            Action.BUFFER_CYCLE: sums["cycles"],
        },
    )


def _distinct_columns(one: Round) -> NDArray[np.int64]:
    return np.arange(one.sizes[0], dtype=np.int64)


def _round_cost(
    one: Round, columns: NDArray[np.int64], vectors: int, configuration: SigmaConfiguration
) -> _RoundCost:
    """columns: of the streamed element each weight multiplies, multiplier by multiplier."""
    if one.resumed:  # the partial sum is a packet of its own, before every column
        columns = np.concatenate([np.array([-1], dtype=np.int64), columns])
    ports = Distribution(columns, configuration.port_multipliers)
    arrivals = ports.arrivals(vectors, resumed=one.resumed)
    extents = (len(columns),) if one.resumed else one.sizes
    ends = np.cumsum(extents)
    reductions, periods = [], []
    for size, end in zip(extents, ends.tolist(), strict=True):
        chosen = slice(end - size, end)
        reductions.append(reduce_cluster(arrivals[chosen], end - size, configuration.levels))
        periods.append(int(ports.packets[ports.port[chosen]].max()))
    return _RoundCost(
        cycles=_last_written(reductions, periods, vectors, configuration),
        adds=sum(reduction.adds for reduction in reductions),
        reduce_wires=sum(reduction.wires for reduction in reductions),
        distribute_wires=ports.wires,
        routes=ports.routes,
    )


def _last_written(
    reductions: list[Reduction],
    periods: list[int],
    vectors: int,
    configuration: SigmaConfiguration,
) -> int:
    """Cycle in which the buffer accepts the round's last sum."""
    if len(reductions) == 1:
        return reductions[0].time + 2
    lines: dict[int, list[tuple[int, int]]] = {}
    for reduction, period in zip(reductions, periods, strict=True):
        line = collection_line(
            reduction.level,
            reduction.node,
            configuration.levels,
            configuration.collection_bandwidth,
        )
        lines.setdefault(line, []).append((reduction.time, period))
    arrivals = Counter[int]()
    for streams in lines.values():
        arrivals.update(_bus_departures(streams, vectors))
    return _drained(arrivals)


def _bus_departures(streams: list[tuple[int, int]], vectors: int) -> list[int]:
    """Cycles in which the last sums of one bus line reach the buffer.

    streams: (cycle of the last sum, cycles between sums) of every cluster on the line. The line
    passes one sum a cycle, in order of arrival.
    """
    ends = np.array([time for time, _ in streams], dtype=np.int64)
    periods = np.array([period for _, period in streams], dtype=np.int64)
    if np.sum(1 / periods) <= 1:  # no sum waits for those of long before
        vectors = min(vectors, _SETTLED_SUMS)
    back = np.arange(vectors, dtype=np.int64)
    times = np.sort((ends[:, None] - back * periods[:, None]).reshape(-1))
    order = np.arange(len(times))
    departures = np.maximum.accumulate(times - order) + order + 2
    watched: list[int] = departures[-_WATCHED_SUMS * len(streams) :].tolist()
    return watched


def _drained(arrivals: Counter[int]) -> int:
    """The last cycle of a queue that accepts half of what waits, rounded up, per cycle."""
    waiting, cycle = 0, min(arrivals)
    last = max(arrivals)
    while cycle <= last or waiting:
        waiting += arrivals[cycle]
        waiting -= (waiting + 1) // 2
        cycle += 1
    return cycle - 1
