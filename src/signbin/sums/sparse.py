"""No sharing at all: every filter adds the inputs whose weights are not zero."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.sums.budget import UNLIMITED, Budget
from signbin.sums.sub_blocks import SubBlockSums, assemble, cut
from signbin.sums.sum_list import SumList

__all__ = ["Sparse"]

_FILTERS: Final = 64  # of a segment: nothing depends on it but how a kernel walks


@dataclasses.dataclass(frozen=True)
class Sparse:
    """Skips zeros, filter by filter, ``inputs`` inputs at a time."""

    inputs: int

    def build(self, digits: NDArray[np.int8], budget: Budget = UNLIMITED) -> SumList:
        """The list of a layer's digits (K, M): non-zeros - filters additions."""
        shape = (len(digits), digits.shape[1])
        sub_blocks = cut(shape, _FILTERS, self.inputs, budget)
        return assemble(shape, ((each, _listed(each.of(digits))) for each in sub_blocks))


def _listed(digits: NDArray[np.int8]) -> SubBlockSums:
    rows, inputs = np.nonzero(digits)
    minus = digits[rows, inputs] < 0
    order = np.lexsort((minus, rows))
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(digits, axis=1))])
    operands = (2 * inputs + minus)[order]
    filters = np.arange(len(digits), dtype=np.int32)
    return SubBlockSums(starts.astype(np.int32), operands.astype(np.int32), filters)
