"""Which sums a layer's filters are made of, and what is done to them afterwards."""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
from numpy.typing import NDArray

from signbin.spec import LowBitWeight

__all__ = ["BinaryForm", "WantedSums", "wanted_sums"]


class BinaryForm(enum.Enum):
    """How a filter of -1 and +1, without zeros, is summed.

    SHARED_TOTAL: 2 * (sum of the inputs of +1) - T, with T the sum of the whole window, which
    all filters share: the fair control. TWO_GROUPS: the inputs of +1 and those of -1 are summed,
    then subtracted: what an engine does that treats -1 and +1 as two values of three.
    """

    SHARED_TOTAL = "shared_total"
    TWO_GROUPS = "two_groups"


@dataclasses.dataclass(frozen=True, eq=False)
class WantedSums:
    """w[k] . x = factor[k] * sum_i digits[k, i] * x[i] + shift[k] * T, T = sum_i x[i].

    digits: int8 (K, M), -1, 0 and +1; M counts (c, r, s) in this order. factor, shift: float32
    (K,). A filter of one sign has digits 0 and 1, the sign being in its factor.
    """

    digits: NDArray[np.int8]
    factor: NDArray[np.float32]
    shift: NDArray[np.float32]

    @property
    def needs_total(self) -> bool:
        """Whether some filter uses T."""
        return bool(np.any(self.shift))


def wanted_sums(weight: LowBitWeight, form: BinaryForm = BinaryForm.SHARED_TOTAL) -> WantedSums:
    """The sums of a layer.

    A filter of one sign sums its non-zeros; one of -1 and +1 follows ``form``; one that mixes
    -1, 0 and +1 subtracts two sums.
    """
    codes = weight.codes.reshape(weight.shape[0], -1)
    scale = weight.scale
    offset = np.zeros_like(scale) if weight.offset is None else weight.offset
    low, high = codes.min(axis=1), codes.max(axis=1)
    negative = (low < 0) & (high <= 0)
    total = (low < 0) & (high > 0) & np.all(codes != 0, axis=1)
    if form is BinaryForm.TWO_GROUPS:
        total[:] = False
    digits = np.where(negative[:, None], -codes, codes)
    digits = np.where(total[:, None], codes > 0, digits).astype(np.int8)
    factor = np.where(negative, -scale, np.where(total, 2 * scale, scale))
    shift = np.where(total, offset - scale, offset)
    return WantedSums(digits, factor.astype(np.float32), shift.astype(np.float32))
