"""The augmented reduction tree of MAERI and SIGMA: how one cluster of products becomes one sum.

A binary tree of adders over the multipliers (level 0 is the root, level L-1 the leaves), with
extra links between neighbours that have different parents: node 2i-1 and node 2i of a level. A
cluster occupies consecutive multipliers. At each level its outermost node hands its sum
sideways over such a link whenever the link exists (left end: node number odd; right end: even),
so that no node is left half-used above and clusters never meet. A node that receives sideways
adds three operands in one action. The sum leaves the tree at the first node that holds it all.

Mechanism: Kwon et al., MAERI (ASPLOS 2018), section 4; as simulated by STONNE (ISPASS 2021).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reduction", "collection_line", "reduce_cluster"]


@dataclasses.dataclass(frozen=True)
class Reduction:
    """One cluster's way through the tree, per streamed vector.

    adds: adder actions (of two or of three operands). wires: transfers into adders, the
    multipliers' outputs included, the transfer to the collection bus excluded. level, node: the
    adder the sum leaves from. time: when, in the time base of the arrivals.
    """

    adds: int
    wires: int
    level: int
    node: int
    time: int


def reduce_cluster(arrivals: NDArray[np.int64], first: int, levels: int) -> Reduction:
    """Follow the cluster on multipliers ``first .. first + len(arrivals) - 1`` up the tree.

    arrivals: the cycle in which each multiplier emits its (last) product; a level takes one
    cycle, a sideways link one more. levels: log2(multipliers), at least 1.
    """
    adds, wires = 0, len(arrivals)
    low, times = first, arrivals
    for level in range(levels - 1, -1, -1):
        low, times, merged = _one_level(low, times)
        nodes = len(times) + merged.dropped
        adds += merged.adds
        if len(times) == 1:
            wires += nodes - 1
            return Reduction(adds, wires, level, low, int(times[0]))
        wires += nodes
    raise AssertionError("a cluster wider than its tree")  # the packing rule excludes it


@dataclasses.dataclass(frozen=True)
class _Merge:
    adds: int
    dropped: int


def _one_level(low: int, times: NDArray[np.int64]) -> tuple[int, NDArray[np.int64], _Merge]:
    """Children low.. with their times -> nodes of the next level that still hold a sum."""
    high = low + len(times)
    left, right = low // 2, (high - 1) // 2
    padded = np.full(2 * (right - left + 1), np.iinfo(np.int64).min, dtype=np.int64)
    padded[low - 2 * left : high - 2 * left] = times
    pairs = padded.reshape(-1, 2)
    operands = (pairs > np.iinfo(np.int64).min).sum(axis=1)
    nodes = pairs.max(axis=1) + 1
    first, last = 0, len(nodes) - 1
    if left % 2 and last > first:  # a link from the left end to its right neighbour
        left_is_wider = last == 1 and operands[0] >= operands[1]
        sender, receiver = (1, 0) if left_is_wider else (0, 1)
        _send(nodes, operands, sender, receiver)
        if left_is_wider:
            last = 0
        else:
            first = 1
    if right % 2 == 0 and last > first and last == len(nodes) - 1:
        _send(nodes, operands, last, last - 1)
        last -= 1
    adds = int(np.count_nonzero(operands >= 2))
    kept = nodes[first : last + 1]
    return left + first, kept, _Merge(adds, len(nodes) - len(kept))


def _send(nodes: NDArray[np.int64], operands: NDArray[np.int64], sender: int, to: int) -> None:
    nodes[to] = max(nodes[to], nodes[sender] + 1)
    operands[to] += 1


def collection_line(level: int, node: int, levels: int, lines: int) -> int:
    """Which line of the collection bus an adder is wired to, of ``lines`` lines.

    The pairs joined by a sideways link share a line and are dealt out first, level by level;
    the first and last adder of every level follow, in the same order.
    """
    pairs_above = sum((1 << (m - 1)) - 1 for m in range(1, level))
    is_single = node in (0, (1 << level) - 1)
    if not is_single:
        return (pairs_above + (node - 1) // 2) % lines
    all_pairs = sum((1 << (m - 1)) - 1 for m in range(1, levels))
    order = 0 if level == 0 else 2 * level - (1 if node == 0 else 0)
    return (order + 2 * all_pairs) % lines
