"""Sums that are used once are written into their user: as many additions, fewer stores."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from signbin.sums.sum_list import TEMPORARY, SumList

__all__ = ["inlined"]


def inlined(sum_list: SumList) -> SumList:
    """The same sums with every temporary that one node uses, once, put in that node's place.

    A temporary of n operands that is one operand of its user costs n - 1 additions there and one
    here; n operands in its place cost the same n.

    >>> one = lambda *numbers: np.array(numbers, np.int32)
    >>> inputs, temporary = 3, 3  # (x0 + x1) + x2, operands 2 * index
    >>> sum_list = SumList(3, 1, one(0, 2, 4), one(0, 2, 6, 4), one(TEMPORARY, 0), one(0, 2))
    >>> inlined(sum_list).operands
    array([0, 2, 4], dtype=int32)
    """
    owner, sign = _owners(sum_list)
    operand_node = np.repeat(np.arange(sum_list.nodes), sum_list.arities)
    index = sum_list.operands >> 1
    dissolved = owner != np.arange(sum_list.nodes)
    inner = index >= sum_list.inputs
    kept = ~inner
    kept[inner] = ~dissolved[index[inner] - sum_list.inputs]
    owners = owner[operand_node[kept]]
    operands = sum_list.operands[kept] ^ sign[operand_node[kept]]
    # Plus operands first, so that a sum begins with a load wherever it can.
    order = np.lexsort((operands & 1, owners))
    return _renumbered(sum_list, dissolved, owners[order], operands[order])


def _owners(sum_list: SumList) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """For every node the one it ends up in, and 1 where it gets there with a minus."""
    operand_node = np.repeat(np.arange(sum_list.nodes), sum_list.arities)
    used = (sum_list.operands >> 1) - sum_list.inputs
    inner = used >= 0
    uses = np.bincount(used[inner], minlength=sum_list.nodes)
    owner, sign = np.arange(sum_list.nodes), np.zeros(sum_list.nodes, np.int32)
    user, minus = owner.copy(), sign.copy()
    user[used[inner]] = operand_node[inner]
    minus[used[inner]] = sum_list.operands[inner] & 1
    once = (uses == 1) & (sum_list.roles == TEMPORARY)
    owner[once], sign[once] = user[once], minus[once]
    while True:  # every round doubles the distance
        further = owner[owner]
        if np.array_equal(further, owner):
            return owner, sign
        sign ^= np.where(owner != np.arange(sum_list.nodes), sign[owner], 0)
        owner = further


def _renumbered(
    sum_list: SumList,
    dissolved: NDArray[np.bool_],
    owners: NDArray[np.intp],
    operands: NDArray[np.int32],
) -> SumList:
    number = np.cumsum(~dissolved) - 1
    index = operands >> 1
    inner = index >= sum_list.inputs
    index = index.copy()
    index[inner] = sum_list.inputs + number[index[inner] - sum_list.inputs]
    arities = np.bincount(owners, minlength=sum_list.nodes)[~dissolved]
    gone = np.concatenate([[0], np.cumsum(dissolved)])
    return dataclasses.replace(
        sum_list,
        starts=np.concatenate([[0], np.cumsum(arities)]).astype(np.int32),
        operands=(2 * index + (operands & 1)).astype(np.int32),
        roles=sum_list.roles[~dissolved],
        segments=(sum_list.segments - gone[sum_list.segments]).astype(np.int32),
    )
