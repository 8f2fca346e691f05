"""How a sparse stationary matrix is cut into rounds that fit an array of multipliers.

Consecutive rows are packed, one multiplier per non-zero, as long as whole rows fit. A row with
more non-zeros than multipliers is folded: its first round takes every multiplier, each later
one keeps a multiplier for the partial sum that comes back from the buffer. Rows without a
non-zero take no part. Source: SIGMA (HPCA 2020) as STONNE's memory controller maps it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Round", "pack_rows"]


@dataclasses.dataclass(frozen=True, slots=True)
class Round:
    """Rows loaded together.

    rows: indices of the rows. skipped: for a folded row, how many of its non-zeros earlier
    rounds took; sizes: multipliers that hold weights, per row. resumed: whether one more
    multiplier carries the partial sum. closes: whether the round finishes its rows.
    """

    rows: tuple[int, ...]
    sizes: tuple[int, ...]
    skipped: int = 0
    resumed: bool = False
    closes: bool = True


def pack_rows(nonzeros: NDArray[np.int64], multipliers: int) -> Iterator[Round]:
    """Rounds in the order the array runs them; ``nonzeros`` counts those of every row."""
    rows: list[int] = []
    sizes: list[int] = []
    used = 0
    for row, size in enumerate(nonzeros.tolist()):
        if size == 0:
            continue
        if rows and used + size > multipliers:
            yield Round(tuple(rows), tuple(sizes))
            rows, sizes, used = [], [], 0
        if size > multipliers:
            yield from _fold(row, size, multipliers)
            continue
        rows.append(row)
        sizes.append(size)
        used += size
    if rows:
        yield Round(tuple(rows), tuple(sizes))


def _fold(row: int, size: int, multipliers: int) -> Iterator[Round]:
    done = 0
    while done < size:
        room = multipliers - (1 if done else 0)
        taken = min(room, size - done)
        yield Round((row,), (taken,), done, done > 0, done + taken == size)
        done += taken
