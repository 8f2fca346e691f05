"""What a process holds of the system, and whether it stays: memory, files, threads, mappings."""

from __future__ import annotations

import dataclasses
import gc
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["Held", "growth", "held", "slope"]

_SELF: Final = Path("/proc/self")
_FEWEST: Final = 8
"""Samples, below which nothing is said of growth: the first quarter warms up."""


@dataclasses.dataclass(frozen=True)
class Held:
    """rss: bytes of memory in use; open files; threads; mappings of the address space."""

    rss: int
    files: int
    threads: int
    mappings: int


def held() -> Held:
    """What this process holds now, once Python has collected what nobody reaches."""
    gc.collect()
    pages = int((_SELF / "statm").read_text(encoding="ascii").split()[1])
    return Held(
        rss=pages * os.sysconf("SC_PAGE_SIZE"),
        files=len(os.listdir(_SELF / "fd")) - 1,  # without the one that lists
        threads=len(os.listdir(_SELF / "task")),
        mappings=len((_SELF / "maps").read_text(encoding="utf-8").splitlines()),
    )


def slope(places: Sequence[float], values: Sequence[float]) -> float:
    """Least squares: how much values rise per unit of places; 0 for fewer than two places.

    >>> slope([0, 1, 2], [5, 7, 9])
    2.0
    """
    if len(set(places)) < 2:
        return 0.0
    return statistics.linear_regression(places, values).slope


def growth(values: Sequence[float]) -> float | None:
    """Median of the last quarter less that of the second; None for fewer than 8 values.

    >>> growth([9, 9, 5, 5, 5, 5, 6, 6])
    1.0
    """
    if len(values) < _FEWEST:
        return None
    quarter = len(values) // 4
    return statistics.median(values[-quarter:]) - statistics.median(values[quarter : 2 * quarter])
