"""Greedy merging: SumMerge and the elimination of common subexpressions.

Source: Prabhakar et al., SumMerge (ICS 2021), section "tiles, leaf merge, greedy pair merge".
"""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.sums.bit_rows import packed_rows
from signbin.sums.budget import UNLIMITED, Budget
from signbin.sums.inline import inlined
from signbin.sums.sub_blocks import SubBlock, SubBlockSums, assemble, cut
from signbin.sums.sum_list import DROPPED, TEMPORARY, SumList

__all__ = ["NO_BUDGET", "PairMerging"]

NO_BUDGET: Final = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class PairMerging:
    """Greedy merging in sub-blocks of ``filters`` x ``inputs``, T_K x T_I.

    (1) inputs with identical columns are summed, all-zero columns vanish; (2) the pair of nodes
    that most groups contain becomes a node, until no pair serves two groups or the sub-block has
    ``budget`` such nodes; (3) what is left of every group is summed. Ties: the pair found first,
    so that results repeat.

    leaves: step 1, SumMerge's; without it this is the classical elimination of common
    subexpressions. zeros: the inputs of digit 0 are one more group of each filter, summed and
    dropped ("sparsity support off"). signed: a pair may be a difference, and serve filters with
    either sign; without, the positive and the negative inputs of a filter are two groups, as in
    SumMerge.
    """

    filters: int
    inputs: int
    leaves: bool = True
    budget: int = NO_BUDGET
    zeros: bool = False
    signed: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.budget, bool) or not 0 <= self.budget <= NO_BUDGET:
            raise SpecError("node budget", value=self.budget, allowed=f"0..{NO_BUDGET}")
        if self.zeros and self.signed:
            raise SpecError("signed pairs with zeros kept", allowed="one of the two")

    def build(self, digits: NDArray[np.int8], budget: Budget = UNLIMITED) -> SumList:
        """The list of a layer's digits (K, M); the sub-blocks are shared out among the cores."""
        shape = (len(digits), digits.shape[1])
        sub_blocks = list(cut(shape, self.filters, self.inputs, budget))

        def found(sub_block: SubBlock) -> SubBlockSums:
            budget.check_time()
            return self.of_sub_block(sub_block.of(digits))

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # the search runs outside the GIL
            try:
                parts = pool.map(found, sub_blocks)
            except RuntimeError:  # the system starts no more threads: one does it all
                parts = map(found, sub_blocks)
            return inlined(assemble(shape, zip(sub_blocks, parts, strict=True)))

    def of_sub_block(self, digits: NDArray[np.int8]) -> SubBlockSums:
        """The sums of one sub-block (T_K, T_I), the paper's tile."""
        groups = _groups(digits, self)
        if not len(groups.roles):
            none = np.zeros(0, np.int32)
            return SubBlockSums(np.zeros(1, np.int32), none, none)
        from signbin import native  # noqa: PLC0415 - planning alone needs no library

        starts, operands, temporaries = native.extension().share_sums(
            packed_rows(groups.plus.T),
            None if groups.minus is None else packed_rows(groups.minus.T),
            len(groups.roles),
            self.leaves,
            self.budget,
        )
        arities = np.diff(starts)
        negated = np.concatenate([np.zeros(temporaries, np.bool_), groups.negated])
        operands = operands ^ np.repeat(negated, arities)
        roles = np.concatenate([np.full(temporaries, TEMPORARY), groups.roles]).astype(np.int32)
        # The minus group of a filter follows its plus group: together they are one sum.
        joins = np.zeros(len(roles), np.bool_)
        joins[1:] = (roles[1:] == roles[:-1]) & (roles[1:] >= 0)
        return SubBlockSums(
            np.append(starts[:-1][~joins], starts[-1]).astype(np.int32), operands, roles[~joins]
        )


@dataclasses.dataclass(frozen=True, eq=False)
class _Groups:
    """What is summed: a row of inputs per group, whose it is, and whether it is subtracted."""

    plus: NDArray[np.bool_]
    minus: NDArray[np.bool_] | None
    roles: NDArray[np.int32]
    negated: NDArray[np.bool_]


def _groups(digits: NDArray[np.int8], search: PairMerging) -> _Groups:
    count = len(digits)
    filters = np.arange(count, dtype=np.int32)
    if search.signed:
        return _Groups(digits > 0, digits < 0, filters, np.zeros(count, np.bool_))
    plus, roles, negated = np.stack([digits > 0, digits < 0], axis=1), filters, [False, True]
    members = plus.reshape(2 * count, -1)
    roles, signs = np.repeat(roles, 2), np.tile(negated, count)
    if search.zeros:
        members = np.concatenate([members, digits == 0])
        roles = np.concatenate([roles, np.full(count, DROPPED, np.int32)])
        signs = np.concatenate([signs, np.zeros(count, np.bool_)])
    used = members.any(axis=1)
    return _Groups(members[used], None, roles[used], signs[used])
