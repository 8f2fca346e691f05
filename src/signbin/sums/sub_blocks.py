"""From the sums of single sub-blocks to the list of a layer."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.sums.budget import UNLIMITED, Budget
from signbin.sums.sum_list import TEMPORARY, SumList

__all__ = ["SubBlock", "SubBlockSums", "assemble", "cut"]


@dataclasses.dataclass(frozen=True)
class SubBlock:
    """Filters [first_filter, end_filter) over inputs [first_input, end_input)."""

    first_filter: int
    end_filter: int
    first_input: int
    end_input: int

    def of(self, digits: NDArray[np.int8]) -> NDArray[np.int8]:
        """The sub-block's part of a layer's digits (K, M)."""
        rows = digits[self.first_filter : self.end_filter]
        return rows[:, self.first_input : self.end_input]


@dataclasses.dataclass(frozen=True, eq=False)
class SubBlockSums:
    """starts, operands and roles as in SumList, inputs and filters counted within the sub-block.

    Temporaries come first; unlike them, a filter's sum may be empty.
    """

    starts: NDArray[np.int32]
    operands: NDArray[np.int32]
    roles: NDArray[np.int32]


def cut(
    shape: tuple[int, int], filters: int, inputs: int, budget: Budget = UNLIMITED
) -> Iterator[SubBlock]:
    """Sub-blocks of at most ``filters`` x ``inputs`` over (K, M), shared out evenly.

    Ranges of inputs outside, filters inside: a range stays in cache for all filters.
    SpecError for a sub-block that is no positive number, OverBudget before one that ``budget``
    has no time or memory for.
    """
    for name, extent in (("filters", filters), ("inputs", inputs)):
        if isinstance(extent, bool) or not isinstance(extent, int) or extent < 1:
            raise SpecError(
                f"{name} of a sub-block", value=extent, allowed="a positive whole number"
            )
    budget.check_memory(shape, filters, inputs)
    rows, columns = _edges(shape[0], filters), _edges(shape[1], inputs)
    for left, right in itertools.pairwise(columns):
        for top, bottom in itertools.pairwise(rows):
            budget.check_time()
            yield SubBlock(top, bottom, left, right)


def assemble(shape: tuple[int, int], parts: Iterable[tuple[SubBlock, SubBlockSums]]) -> SumList:
    """The list of (K, M) whose segments are the sub-blocks; empty sums are left out."""
    filters, inputs = shape
    arities, operands, roles, sizes = [], [], [], []
    done = 0
    for sub_block, part in parts:
        part = _without_empty(part)  # noqa: PLW2901 - the same sums, tidied
        width = sub_block.end_input - sub_block.first_input
        index = part.operands >> 1
        index = np.where(
            index < width, index + sub_block.first_input, index - width + inputs + done
        )
        operands.append(2 * index + (part.operands & 1))
        arities.append(np.diff(part.starts))
        roles.append(np.where(part.roles >= 0, part.roles + sub_block.first_filter, part.roles))
        sizes.append(len(part.roles))
        done += len(part.roles)
    kept = [size for size in sizes if size]
    return SumList(
        inputs=inputs,
        filters=filters,
        starts=_joined([np.zeros(1), np.cumsum(_joined(arities))]),
        operands=_joined(operands),
        roles=_joined(roles),
        segments=_joined([np.zeros(1), np.cumsum(kept)]),
    )


def _without_empty(part: SubBlockSums) -> SubBlockSums:
    """The same without sums of nothing, which no node uses."""
    arities = np.diff(part.starts)
    filled = arities > 0
    if filled.all():
        return part
    temporaries = np.count_nonzero(part.roles == TEMPORARY)
    if np.any(part.roles[:temporaries] != TEMPORARY) or not filled[:temporaries].all():
        raise SpecError("sums of a sub-block", allowed="temporaries first, none of them empty")
    starts = np.concatenate([[0], np.cumsum(arities[filled])]).astype(np.int32)
    return SubBlockSums(starts, part.operands, part.roles[filled])


def _joined(arrays: list[NDArray[np.generic]]) -> NDArray[np.int32]:
    return np.concatenate(arrays).astype(np.int32) if arrays else np.zeros(0, np.int32)


def _edges(extent: int, size: int) -> list[int]:
    parts = -(-extent // size)
    return [extent * part // parts for part in range(parts + 1)]
