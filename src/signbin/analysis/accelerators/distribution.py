"""The distribution network of SIGMA and MAERI: ports, each the root of a binary tree.

A port sends one packet a cycle to the multipliers below it; a packet that several of them want
is sent once and splits on the way (multicast).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Distribution"]


class Distribution:
    """The packets of one streamed vector, spread over the ports.

    columns: for each used multiplier the element of the vector it multiplies; packets of a port
    go out in ascending order of column. port_multipliers: multipliers per port, a power of two.

    wires, routes: wires and switches that all packets of one vector pass. packets: packets per
    port. port: of each multiplier.
    """

    def __init__(self, columns: NDArray[np.int64], port_multipliers: int) -> None:
        index = np.arange(len(columns))
        self.tree_cycles = 1 if port_multipliers > 1 else 0
        self.port = index // port_multipliers
        self.used = np.bincount(self.port)
        distinct = [_distinct(index // reach, columns) for reach in _reaches(port_multipliers)]
        self.wires = sum(len(pairs) for pairs in distinct)
        self.routes = sum(len(pairs) for pairs in distinct[1:])
        of_port = distinct[-1]
        self.packets = np.bincount(of_port >> 32, minlength=len(self.used))
        starts = np.concatenate([[0], np.cumsum(self.packets)[:-1]])
        place = np.searchsorted(of_port, _keys(self.port, columns))
        self._after = self.packets[self.port] - 1 - (place - starts[self.port])

    def arrivals(self, vectors: int, *, resumed: bool) -> NDArray[np.int64]:
        """Cycle of each multiplier's last product; the round starts in cycle 1.

        Ports send weights from cycle 2 on, one packet a cycle: ``used`` weights and ``packets``
        per vector; products leave when the packet arrives. resumed: multiplier 0 has no weight
        but passes partial sums, which overtake: the last one is sent in cycle vectors + 2.
        """
        weights = self.used.astype(np.int64)
        if resumed:
            weights[0] -= 1
        last_sent = 1 + weights + vectors * self.packets
        times: NDArray[np.int64] = last_sent[self.port] - self._after + self.tree_cycles
        if resumed:
            times[0] = vectors + 2 + self.tree_cycles
        return times


def _reaches(port_multipliers: int) -> list[int]:
    """Multipliers below a wire, level by level: 1, 2, 4 ... port_multipliers."""
    return [1 << level for level in range(port_multipliers.bit_length())]


def _keys(groups: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    return (groups.astype(np.int64) << 32) + columns + 1


def _distinct(groups: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorted distinct (group, column) keys: the wires a multicast takes at one level."""
    return np.unique(_keys(groups, columns))
