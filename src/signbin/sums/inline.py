"""Sums that are used once are written into their user: as many additions, fewer stores."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from signbin.sums.graph import TEMPORARY, AddGraph

__all__ = ["inlined"]


def inlined(graph: AddGraph) -> AddGraph:
    """The same sums with every temporary that one node uses, once, put in that node's place.

    A temporary of n operands that is one operand of its user costs n - 1 additions there and one
    here; n operands in its place cost the same n.

    >>> one = lambda *numbers: np.array(numbers, np.int32)
    >>> inputs, temporary = 3, 3  # (x0 + x1) + x2, operands 2 * index
    >>> graph = AddGraph(3, 1, one(0, 2, 4), one(0, 2, 6, 4), one(TEMPORARY, 0), one(0, 2))
    >>> inlined(graph).operands
    array([0, 2, 4], dtype=int32)
    """
    owner, sign = _owners(graph)
    operand_node = np.repeat(np.arange(graph.nodes), graph.arities)
    index = graph.operands >> 1
    dissolved = owner != np.arange(graph.nodes)
    inner = index >= graph.inputs
    kept = ~inner
    kept[inner] = ~dissolved[index[inner] - graph.inputs]
    owners = owner[operand_node[kept]]
    operands = graph.operands[kept] ^ sign[operand_node[kept]]
    # Plus operands first, so that a sum begins with a load wherever it can.
    order = np.lexsort((operands & 1, owners))
    return _renumbered(graph, dissolved, owners[order], operands[order])


def _owners(graph: AddGraph) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """For every node the one it ends up in, and 1 where it gets there with a minus."""
    operand_node = np.repeat(np.arange(graph.nodes), graph.arities)
    used = (graph.operands >> 1) - graph.inputs
    inner = used >= 0
    uses = np.bincount(used[inner], minlength=graph.nodes)
    owner, sign = np.arange(graph.nodes), np.zeros(graph.nodes, np.int32)
    user, minus = owner.copy(), sign.copy()
    user[used[inner]] = operand_node[inner]
    minus[used[inner]] = graph.operands[inner] & 1
    once = (uses == 1) & (graph.roles == TEMPORARY)
    owner[once], sign[once] = user[once], minus[once]
    while True:  # every round doubles the distance
        further = owner[owner]
        if np.array_equal(further, owner):
            return owner, sign
        sign ^= np.where(owner != np.arange(graph.nodes), sign[owner], 0)
        owner = further


def _renumbered(
    graph: AddGraph,
    dissolved: NDArray[np.bool_],
    owners: NDArray[np.intp],
    operands: NDArray[np.int32],
) -> AddGraph:
    number = np.cumsum(~dissolved) - 1
    index = operands >> 1
    inner = index >= graph.inputs
    index = index.copy()
    index[inner] = graph.inputs + number[index[inner] - graph.inputs]
    arities = np.bincount(owners, minlength=graph.nodes)[~dissolved]
    gone = np.concatenate([[0], np.cumsum(dissolved)])
    return dataclasses.replace(
        graph,
        starts=np.concatenate([[0], np.cumsum(arities)]).astype(np.int32),
        operands=(2 * index + (operands & 1)).astype(np.int32),
        roles=graph.roles[~dissolved],
        segments=(graph.segments - gone[graph.segments]).astype(np.int32),
    )
