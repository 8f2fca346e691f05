"""Recognises weights with two or three values per filter from the values alone.

Whoever trained a network, by whatever quantiser, its float32 weights tell: no layer class, no
metadata and no tolerance is needed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.spec import LowBitWeight

__all__ = ["FEWEST_WEIGHTS", "recognize"]

FEWEST_WEIGHTS: Final = 8
_FILTERS_SEEN_FIRST: Final = 4


def recognize(weight: NDArray[np.float32]) -> LowBitWeight | None:
    """The logical form of a weight tensor, or None where it is not a low-bit one.

    weight: float32 (K, C, R, S) or (K, C), finite. Each filter w = weight[k] becomes
    scale * codes + offset by the first rule that its distinct values fit (-0.0 equals 0.0):

    ========== ============================== ============================ =========
    values     codes                          scale                        offset
    ========== ============================== ============================ =========
    {0}        0                              1                            0
    {a}        sign(a)                        abs(a)                       0
    {0, a}     0, sign(a)                     abs(a)                       0
    {-a, a}    -1, +1                         abs(a)                       0
    {-a, 0, a} -1, 0, +1                      abs(a)                       0
    {u, v}     0 for u, sign(v - u) for v     abs(v - u)                   u
    ========== ============================== ============================ =========

    In the last row u is the value that occurs more often; in a tie the one of smaller magnitude,
    the positive one of -a and a. A layer with filters of that row and none of the row before takes
    filters {-a, a} by the last row, too: a centred filter whose density is exactly one half.
    Values are compared exactly: two that differ by one unit in the last place are two values.
    The first five rows reproduce the weights exactly; the last one to within half a unit in the
    last place of v - u, which float32 may be unable to hold exactly.

    Every filter must fit, otherwise the whole layer is None. Filters of fewer than 8 weights are
    never taken as evidence (few numbers have few values by chance): None. Raises SpecError for
    another dtype or rank, or for NaN or infinite weights.
    """
    _check(weight)
    flat = weight.reshape(weight.shape[0], -1)
    if flat.shape[1] < FEWEST_WEIGHTS:
        return None
    # Real float layers fail within the first filters: spare them the passes over all weights.
    if _codes(flat[:_FILTERS_SEEN_FIRST]) is None:
        return None
    found = _codes(flat)
    if found is None:
        return None
    codes, scale, offset = found
    if not np.all(np.isfinite(scale)):
        return None
    return LowBitWeight(codes.reshape(weight.shape), scale, offset if np.any(offset != 0) else None)


def _check(weight: NDArray[np.float32]) -> None:
    if weight.dtype != np.float32 or weight.ndim not in (2, 4) or not weight.size:
        raise SpecError(
            "weight to recognise",
            value=(str(weight.dtype), weight.shape),
            allowed="float32 of shape (K, C, R, S) or (K, C), not empty",
        )
    if not np.all(np.isfinite(weight)):
        raise SpecError("weight to recognise", allowed="finite numbers")


def _codes(
    flat: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]] | None:
    """Codes (K, M), scale (K,) and offset (K,) of filters (K, M); None where one does not fit."""
    low, high = flat.min(axis=1), flat.max(axis=1)
    is_low, is_high = flat == low[:, None], flat == high[:, None]
    is_extreme = is_low | is_high
    if not np.all(is_extreme | (flat == 0)):
        return None
    three_values = ~is_extreme.all(axis=1)
    symmetric = low == -high
    if np.any(three_values & ~symmetric):
        return None
    scale = np.maximum(np.abs(low), np.abs(high))
    scale[scale == 0] = 1
    codes = np.sign(flat).astype(np.int8)
    offset = np.zeros_like(scale)
    two_values = (low != high) & (low != 0) & (high != 0) & ~three_values
    shifted = two_values & ~symmetric
    if np.any(shifted) and not np.any(three_values):
        shifted = two_values
    for k in np.flatnonzero(shifted):
        codes[k], scale[k], offset[k] = _shifted(is_low[k], low[k], high[k])
    return codes, scale, offset


def _shifted(
    is_low: NDArray[np.bool_], low: np.float32, high: np.float32
) -> tuple[NDArray[np.int8], np.float32, np.float32]:
    """The last row of the table, for one filter."""
    more_low = 2 * int(np.count_nonzero(is_low)) - is_low.size
    offset_is_low = more_low > 0 or (more_low == 0 and abs(low) < abs(high))
    with np.errstate(over="ignore"):  # an infinite scale is refused by the caller
        scale = np.float32(high - low)
    if offset_is_low:
        return (~is_low).astype(np.int8), scale, low
    return -is_low.astype(np.int8), scale, high
