"""How much weights repeat: patterns of F filters over the inputs, counted and never assumed."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.plan.layer import Layer
from signbin.plan.stats import group_sizes, largest_group, walk_digits, walk_radix
from signbin.spec import LowBitWeight

__all__ = [
    "LARGEST_PATTERN",
    "Repetition",
    "ZeroBlocks",
    "pattern_maps",
    "repetition",
    "zero_blocks",
]

LARGEST_PATTERN: Final = 10
"""The most filters whose patterns are counted."""


@dataclasses.dataclass(frozen=True)
class Repetition:
    """Patterns of groups of F consecutive filters, over all groups.

    distinct: different non-zero patterns, the mean of the groups; ternary ones modulo sign.
    zero_share: p0(F), positions with the zero pattern / positions. factor: positions with a
    non-zero pattern / distinct ones: how often a pattern recurs; 0 where there is none.
    """

    filters: int
    distinct: float
    zero_share: float
    factor: float

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class ZeroBlocks:
    """What is zero as a whole: kernels (R x S weights of a filter and a channel), input channels
    that no filter reads, filters; each out of how many there are.
    """

    kernels: tuple[int, int]
    channels: tuple[int, int]
    filters: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """``{"kernels": {"zero": ..., "all": ...}, ...}``."""
        fields = dataclasses.asdict(self)
        return {name: {"zero": zero, "all": count} for name, (zero, count) in fields.items()}


def repetition(weight: LowBitWeight, filters: int, groups: int = 1) -> Repetition:
    """Patterns of F = ``filters`` filters, 1..10, none across convolution groups.

    A pattern has a digit per filter: what the walk sees of the code, see walk_digits. The zero
    pattern of binary filters is -1 throughout: their walk skips it.
    """
    found = _patterns(weight, filters, groups)
    if walk_radix(weight) == 3:
        found = np.abs(found)
    distinct = sum(len(np.unique(row[row != 0])) for row in found)
    used = int(np.count_nonzero(found))
    return Repetition(
        filters=filters,
        distinct=distinct / len(found),
        zero_share=1 - used / found.size,
        factor=used / distinct if distinct else 0.0,
    )


def pattern_maps(layer: Layer) -> dict[str, Any] | None:
    """How often each pattern of a layer's filters occurs; None for float weights.

    ``filters``: F, 8 or as many as there are (5 where a filter mixes -1, 0 and +1); ``radix``;
    ``counts``: over all groups of exactly F filters. Radix 2: 2^F entries, bit f for filter f.
    Radix 3: 3^F, the digit of filter f plus one times 3^f.
    """
    weight = layer.weight
    if not isinstance(weight, LowBitWeight):
        return None
    radix = walk_radix(weight)
    filters = min(largest_group(weight), layer.filters // layer.groups)
    found = _patterns(weight, filters, layer.groups, whole=True)
    shift = (radix**filters - 1) // 2 if radix == 3 else 0
    counts = np.bincount((found + shift).reshape(-1), minlength=radix**filters)
    return {"filters": filters, "radix": radix, "counts": counts.tolist()}


def zero_blocks(weight: LowBitWeight, groups: int = 1) -> ZeroBlocks:
    """Count the kernels, input channels and filters without a non-zero weight."""
    filters, channels = weight.shape[:2]
    codes = weight.codes.reshape(groups, filters // groups, channels, -1)
    kernels: NDArray[np.bool_] = ~np.any(codes, axis=3)
    return ZeroBlocks(
        kernels=(int(np.count_nonzero(kernels)), filters * channels),
        channels=(int(np.count_nonzero(np.all(kernels, axis=1))), groups * channels),
        filters=(int(np.count_nonzero(np.all(kernels, axis=2))), filters),
    )


def _patterns(
    weight: LowBitWeight, filters: int, groups: int, *, whole: bool = False
) -> NDArray[np.int32]:
    """(groups of filters, M); whole: only groups of exactly ``filters``."""
    if not 1 <= filters <= LARGEST_PATTERN:
        raise SpecError("filters per pattern", value=filters, allowed=f"1..{LARGEST_PATTERN}")
    radix = walk_radix(weight)
    digits = walk_digits(weight, radix).reshape(groups, weight.shape[0] // groups, -1)
    sizes = group_sizes(digits.shape[1], filters)
    found = np.zeros((groups, len(sizes), digits.shape[2]), np.int32)
    first = 0
    for number, size in enumerate(sizes):
        for digit in range(size):
            found[:, number] += digits[:, first + digit].astype(np.int32) * radix**digit
        first += size
    kept = [number for number, size in enumerate(sizes) if size == filters or not whole]
    return found[:, kept].reshape(-1, digits.shape[2])
