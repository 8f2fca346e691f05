"""Where the zeros are: seeded draws of sparsity patterns for layers whose weights are not at hand.

A pattern is a boolean matrix, True where the stationary operand is non-zero. Real weights need
no pattern: their codes are the pattern.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError

__all__ = ["StonneDraw", "draw_exact", "draw_independent", "draw_stonne"]


def draw_independent(
    shape: tuple[int, int], density: float, seed: int | tuple[int, ...]
) -> NDArray[np.bool_]:
    """Each entry non-zero with probability ``density``, independently (numpy PCG64, seeded)."""
    _check_density(density)
    if density == 1.0:
        return np.ones(shape, dtype=np.bool_)
    uniform = np.random.default_rng(seed).random(shape, dtype=np.float32)
    drawn: NDArray[np.bool_] = uniform < density
    return drawn


def draw_exact(
    shape: tuple[int, int], density: float, seed: int | tuple[int, ...]
) -> NDArray[np.bool_]:
    """round(density * columns) non-zeros in every row, at random places (half rounds to even)."""
    _check_density(density)
    rank = np.random.default_rng(seed).random(shape).argsort(axis=1).argsort(axis=1)
    drawn: NDArray[np.bool_] = rank < round(density * shape[1])
    return drawn


@dataclasses.dataclass(frozen=True, eq=False)
class StonneDraw:
    """The two operands as STONNE's command line draws them.

    stationary: bool (rows, columns). streamed_nonzeros: non-zeros of the streaming operand.
    """

    stationary: NDArray[np.bool_]
    streamed_nonzeros: int


def draw_stonne(
    shape: tuple[int, int, int], stationary_percent: int, streaming_percent: int = 0
) -> StonneDraw:
    """The operands of ``stonne -SparseGEMM -M -N -K -MK_sparsity -KN_sparsity``, bit for bit.

    shape: (M, N, K). An entry is zero where rand() % 100 <= percent, so the command line's
    "0 %" draws one zero in a hundred and its "64 %" draws 65; each non-zero takes a second
    number for its value. rand() is the C library's additive generator with its default seed 1.
    Source: STONNE, function generateMatrixDense (read, not copied).
    """
    for name, percent in (("stationary", stationary_percent), ("streaming", streaming_percent)):
        if not 0 <= percent <= 98:
            raise SpecError(f"{name} sparsity", value=percent, allowed="0..98 percent")
    rows, streamed, columns = shape
    numbers = _AdditiveGenerator(2 * (rows * columns + columns * streamed))
    stationary = numbers.draw(rows * columns, stationary_percent).reshape(rows, columns)
    streaming = numbers.draw(columns * streamed, streaming_percent)
    return StonneDraw(stationary, int(np.count_nonzero(streaming)))


class _AdditiveGenerator:
    """rand() of the GNU C library, seed 1: r[i] = r[i-3] + r[i-31] modulo 2^32, top 31 bits.

    (The generator its manual calls random(), additive feedback of degree 31.)
    """

    _WARM_UP = 344

    def __init__(self, numbers: int, seed: int = 1) -> None:
        state = [seed]
        for _ in range(30):
            state.append(16807 * state[-1] % 2147483647)
        state += state[:3]
        total = numbers + self._WARM_UP
        values = np.zeros(total + 64, dtype=np.uint32)
        values[:34] = state[:34]
        for start in range(34, total, 30):  # 30 numbers depend on earlier blocks only
            older = values[start - 31 : start - 1].reshape(10, 3)
            block = values[start - 3 : start] + np.cumsum(older, axis=0, dtype=np.uint32)
            values[start : start + 30] = block.reshape(-1)
        self._percent = (values[self._WARM_UP : total] >> np.uint32(1)) % np.uint32(100)
        self._position = 0

    def draw(self, entries: int, zero_percent: int) -> NDArray[np.bool_]:
        """``entries`` draws; a non-zero consumes one number more."""
        percent = self._percent.tolist()
        position = self._position
        drawn = np.zeros(entries, dtype=np.bool_)
        for entry in range(entries):
            if percent[position] > zero_percent:
                drawn[entry] = True
                position += 1
            position += 1
        self._position = position
        return drawn


def _check_density(density: float) -> None:
    if not (math.isfinite(density) and 0.0 < density <= 1.0):
        raise SpecError("density", value=density, allowed="0 < density <= 1")
