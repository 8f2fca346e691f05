"""Activation groups and their reuse across filters: UCNN.

Source: Hegde et al., UCNN (ISCA 2018): dot-product factorisation and partial-sum reuse.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.sums.budget import UNLIMITED, Budget
from signbin.sums.inline import inlined
from signbin.sums.sub_blocks import SubBlockSums, assemble, cut
from signbin.sums.sum_list import TEMPORARY, SumList

__all__ = ["ActivationGroups"]

_LARGEST: Final = 8


@dataclasses.dataclass(frozen=True)
class ActivationGroups:
    """Inputs sorted by the tuple (w_1 .. w_G) of ``filters`` = G filters, over ``inputs`` inputs.

    Inputs of equal tuples are summed once; the sums of all tuples that begin with w_1 .. w_g
    are rolled up from those that begin with w_1 .. w_{g+1}; filter g sums the prefixes of length
    g, with the sign of w_g. All-zero tuples are dropped, and so are roll-ups that no filter
    needs. With n inputs left and P_g distinct prefixes of length g this takes at most
    (n - P_G) + sum_{g<G} (P_{g+1} - P_g) additions, and at most P_g more for filter g, which
    UCNN does in multiply-accumulate units.
    """

    filters: int
    inputs: int

    def __post_init__(self) -> None:
        if isinstance(self.filters, bool) or not 1 <= self.filters <= _LARGEST:
            raise SpecError("filters per group", value=self.filters, allowed=f"1..{_LARGEST}")

    def build(self, digits: NDArray[np.int8], budget: Budget = UNLIMITED) -> SumList:
        """The list of a layer's digits (K, M)."""
        shape = (len(digits), digits.shape[1])
        sub_blocks = cut(shape, self.filters, self.inputs, budget)
        rolled = ((each, _roll_up(each.of(digits))) for each in sub_blocks)
        return inlined(assemble(shape, rolled))


def _roll_up(digits: NDArray[np.int8]) -> SubBlockSums:
    filters, inputs = digits.shape
    order = np.lexsort(digits[::-1])
    order = order[np.any(digits[:, order], axis=0)]
    found = digits[:, order]
    first = np.ones(len(order), np.bool_)
    first[1:] = np.any(found[:, 1:] != found[:, :-1], axis=0)
    tuples = found[:, first].T
    nodes = _Nodes(inputs)
    groups = np.split(order, np.flatnonzero(first)[1:]) if len(order) else []
    prefix_sums = [nodes.sum_of([2 * int(i) for i in group]) for group in groups]
    sums: list[list[int]] = [[] for _ in range(filters)]
    for length in range(filters, 0, -1):
        tuples, prefix_sums = _one_level(tuples, prefix_sums, length, nodes)
        for prefix, node in zip(tuples, prefix_sums, strict=True):
            if prefix[length - 1]:
                sums[length - 1].append(node + (prefix[length - 1] < 0))
    for filter_, operands in enumerate(sums):
        nodes.add(sorted(operands, key=lambda operand: operand % 2), filter_)
    return nodes.sums()


def _one_level(
    tuples: NDArray[np.int8], prefix_sums: list[int], length: int, nodes: _Nodes
) -> tuple[NDArray[np.int8], list[int]]:
    """The distinct prefixes of a length, and their sums out of those of longer ones.

    A prefix that is zero throughout serves no filter.
    """
    if not len(tuples) or tuples.shape[1] == length:
        return tuples, prefix_sums
    shorter = tuples[:, :length]
    changes = np.flatnonzero(np.any(shorter[1:] != shorter[:-1], axis=1)) + 1
    edges = [0, *changes.tolist(), len(shorter)]
    kept, found = [], []
    for begin, end in itertools.pairwise(edges):
        if shorter[begin].any():
            kept.append(shorter[begin])
            found.append(nodes.sum_of(prefix_sums[begin:end]))
    return np.array(kept, np.int8).reshape(-1, length), found


class _Nodes:
    """Nodes of a sub-block as they are added."""

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._arities: list[int] = []
        self._operands: list[int] = []
        self._roles: list[int] = []

    def add(self, operands: Sequence[int], role: int) -> int:
        """A node; returns the operand 2 * index that stands for it."""
        self._arities.append(len(operands))
        self._operands += operands
        self._roles.append(role)
        return 2 * (self._inputs + len(self._roles) - 1)

    def sum_of(self, operands: Sequence[int]) -> int:
        """A temporary; a sum of one operand is that operand."""
        return operands[0] if len(operands) == 1 else self.add(operands, TEMPORARY)

    def sums(self) -> SubBlockSums:
        starts = np.concatenate([[0], np.cumsum(self._arities)])
        return SubBlockSums(
            starts.astype(np.int32),
            np.array(self._operands, np.int32),
            np.array(self._roles, np.int32),
        )
