"""Sets of inputs as rows of bits: 64 inputs in a word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["common_counts", "packed_rows"]


def packed_rows(rows: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(n, inputs) -> (n, words): bit i % 64 of word i // 64 is input i; bits past them are 0."""
    count, inputs = rows.shape
    bits = np.zeros((count, -(-inputs // 64) * 64), np.bool_)
    bits[:, :inputs] = rows
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


def common_counts(some: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.int32]:
    """(n, words), (m, words) -> (n, m): bits that two rows have in common.

    >>> common_counts(packed_rows(np.eye(2, 3) > 0), packed_rows(np.ones((1, 3)) > 0))
    array([[1],
           [1]], dtype=int32)
    """
    from signbin import native  # noqa: PLC0415 - planning alone needs no library

    counts = np.empty((len(some), len(others)), np.int32)
    native.extension().count_common(
        np.ascontiguousarray(some), np.ascontiguousarray(others), counts
    )
    return counts
